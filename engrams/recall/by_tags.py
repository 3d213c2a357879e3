"""Finds by tags: those that fit the question are chosen, and what has them is found, without any vector."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from engrams.errors import BadSetting
from engrams.ports import Ask, View
from engrams.prompts import Prompt
from engrams.recall.derived import once
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
        tags = once(view, ("tags", self.kind), lambda: _tags_of_all(view, self.kind, run))
        used = Counter(tag for row in newest.tolist() for tag in tags[row])
        there = tuple(sorted(used, key=lambda tag: (-used[tag], tag)))
        chosen = set(self.choose(Tagged(value, there), run)) if there else set()
        scores = {row: len(chosen & set(tags[row])) / max(len(chosen), 1) for row in newest.tolist()}
        best = [row for row in sorted(scores, key=lambda row: -scores[row]) if scores[row] > 0]
        best = best[: value.limit or self.most]
        found = zip(best, fetch(run, view, np.array(best, dtype=np.int64)), strict=True)
        return Ranked(
            value,
            tuple(Scored(e, scores[row], {"tags": scores[row]}) for row, e in found if e is not None),
        )


def _tags_of_all(view: View, kind: str, run: Run) -> dict[int, tuple[str, ...]]:
    """The tags of every engram of a kind by its row in the view: read once, since every question looks at all of them."""
    rows = rows_of(view, (kind,))
    return {
        row: () if engram is None else tuple(str(tag) for tag in engram.metadata.get("tags", ()))
        for row, engram in zip(rows.tolist(), fetch(run, view, rows), strict=True)
    }


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
        return tuple(tag for tag in value.tags if (said := _terms(tag)) and asked.issuperset(said))


@lru_cache(maxsize=16_384)
def _terms(tag: str) -> tuple[str, ...]:
    return tuple(terms(tag))
