"""Think-in-Memory: thoughts instead of talk, in groups of a hash, forgotten and merged where they lie."""

from __future__ import annotations

from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.organise.embed import Embed
from engrams.organise.review import AskReview, ByHash, ReviewGroups
from engrams.organise.triples import ExtractTriples
from engrams.prompts import Prompt
from engrams.recall.nearest import Nearest
from engrams.recipe import Paper, Recipe

#: Groups of the hash. The paper names no number; where it measures time it has 140 thoughts, and so about 18 in a group: what a
#: model reads at a glance.
GROUPS = 8
#: Standing thoughts of a group that a review is shown at most, the nearest to the new ones.
SHOWN = 100
TOUCHED = ByHash(find=Nearest(kinds=("thought",), k=SHOWN, groups=GROUPS), kind="thought", groups=GROUPS)

TIM = Recipe(
    name="tim",
    summary="Thoughts on every question and its answer; similar ones share a group, where they contradict, merge and are found.",
    paper=Paper(
        "Think-in-Memory: Recalling and Post-thinking Enable LLMs with Long-Term Memory",
        2023,
        "https://arxiv.org/abs/2311.08719",
    ),
    write=ExtractTriples(of="messages", into="thought", phrases=False, prompt=Prompt("thoughts"))
    >> ReviewGroups(grouping=TOUCHED, judge=AskReview(acts=("DELETE",), prompt=Prompt("forget_thoughts")))
    >> ReviewGroups(grouping=TOUCHED, judge=AskReview(acts=("MERGE",), prompt=Prompt("merge_thoughts")))
    >> Embed(),
    read=Nearest(kinds=("thought",), k=5, widen=True, groups=GROUPS)
    >> FitBudget()
    >> OrderForReading()
    >> Render(),
    unit=2,
    differs=(
        "no official code was found: an approximation from the paper's text, with prompts of ours",
        "groups=8 and vectors of the memory's embedder: the paper names neither",
        "a thought is its three parts read as a sentence; the paper keeps a sentence beside them",
        "a group is worked out from the vectors when it is looked into, and kept nowhere; a group without thoughts gives none",
        "a review is shown at most 100 standing thoughts of a group, and numbers them; the paper has the model write all out again",
        "what is forgotten or merged away is archived with its history, not removed",
        "thoughts are made of every two messages, a question and its answer",
    ),
    needs=("chat", "embedder"),
)
