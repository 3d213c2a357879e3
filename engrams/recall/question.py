"""Reads the question: what to look for, about whom, and when."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC

import numpy as np

from engrams.dates import Span, dates_in, depends_on_today
from engrams.ports import View
from engrams.recall.found import Found, Question
from engrams.records import Query
from engrams.step import Run, Step
from engrams.words import Named, named, term_hash, terms

_BOTH = re.compile(r"^\s*(?:,|&|and|or|und|et|y|和|与|跟|及)\s*$", re.IGNORECASE)
"""What stands between two names when a question is about both."""

_POSSESSIVE = re.compile(r"^['’]s\b")
_SAYS_SOMETHING = re.compile(r"\w")

_ASKS_WHEN = re.compile(
    r"\b(?:when(?='s| (?:did|do|does|was|were|is|are|am|will|would|should|can|could|have|has|had)\b)|how long ago"
    r"|(?:what|which) (?:date|day|weekday|week|month|year|season|time of year))\b"
    r"|什么时候|何时|哪[一]?[天年月]|几[月号]|\b(?:wann|cuándo|quand)\b",
    re.IGNORECASE,
)
"""What asks for a time: the answer then names one."""

LONG_PAST_DAYS = 365
"""A memory in which nothing happened for so long is an archive: "yesterday" is not the day before it is read."""


@dataclass(frozen=True)
class ReadQuestion(Step[Query, Found]):
    """Opens the index for a question and cleans it: no stop words, no names of speakers, each term once.

    A speaker's name says who spoke, not what was said, and matches every turn that greets them; so it leaves the
    words and becomes a signal of its own (see `SpeakerMatch`). The first speaker named is whom the question is
    about, unless it names two in one breath ("Anna and Ben"). A question of names alone keeps them, and `keep_names`
    keeps them always.
    """

    keep_names: bool = False

    def __call__(self, value: Query, run: Run) -> Found:
        """Asks the index for the state of the query's scope."""
        view = run.index.view(value)
        speakers = [] if self.keep_names else named(value.text, view.speakers)
        question = Question(
            terms=_without(map(term_hash, terms(value.text)), _name_terms(view.speakers, speakers)),
            pieces=_without(
                run.table.pieces(value.text).tolist(),
                {p for name in _spellings(view.speakers, speakers) for p in run.table.pieces(name).tolist()},
            ),
            speaker=_subject(value.text, speakers),
            dates=_dates(value, view, run),
            asks_when=_ASKS_WHEN.search(value.text) is not None,
            text=_unnamed(value.text, speakers),
        )
        return Found(value, view, question, np.arange(view.size, dtype=np.int32))


def _dates(asked: Query, view: View, run: Run) -> tuple[Span, ...]:
    """The days the question names; relative ones against when it is asked, by the clock where it does not say."""
    if asked.asked_at is not None:
        return dates_in(asked.text, asked.asked_at.astimezone(UTC).date())
    if not depends_on_today(asked.text) or not view.size:
        return dates_in(asked.text)
    now = run.clock.now().astimezone(UTC)
    newest = int(view.occurred_at.max()) / 1e6
    past = now.timestamp() - newest > LONG_PAST_DAYS * 86_400
    return dates_in(asked.text, None if past else now.date())


def _spellings(speakers: Iterable[str], found: list[Named]) -> list[str]:
    names = list(speakers)
    return [spelling for place in found for spelling in (names[place.name], place.written)]


def _name_terms(speakers: Iterable[str], found: list[Named]) -> set[int]:
    return {term_hash(term) for name in _spellings(speakers, found) for term in terms(name)}


def _without(items: Iterable[int], names: set[int]) -> tuple[int, ...]:
    distinct = tuple(dict.fromkeys(items))
    return tuple(item for item in distinct if item not in names) or distinct


def _unnamed(text: str, found: list[Named]) -> str:
    """The text without the names found in it; the text itself where nothing else is left."""
    left = text
    for place in sorted(found, key=lambda place: -place.begin):
        left = left[: place.begin] + _POSSESSIVE.sub("", left[place.end :])
    return " ".join(left.split()) if _SAYS_SOMETHING.search(left) else text


def _subject(text: str, found: list[Named]) -> int:
    if not found:
        return -1
    if len(found) > 1 and _BOTH.match(text[found[0].end : found[1].begin]):
        return -1
    return found[0].name
