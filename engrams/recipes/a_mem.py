"""A-Mem: notes with keywords, tags and context, which link themselves to older notes and change them."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.organise.embed import Embed
from engrams.organise.notes import Evolve, WriteNotes
from engrams.recall.expand import AskKeywords, ExpandLinks
from engrams.recall.nearest import Nearest
from engrams.recipe import Paper, Recipe

A_MEM = Recipe(
    name="a-mem",
    summary="A note for every message, with keywords, tags and a sentence of context; new notes link to old ones and rewrite them.",
    paper=Paper("A-MEM: Agentic Memory for LLM Agents", 2025, "https://arxiv.org/abs/2502.12110"),
    write=WriteNotes(index_text="paper")
    >> Evolve(find=Nearest(kinds=("note",), k=5), index_text="paper")
    >> Embed(),
    read=AskKeywords()
    >> Nearest(kinds=("note",), k=10, widen=True)
    >> ExpandLinks(relation="related", most=10)
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    unit=1,
    differs=(
        "the question of the first note, which has no neighbours, is not asked; the authors' code asks it",
        "k=10 notes; the paper chooses k between 10 and 50 for each category of questions",
        "the context shows what notes say, with day and speaker; keywords, tags and context are what they are found by",
        "links are ids, not places in a list",
    ),
    needs=("chat", "embedder"),
)
