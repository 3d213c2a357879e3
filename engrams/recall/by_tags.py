"""Finds by tags: those that fit the question are chosen, and what has them is found, without any vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from engrams.errors import BadSetting
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.recall.nearest import rows_of
from engrams.recall.select import fetch
from engrams.records import Engram, Query, Ranked, Scored
from engrams.step import Run, Step
from engrams.words import terms

TAGS = {
    "type": "object",
    "properties": {"tags": {"type": "array", "items": {"type": "string"}}},
    "required": ["tags"],
}


@dataclass(frozen=True, slots=True)
class Tagged:
    """A question, and the tags there are, those in most use first."""

    query: Query
    tags: tuple[str, ...]


@dataclass(frozen=True)
class FindByTags(Step[Query, Ranked[Engram]]):
    """The engrams of `kind` that have one of the tags that `choose` gives for the question, at most `most` (>= 1).

    The score is the share of these tags that one has; of equals the newest comes first. The query's own limit goes first.
    Signal `tags`.

    No option of `Nearest`: nothing is compared; a tag is there or not, and what has none of them is not found at all.

    Source: CAIM (Westhäußer et al. 2025), memory retrieval; the paper fetches all that have a tag.
    """

    choose: Step[Tagged, tuple[str, ...]]
    kind: str = "thought"
    most: int = 100

    def __post_init__(self) -> None:
        if self.most < 1:
            raise BadSetting("FindByTags.most", self.most, "a whole number of at least 1")

    def __call__(self, value: Query, run: Run) -> Ranked[Engram]:
        """Chooses and finds.

        Raises:
            ModelError: the model that chooses failed.
        """
        view = run.index.view(value)
        rows = rows_of(view, (self.kind,))
        if view.allowed is not None:
            rows = rows[view.allowed[rows]]
        newest = rows[np.lexsort((-rows, -view.occurred_at[rows]))]
        held = [e for e in fetch(run, view, newest) if e is not None]
        used: dict[str, int] = {}
        for tag in (tag for e in held for tag in _tags(e)):
            used[tag] = used.get(tag, 0) + 1
        there = tuple(sorted(used, key=lambda tag: (-used[tag], tag)))
        chosen = set(self.choose(Tagged(value, there), run)) if there else set()
        scores = [len(chosen & set(_tags(e))) / max(len(chosen), 1) for e in held]
        best = [n for n in sorted(range(len(held)), key=lambda n: -scores[n]) if scores[n] > 0]
        return Ranked(
            value,
            tuple(Scored(held[n], scores[n], {"tags": scores[n]}) for n in best[: value.limit or self.most]),
        )


def _tags(engram: Engram) -> Sequence[str]:
    return [str(tag) for tag in engram.metadata.get("tags", ())]


@dataclass(frozen=True)
class AskTags(Step[Tagged, tuple[str, ...]]):
    """Asks a model which of the tags there are lead to what the question needs; tags it makes up are passed over. One call.

    Source: CAIM (Westhäußer et al. 2025), memory retrieval.
    Without a model: tags whose words the question holds (`MatchTags`).
    """

    asks: ClassVar[tuple[str, ...]] = ("tags",)

    prompt: Prompt = Prompt("tags_of_question", "engrams.recall")

    def __call__(self, value: Tagged, run: Run) -> tuple[str, ...]:
        """Asks.

        Raises:
            ModelError: the model failed, or twice gave what is no list of tags.
        """
        blocks = {"question": value.query.text, "tags": "\n".join(value.tags)}
        answer = run.chat.ask(Ask("tags", self.prompt, blocks, TAGS))
        said = {" ".join(tag.casefold().split()) for tag in (answer.value or {})["tags"]}
        return tuple(tag for tag in value.tags if tag in said)

    def without_model(self) -> Step[Tagged, tuple[str, ...]]:
        """The counterpart that asks no model."""
        return MatchTags()


@dataclass(frozen=True)
class MatchTags(Step[Tagged, tuple[str, ...]]):
    """Takes the tags whose words the question holds, whatever their endings, in place of a model that knows what is about what."""

    def __call__(self, value: Tagged, run: Run) -> tuple[str, ...]:
        """Looks."""
        asked = set(terms(value.query.text))
        return tuple(tag for tag in value.tags if (said := terms(tag)) and asked.issuperset(said))
