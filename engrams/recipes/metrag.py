"""MetRag: passages by similarity and by a learnt utility, summed up for the question."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.compose.task_summary import SummariseForTask
from engrams.ingest.segment import SplitPassages
from engrams.organise.embed import Embed
from engrams.organise.utility import AskUse, JudgeUse
from engrams.recall.nearest import Nearest
from engrams.recall.utility import WeighUtility
from engrams.recipe import Paper, Recipe

METRAG = Recipe(
    name="metrag",
    summary="Passages ranked by similarity and by a utility learnt from what was of use; what they say to the question, in points.",
    paper=Paper(
        "Similarity is Not All You Need: Endowing Retrieval Augmented Generation with Multi Layered Thoughts",
        2024,
        "https://arxiv.org/abs/2405.19893",
    ),
    write=SplitPassages() >> Embed(),
    consolidate=JudgeUse(find=Nearest(kinds=("passage",), k=50), use=AskUse(), most=50),
    read=Nearest(kinds=("passage",), k=50, widen=True)
    >> WeighUtility(among=50, keep=5, utility=0.75, rate=0.02, temperature=0.1, teacher=0.1)
    >> SummariseForTask(tokens=500)
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    differs=(
        "approximation of MetRag: its text was read in summaries alone, and no code was found; its gate f(q, d) could not be read",
        "utility is two maps over the vectors that begin as the identity; the paper trains an encoder that begins as the retriever",
        "supervision is a model's word on what helped to answer questions of the conversation itself, and Memory.feedback; "
        "the paper takes the likelihood of the answers of a training set",
        "what is best by similarity or by utility is kept, in the order of a mean in which utility counts three times",
        "the summariser is a model that is asked; the paper distils one and aligns it with the answers that follow",
        "numbers are ours: 50 compared, 5 kept, rate, weight and temperatures",
    ),
    needs=("chat", "embedder"),
)
