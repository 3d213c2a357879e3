"""MemGAS: sessions at four grains, joined where they are alike, weighted by how sure each grain is."""

from __future__ import annotations

from engrams.compose.reading import NoteEach
from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.ingest.segment import SplitPassages
from engrams.organise.embed import Embed
from engrams.organise.groups import JoinSessions, SummariseGroups
from engrams.prompts import Prompt
from engrams.recall.grains import RouteGrains
from engrams.recipe import Paper, Recipe

MEMGAS = Recipe(
    name="memgas",
    summary="Each session whole, as its turns, as a summary and as keywords; a walk over what is alike ranks the sessions.",
    paper=Paper(
        "From Single to Multi-Granularity: Memory Association and Selection of Conversational Agents", 2025
    ),
    write=SplitPassages() >> Embed(),
    consolidate=JoinSessions(of="passage")
    >> SummariseGroups(
        by="session", of="passage", into="summary", prompt=Prompt("session_summary"), tokens=500
    )
    >> SummariseGroups(
        by="session", of="passage", into="keywords", prompt=Prompt("session_keywords"), tokens=500
    ),
    read=RouteGrains(temperature=0.2, router="intended", seeds=15, damping=0.1, candidates=30, k=3)
    >> NoteEach(most=3, tokens=2000, prompt=Prompt("spans_of_hit", "engrams.compose"))
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    differs=(
        "router='intended' divides the entropy by its largest; 'released' is the authors' code, where the surer grain counts less",
        "two normal distributions are fitted by our own expectation maximisation, begun by 2-means from the smallest and largest",
        "the spans of a session are kept once; the authors' code repeats them for each session",
    ),
    needs=("chat", "embedder"),
)
