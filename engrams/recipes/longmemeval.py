"""LongMemEval's own memory: rounds as values, found by the user's turn widened with facts, ranked with the time asked for."""

from __future__ import annotations

from engrams.compose.reading import NoteEach
from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.ingest.rounds import GroupRounds
from engrams.organise.embed import Embed
from engrams.organise.keys import AddFactKeys
from engrams.recall.nearest import Nearest
from engrams.recall.time_range import AskTimeRange, MoveOutOfRange
from engrams.recipe import Paper, Recipe

LONGMEMEVAL = Recipe(
    name="longmemeval",
    summary="Rounds of a conversation, found by the user's turn and the facts in it; outside the time asked for they go last.",
    paper=Paper(
        "LongMemEval: Benchmarking Chat Assistants on Long-Term Interactive Memory",
        2024,
        "https://arxiv.org/abs/2410.10813",
    ),
    write=GroupRounds(key="asked") >> AddFactKeys(kind="round", join="merge") >> Embed(),
    read=Nearest(kinds=("round",), k=50, widen=True)
    >> MoveOutOfRange(range=AskTimeRange(), days=2)
    >> NoteEach(most=10, tokens=500)
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    differs=(
        "the days of a round are read by rules; the paper has a model date the events of each session",
        "the context is written in this library's form, with day and session, not as JSON",
        "vectors are the memory's embedder's, of the first 600 characters of a key; the paper takes models up to 7B",
        "chain-of-note is done with one call an item (con-separate), so that every note has its citation",
    ),
    needs=("chat", "embedder"),
)
