"""Mem0 as its paper has it: facts a model extracts, reconciled with what stands nearest."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.organise.embed import Embed
from engrams.organise.extract import ExtractFacts
from engrams.organise.judge import AskVerdicts, Reconcile
from engrams.recall.nearest import Nearest
from engrams.recipe import Paper, Recipe

MEM0 = Recipe(
    name="mem0",
    summary="Facts that a model extracts from every two messages; each is added, merged, or ends what stood before.",
    paper=Paper(
        "Mem0: Building Production-Ready AI Agents with Scalable Long-Term Memory",
        2025,
        "https://arxiv.org/abs/2504.19413",
    ),
    write=ExtractFacts(recent=10)
    >> Reconcile(
        find=Nearest(kinds=("fact",), k=10),
        judge=AskVerdicts(operations=("ADD", "UPDATE", "DELETE", "NOOP")),
    )
    >> Embed(),
    read=Nearest(kinds=("fact",), k=30, widen=True) >> FitBudget() >> OrderForReading() >> Render(),
    unit=2,
    differs=(
        "the extraction is shown the last 10 messages, not a rolling summary of the conversation besides",
        "every conversation is stored once, and a question looks once; the released evaluation stores it once for each speaker",
        "10 similar facts are looked up as in the paper; the released code takes 5",
        "a fact about which the model decides nothing is kept",
        "what DELETE takes away is archived with its history, not removed",
    ),
    needs=("chat", "embedder"),
)
