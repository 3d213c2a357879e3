"""MARK: three kinds of refined memories, trusted by what agrees with them, ranked by how they are used."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.organise.embed import Embed
from engrams.organise.judge import AskVerdicts, Reconcile
from engrams.organise.refine import Refine
from engrams.organise.trust import Persist
from engrams.prompts import Prompt
from engrams.recall.nearest import Nearest
from engrams.recall.weigh import WeighUse
from engrams.recipe import Paper, Recipe

MARK = Recipe(
    name="mark",
    summary="What is implied, told and accepted in conversations; what agrees, contradicts, and is used says how far it is trusted.",
    paper=Paper(
        "MARK: Memory Augmented Refinement of Knowledge",
        2025,
        "https://arxiv.org/abs/2505.05177",
    ),
    write=Refine(recent=10)
    >> Reconcile(
        find=Nearest(kinds=("fact",), k=5),
        judge=AskVerdicts(operations=("ADD", "AGREE", "DISAGREE"), prompt=Prompt("agree_or_disagree")),
    )
    >> Embed(),
    consolidate=Persist(kind="fact", least=0.1, days=365.0),
    read=Nearest(kinds=("fact",), k=20, widen=True, reinforce=True)
    >> WeighUse(similarity=1.0, recency=0.1, recalls=0.1, feedback=0.1, keep=10)
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    differs=(
        "approximation of MARK: the weights of its memory relevance score, and its trust and persistence scores, could not be read",
        "similarity=1.0 and 0.1 for each of the others: these order what is about equally similar",
        "trust is (for + 1) / (for + against + 2); a memory that is contradicted is closed where that is below 1/2, and the new one stands",
        "persistence is trust times e^(-days unused / 365), a year more for each recall; below 0.1 a memory is archived",
        "the messages of one add are asked about at once: add a conversation when it is over",
        "a recall is counted for the 20 most alike of a question, which are then ranked",
        "people's verdicts are those of Memory.feedback; users are namespaces",
    ),
    needs=("chat", "embedder"),
)
