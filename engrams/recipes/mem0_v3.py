"""Mem0 as its code has it since 2026: facts are only ever added, and found by meaning, words and shared names."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.organise.embed import Embed
from engrams.organise.extract import ExtractFacts
from engrams.organise.judge import Reconcile, RuleVerdicts
from engrams.organise.nodes import UnifyNames
from engrams.organise.triples import NameByCapitals
from engrams.prompts import Prompt
from engrams.recall.additive import ScoreAdditively
from engrams.recall.nearest import Nearest
from engrams.recall.question_names import NamesHeld
from engrams.recipe import Paper, Recipe

MEM0_V3 = Recipe(
    name="mem0-v3",
    summary="Facts that a model adds beside those it is shown; nothing is taken back. Meaning, words and names add up.",
    paper=Paper(
        "Mem0, its open-source code since April 2026 (no paper describes it)",
        2026,
        "https://github.com/mem0ai/mem0",
    ),
    write=ExtractFacts(recent=10, prompt=Prompt("facts_additive"), known=Nearest(kinds=("fact",), k=10))
    >> Reconcile(find=Nearest(kinds=("fact",), k=10), judge=RuleVerdicts(additive=True))
    >> NameByCapitals(of="fact")
    >> UnifyNames(find=Nearest(kinds=("entity",), k=1), min_cosine=0.95)
    >> Embed(),
    read=ScoreAdditively(
        names=NamesHeld(), kinds=("fact",), k=20, least=0.1, over=4, pool=60, min_name=0.5, most_names=8
    )
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    unit=2,
    differs=(
        "no paper describes it: from the code of mem0 of August 2026, whose paper is the recipe mem0",
        "names are spans of capitals and speakers, and in a question those that are known; the code has spaCy find names and phrases",
        "words are stems without stop words; the code has spaCy's lemmas",
        "a repeat is told by its folded words among the 10 nearest; the code compares digests of the text",
        "two messages at a time, as in its paper's evaluation; the code takes what one call brings",
        "whom a fact is about is not noted apart from its words; which facts belong together is not asked, and nothing reads it",
    ),
    needs=("chat", "embedder"),
)
