"""RMM: topics with the turns that speak of them, and a reranker that learns from what answers cited."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.ingest.segment import SplitPassages
from engrams.organise.embed import Embed
from engrams.organise.topics import ExtractTopics, MergeTopics
from engrams.recall.nearest import Nearest
from engrams.recall.residual import RerankResidual
from engrams.recipe import Paper, Recipe

RMM = Recipe(
    name="rmm",
    summary="Topics of sessions, found by their summaries and given as raw turns; what answers cite teaches the order.",
    paper=Paper(
        "In Prospect and Retrospect: Reflective Memory Management for Long-term Personalized Dialogue Agents",
        2025,
        "https://arxiv.org/abs/2503.08026",
    ),
    write=SplitPassages() >> Embed(),
    consolidate=ExtractTopics() >> MergeTopics(find=Nearest(kinds=("topic",), k=20)),
    read=Nearest(kinds=("topic",), k=20, widen=True)
    >> RerankResidual(among=20, keep=5, rate=1e-3, baseline=0.5, temperature=0.5)
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    differs=(
        "no official code was found: an approximation from the paper's text, with prompts of ours",
        "one call gives the topics of all speakers of a session; the paper asks once for each speaker",
        "the turns of a session that has grown are asked about when it is consolidated again, with 10 earlier ones beside them",
        "20 similar topics are shown for a merge: the paper names no number",
        "the reranker draws no Gumbel noise unless noise= gives a seed, so that a question has one answer",
        "it learns verdict by verdict, not in batches of 4, from Memory.feedback; who answers says what was cited",
        "vectors are the memory's embedder's, of length 1 and of the first 600 characters; W_q and W_m start at 0",
    ),
    needs=("chat", "embedder"),
)
