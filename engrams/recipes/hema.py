"""HEMA: a sentence that sums up the whole talk, and every turn by its vector, of which the least worth are pruned."""

from __future__ import annotations

import math

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.ingest.segment import SplitPassages
from engrams.organise.embed import Embed
from engrams.organise.groups import SummariseGroups
from engrams.organise.prune import Prune
from engrams.organise.rolling import RollSummary
from engrams.prompts import Prompt
from engrams.recall.always import Preface
from engrams.recall.nearest import Nearest
from engrams.recipe import Paper, Recipe

HEMA = Recipe(
    name="hema",
    summary="Every turn by its vector, and a running summary on two levels before every answer; what is old and unasked goes.",
    paper=Paper(
        "HEMA: A Hippocampus-Inspired Extended Memory Architecture for Long-Context AI Conversations",
        2025,
        "https://arxiv.org/abs/2504.16754",
    ),
    write=SplitPassages() >> Embed(),
    consolidate=RollSummary(of="passage", every=100, tokens=120)
    >> SummariseGroups(
        by="all",
        of="summary",
        of_grain="block",
        into="summary",
        prompt=Prompt("summary_of_summaries"),
        tokens=200,
    )
    >> Prune(kinds=("passage",), every=100, share=0.005, decay=math.log(2) / 100, bonus=1.0),
    read=Nearest(kinds=("passage",), k=5, widen=True, reinforce=True)
    >> Preface(kinds=("summary",), grain="all")
    >> FitBudget(tokens=3500)
    >> OrderForReading()
    >> Render(),
    differs=(
        "approximation of the paper: no official code was found, its text was read in reviews and its abstract",
        "decay and bonus are ours; the constants of the paper's salience could not be read",
        "the compact memory is brought up to date when the memory is consolidated, turn by turn; the paper does so after each turn",
        "the second level sums up all running summaries, the open one too, each time one has grown",
        "the summariser is the memory's model; the paper trains a small one. k=5 is the depth of its precision",
        "what is pruned is archived, and not found any more; its history and its events stand",
        "vectors lie in the memory's own index, exact; the paper's are compressed (IVF-4096, OPQ-16)",
        "the last turns of the running conversation are the caller's to add",
    ),
    needs=("chat", "embedder"),
)
