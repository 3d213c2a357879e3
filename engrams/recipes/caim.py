"""CAIM: thoughts on sessions under tags, reviewed tag by tag; a controller asks for them only where an answer needs them."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.ingest.segment import SplitPassages
from engrams.joints import Composing
from engrams.organise.postthink import ThinkOver
from engrams.organise.review import AskReview, ByTag, ReviewGroups
from engrams.prompts import Prompt
from engrams.recall.by_tags import AskTags, FindByTags
from engrams.recall.choose import KeepChosen
from engrams.recall.gate import AskNeeded
from engrams.recipe import Paper, Recipe

CAIM = Recipe(
    name="caim",
    summary="Thoughts on each session under the tags of an ontology, merged tag by tag; found by tags, and only where they are needed.",
    paper=Paper(
        "CAIM: Development and Evaluation of a Cognitive AI Memory Framework for Long-Term Interaction with Intelligent Agents",
        2025,
        "https://arxiv.org/abs/2505.13044",
    ),
    write=SplitPassages(),
    consolidate=ThinkOver(of="passage", recent=10)
    >> ReviewGroups(
        grouping=ByTag(), judge=AskReview(acts=("MERGE", "DELETE"), prompt=Prompt("review_thoughts"))
    ),
    read=FindByTags(choose=AskTags(), kind="thought", most=100)
    >> AskNeeded(controller="paper")
    >> Composing(KeepChosen(prompt=Prompt("keep_thoughts", "engrams.recall"), block="memories", dated=True))
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    differs=(
        "approximation of the paper: its prompts and its ontology could not be read; prompts and tags are ours",
        "whether memory is needed is asked where a context is composed, once something was found; a search ranks by tags alone",
        "at most 100 thoughts that have a chosen tag, those with most of them first, then the newest",
        "the turns of a session that has grown are thought over when the memory is consolidated again, with 10 earlier ones beside them",
        "the short-term memory, the running conversation, is the caller's; messages are kept as they came and found by nothing",
        "what a review takes out is archived with its history, not removed",
    ),
    needs=("chat",),
)
