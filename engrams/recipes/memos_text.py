"""MemOS, its textual memory: tiers with capacities, conflicts that are fused, and a scheduler that activates what will be needed."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.organise.embed import Embed
from engrams.organise.judge import Reconcile
from engrams.organise.schedule import AskMissing, AskOrder, Schedule
from engrams.organise.tiers import AskConflicts, ExtractTiers, KeepCapacities
from engrams.recall.always import Preface
from engrams.recall.nearest import Nearest
from engrams.recipe import Paper, Recipe

MEMOS_TEXT = Recipe(
    name="memos-text",
    summary="Memories in tiers: long-term and user with capacities, and working memory with what the talk will need.",
    paper=Paper("MemOS: A Memory OS for AI System", 2025, "https://arxiv.org/abs/2507.03724"),
    write=ExtractTiers(recent=2)
    >> Reconcile(
        find=Nearest(kinds=("fact",), k=5, least=0.8), judge=AskConflicts(reorganise=True), each=True
    )
    >> Embed(),
    consolidate=KeepCapacities(capacities=(("long-term", 1500), ("user", 480)))
    >> Schedule(
        find=Nearest(kinds=("fact",), k=5),
        missing=AskMissing(most=3),
        order=AskOrder(),
        capacity=20,
        retained=2,
        window=5,
        alike=0.75,
        shortest=6,
    ),
    read=Nearest(kinds=("fact",), k=10, widen=True)
    >> Preface(kinds=("fact",), marked="working")
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    unit=10,
    differs=(
        "numbers are those of the authors' code (v2); reorganise=False is its default, under which conflicts stand",
        "the scheduler runs when the memory is consolidated, over the last messages; theirs runs at every question",
        "working memory are marks on long-term and user memories, not copies; a context begins with it, as theirs with its cache",
        "raw windows do not stand in for memories until these are extracted: the journal holds what was said",
        "what is recalled by key and tag is among the nearest as they rank it, by its cosine; so it is not looked up apart",
        "keywords of what was said are found without a model; topics above memories, preferences, tools and the internet are left out",
        "what is fused keeps the id of what stood, with its history; what goes is archived, not removed",
    ),
    needs=("chat", "embedder"),
)
