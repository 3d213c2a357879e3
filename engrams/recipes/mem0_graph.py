"""Mem0 with a graph beside its facts: relations between things, ended when newer ones contradict them."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.organise.embed import Embed
from engrams.organise.extract import ExtractFacts
from engrams.organise.judge import AskOutdated, AskVerdicts, Reconcile
from engrams.organise.nodes import UnifyNames
from engrams.organise.triples import ExtractEntities, ExtractTriples
from engrams.recall.nearest import Nearest
from engrams.recall.question_names import AskNames
from engrams.recall.relations import AddRelations, Around, AsName
from engrams.recipe import Recipe
from engrams.recipes.mem0 import MEM0

MEM0_GRAPH = Recipe(
    name="mem0-graph",
    summary="Mem0's facts, and beside them a graph: things, and the relations between them that still hold.",
    paper=MEM0.paper,
    write=ExtractFacts(recent=10)
    >> Reconcile(
        find=Nearest(kinds=("fact",), k=10),
        judge=AskVerdicts(operations=("ADD", "UPDATE", "DELETE", "NOOP")),
    )
    >> ExtractEntities(of="messages")
    >> ExtractTriples(of="messages", into="relation")
    >> UnifyNames(find=Nearest(kinds=("entity",), k=1), min_cosine=0.9)
    >> Reconcile(
        find=AsName() >> Around(min_cosine=0.7, most=100),
        judge=AskOutdated(ending="INVALIDATE"),
        kind="relation",
        by=("subject", "object"),
    )
    >> Embed(),
    read=Nearest(kinds=("fact",), k=30, widen=True)
    >> AddRelations(names=AskNames(), around=Around(min_cosine=0.7, most=100), retrieval="released", k=5)
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    unit=2,
    differs=(
        *MEM0.differs,
        "ending='INVALIDATE' is the paper's; 'DELETE' is the authors' code's (v0.1.100), from which 0.9, 0.7, 100 and 5 are",
        "retrieval='paper' is both of the paper's look-ups; BM25 of the authors' code takes a name for one word, and here its words",
        "relations are held against the new relations, not the new text; where nothing new is told nothing is asked",
        "things have no type, which nothing reads; how often one was mentioned is the number of its engrams",
        "relations stand in a context alone; a search ranks the facts",
    ),
    needs=("chat", "embedder"),
)
