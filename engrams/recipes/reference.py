"""Reference points that every comparison needs: no memory at all, plain word search, everything there is."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.ingest.segment import SplitPassages
from engrams.organise.embed import Embed
from engrams.recall.by_nearest import NearestVectors
from engrams.recall.by_vectors import DenseScores
from engrams.recall.by_words import WordScores
from engrams.recall.fuse import FuseByRank, SumStandardised
from engrams.recall.question import ReadQuestion
from engrams.recall.select import Everything, Nothing, Top
from engrams.recipe import Paper, Recipe

#: The writer of every recipe whose engrams are the passages of single turns; the name of the first of them.
PASSAGES = "engrams"

NONE = Recipe(
    name="none",
    writer=PASSAGES,
    summary="No memory: nothing is found, whatever is asked.",
    write=SplitPassages(),
    read=Nothing() >> FitBudget() >> OrderForReading() >> Render(),
)

_WORDS_ALONE = (("words", 1.0),)

BM25 = Recipe(
    name="bm25",
    writer=PASSAGES,
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

_DENSE_ALONE = (("dense", 1.0),)

DENSE = Recipe(
    name="dense",
    writer="dense",  # its vectors hold the names of speakers, those of the house do not
    summary="Plain vector search over single turns: what mem0, Chroma and LangGraph do with this embedder.",
    paper=Paper("Dense Passage Retrieval for Open-Domain Question Answering", 2020),
    write=SplitPassages() >> Embed(speaker=True),
    read=ReadQuestion(keep_names=True)
    >> NearestVectors(otherwise=DenseScores() >> SumStandardised(dialogue=_DENSE_ALONE, notes=_DENSE_ALONE))
    >> Top(k=50)
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    differs=(
        "scores are shown in standard deviations from the mean of the namespace; the order is the cosine's",
    ),
    needs=("embedder",),
)

HYBRID_RRF = Recipe(
    name="hybrid-rrf",
    writer="dense",
    summary="BM25 and vectors over single turns, fused by their ranks: the hybrid that most search engines offer.",
    paper=Paper("Reciprocal Rank Fusion outperforms Condorcet and Individual Rank Learning Methods", 2009),
    write=SplitPassages() >> Embed(speaker=True),
    read=ReadQuestion(keep_names=True)
    >> WordScores(k1=1.2, b=0.75)
    >> DenseScores()
    >> FuseByRank(("words", "dense"), k=60)
    >> Top(k=50)
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    needs=("embedder",),
)

FULL_CONTEXT = Recipe(
    name="full-context",
    writer=PASSAGES,
    summary="Everything, newest first, until the budget is full: what long-context prompting does.",
    write=SplitPassages(),
    read=Everything() >> FitBudget(share=1.0) >> OrderForReading() >> Render(),
)
