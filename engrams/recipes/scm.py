"""SCM: turns of a conversation, and a controller that says whether they are needed and in what form."""

from __future__ import annotations

from engrams.compose.control import AskRawOrSummary
from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.ingest.rounds import GroupRounds
from engrams.organise.embed import Embed
from engrams.organise.long_ones import SummariseLong
from engrams.recall.always import Preface
from engrams.recall.gate import AskNeeded
from engrams.recall.nearest import Nearest
from engrams.recall.weigh import WeighUse
from engrams.recipe import Paper, Recipe

SCM = Recipe(
    name="scm",
    summary="Turns with summaries of the long ones; a controller asks whether memory is needed, and gives each raw, summed up or not.",
    paper=Paper(
        "Enhancing Large Language Model with Self-Controlled Memory Framework",
        2023,
        "https://arxiv.org/abs/2304.13343",
    ),
    write=GroupRounds(key="all") >> SummariseLong(kind="round", tokens=300) >> Embed(),
    read=Nearest(kinds=("round",), k=30, widen=True)
    >> WeighUse(similarity=1.0, recency=1.0, keep=6)
    >> AskNeeded(controller="paper")
    >> Preface(kinds=("round",), newest=1, whole_until=500)
    >> AskRawOrSummary(tokens=2500)
    >> FitBudget(tokens=2500, share=1.0)
    >> OrderForReading()
    >> Render(),
    unit=2,
    differs=(
        "controller='paper' asks whether memory is needed; 'released' is the authors' code, which never asks",
        "recency=1.0 is the paper's sum of recency and relevance; 0.0 is the authors' code, which ranks by relevance alone",
        "approximation of recency: the paper's formula was not read; 0.995 an hour is that of Generative Agents, among the 30 most alike",
        "what does not fit even as summaries is left out, the worst first; the authors' code goes on for ever",
        "the vector is that of the turn; embed_summary of the authors' code is not offered",
        "dialogue alone: the summaries of books and meetings are other programs of theirs",
    ),
    needs=("chat", "embedder"),
)
