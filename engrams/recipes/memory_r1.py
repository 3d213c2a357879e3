"""Memory-R1: a manager that adds, updates, deletes or leaves each fact, and an answerer that chooses before it answers."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.deciding import Decide, Linear
from engrams.joints import Composing
from engrams.organise.embed import Embed
from engrams.organise.extract import ExtractFacts
from engrams.organise.judge import AskVerdicts, Reconcile
from engrams.organise.ruling import OPERATION_TOOLS, Judged, LooksOfRuling, Ruled, Ruling, ShowCase
from engrams.prompts import Prompt
from engrams.recall.choose import KeepChosen
from engrams.recall.nearest import Nearest
from engrams.recipe import Paper, Recipe

#: Who rules on a fact: `MEMORY_R1.replace("write.Decide.policy", "tools")`, or "trained:FILE".
MANAGER: Decide[Ruling] = Decide(
    tools=OPERATION_TOOLS,
    prompt=Prompt("manage"),
    shown=ShowCase(),
    pipeline=Judged(AskVerdicts(operations=("ADD", "UPDATE", "DELETE", "NOOP"))),
    policy="pipeline",
    trained=Linear(LooksOfRuling()),
    operation="reconcile",
    most_turns=4,
    most_calls=8,
)

MEMORY_R1 = Recipe(
    name="memory-r1",
    summary="Facts of each turn, each judged by a manager against what stands; of sixty candidates the reader keeps what it needs.",
    paper=Paper(
        "Memory-R1: Enhancing Large Language Model Agents to Manage and Utilize Memories via Reinforcement Learning",
        2025,
        "https://arxiv.org/abs/2508.19828",
    ),
    write=ExtractFacts(recent=0)
    >> Reconcile(
        find=Nearest(kinds=("fact",), k=10),
        judge=Ruled(MANAGER),
        each=True,
    )
    >> Embed(),
    read=Nearest(kinds=("fact",), k=60, widen=True)
    >> Composing(KeepChosen(prompt=Prompt("keep_memories", "engrams.recall"), block="memories"))
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    unit=1,
    differs=(
        "no official code was found: an approximation from the paper's text, with prompts of ours",
        "the manager is a model that is asked; policy='tools': one that calls the operations, 'trained:FILE': weights of a few looks at "
        "a fact. The paper trains the model itself, by the answers that a frozen reader gives",
        "60 candidates of one look-up; the paper takes 30 for each of two speakers",
        "the memories that are chosen are the context; the paper's answerer chooses and answers in one generation",
    ),
    needs=("chat", "embedder"),
)
