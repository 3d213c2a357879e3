"""Reference points that every comparison needs: no memory at all, plain word search, everything there is."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.ingest.segment import SplitPassages
from engrams.recall.by_words import WordScores
from engrams.recall.fuse import SumStandardised
from engrams.recall.question import ReadQuestion
from engrams.recall.select import Everything, Nothing, Top
from engrams.recipe import Paper, Recipe

NONE = Recipe(
    name="none",
    summary="No memory: nothing is found, whatever is asked.",
    write=SplitPassages(),
    read=Nothing() >> FitBudget() >> OrderForReading() >> Render(),
)

_WORDS_ALONE = (("words", 1.0),)

BM25 = Recipe(
    name="bm25",
    summary="Plain BM25 over single turns, stemmed, without stop words: what most full-text searches give.",
    paper=Paper("The Probabilistic Relevance Framework: BM25 and Beyond", 2009),
    write=SplitPassages(),
    read=ReadQuestion(keep_names=True)
    >> WordScores(k1=1.2, b=0.75)
    >> SumStandardised(dialogue=_WORDS_ALONE, notes=_WORDS_ALONE)
    >> Top(k=50)
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    differs=("scores are shown in standard deviations from the mean of the namespace; the order is BM25's",),
)

FULL_CONTEXT = Recipe(
    name="full-context",
    summary="Everything, newest first, until the budget is full: what long-context prompting does.",
    write=SplitPassages(),
    read=Everything() >> FitBudget(share=1.0) >> OrderForReading() >> Render(),
)
