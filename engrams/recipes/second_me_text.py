"""Second Me without training: raw notes (L0), and a person in topics, facets and a biography (L1)."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.ingest.segment import SplitPassages
from engrams.organise.embed import Embed
from engrams.organise.facets import DrawFacets, NameTopics
from engrams.organise.groups import SummariseGroups
from engrams.organise.long_ones import SummariseLong
from engrams.prompts import Prompt
from engrams.recall.always import Preface
from engrams.recall.nearest import Nearest
from engrams.recipe import Paper, Recipe

SECOND_ME_TEXT = Recipe(
    name="second-me-text",
    summary="What a person said, and who they are: topics, facets drawn from these, a biography that stands before every answer.",
    paper=Paper("AI-native Memory 2.0: Second Me", 2025, "https://arxiv.org/abs/2503.08102"),
    write=SplitPassages() >> SummariseLong(kind="passage", tokens=300) >> Embed(),
    consolidate=NameTopics(of="passage", batch=20)
    >> DrawFacets()
    >> SummariseGroups(by="all", of="facet", into="profile", prompt=Prompt("biography"), tokens=400),
    read=Nearest(kinds=("passage",), k=3, widen=True, least=-1.0)
    >> Preface(kinds=("facet",), find=Nearest(kinds=("facet",), k=3))
    >> Preface(kinds=("profile",))
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    differs=(
        "L2, the parameters trained on synthetic questions of the person, is left out: this is L0 and L1 as text",
        "least=-1.0: the authors' code drops notes below a cosine of 0.7, a number for its embedder; 3 notes and 3 facets are its numbers",
        "a note is summed up where it has more than 300 tokens; the authors' code writes an insight and a summary of every document",
        "facets are drawn from topics in one call, their contents with them; the authors' code writes these in another, and a biography "
        "in three persons, with the state of the last days beside it",
        "entities and relations (GraphRAG) serve their training data alone, and are left out",
        "topics of the same name are one, however it is written; the instruction is in one language, the answer in that of the notes",
    ),
    needs=("chat", "embedder"),
)
