"""The recipe of the house: recall without a model, measured best of what needs no forward pass."""

from __future__ import annotations

from engrams.compose.abstain import NeedConfidence
from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.ingest.segment import SplitPassages
from engrams.organise.embed import Embed
from engrams.organise.entities import NameEntities
from engrams.recall.by_meaning import StaticMaxSim
from engrams.recall.by_signs import ExactVectors, SignScores
from engrams.recall.by_vectors import DenseScores
from engrams.recall.by_words import SessionScores, WindowScores, WordScores
from engrams.recall.confidence import Confidence
from engrams.recall.cues import LengthCue, QuestionCues, RoleMatch, SpeakerMatch
from engrams.recall.fuse import Shortlist, SumStandardised
from engrams.recall.graph import GraphScores
from engrams.recall.learnt import Rerank
from engrams.recall.question import ReadQuestion
from engrams.recall.select import Top
from engrams.recall.when import DateMatch, SpokenDates, TellsWhen
from engrams.recipe import Recipe

SUM = SumStandardised(
    dialogue=(
        ("words nearby", 0.2),
        ("session", 0.15),
        ("meaning", 0.3),
        ("meaning nearby", 0.2),
        ("dense", 0.1),
        ("dense nearby", 0.5),
        ("dense session", 0.1),
        ("speaker", 1.0),
        ("date", 1.0),
        ("spoken", 0.7),
        ("tells when", 0.5),
        ("role", 1.5),
        ("question", -0.5),
        ("reply", 0.2),
        ("length", -1.5),
    ),
    notes=(
        ("words", 1.0),
        ("session", 0.25),
        ("meaning", 0.5),
        ("dense", 1.0),
        ("graph", 3.0),
        ("speaker", 2.0),
        ("date", 2.0),
        ("spoken", 1.4),
        ("tells when", 1.0),
        ("length", -0.5),
    ),
)
"""Round weights, one set for all data; docs, "How recall works", has the measurements."""

ENGRAMS = Recipe(
    name="engrams",
    summary="Words, meaning, neighbours, speaker, dates, a graph of names; standardised and summed; no key.",
    write=SplitPassages() >> NameEntities() >> Embed(),
    read=ReadQuestion()
    >> WordScores()
    >> WindowScores(radius=2)
    >> SessionScores()
    >> SignScores(otherwise=DenseScores())
    >> SpeakerMatch()
    >> DateMatch()
    >> SpokenDates()
    >> TellsWhen()
    >> RoleMatch()
    >> QuestionCues()
    >> LengthCue()
    >> Shortlist(by=SUM)
    >> ExactVectors()
    >> StaticMaxSim(before=0.8, after=0.5)
    >> GraphScores(by=SUM)
    >> SUM
    >> Confidence()
    >> Rerank()
    >> Top(k=50)
    >> NeedConfidence(least=0.14)
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
)
