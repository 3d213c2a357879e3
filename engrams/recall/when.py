"""Finds by time: when a row was said, and of what days it speaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engrams.dates import Span, sought
from engrams.dates.marks import A_MONTH, A_WEEK, TELLS_WHEN
from engrams.errors import BadSetting
from engrams.ports import Float32, Int64, View
from engrams.recall.derived import once
from engrams.recall.found import Found, Signal, nothing
from engrams.step import Run, Step
from engrams.words import term_hash

MICROSECONDS_PER_DAY = 86_400_000_000

DAY_ZERO = 719_163
"""1970-01-01 in the count of `date.toordinal`."""


def years_said(days: Int64) -> tuple[int, int]:
    """The first and the last year in which anything was said, from days since 1970."""
    first, last = (
        np.datetime64(int(d), "D").astype("datetime64[Y]").astype(int) for d in (days.min(), days.max())
    )
    return int(first) + 1970, int(last) + 1970


def concrete(spans: tuple[Span, ...], first: int, last: int) -> Iterator[Span]:
    """The spans, those of every year once for each from `first` to `last`."""
    for span in spans:
        yield from span.in_years(first, last)


@dataclass(frozen=True)
class DateMatch(Step[Found, Found]):
    """How well the time of a row fits a date that the question names: signal `date`, 0..3, the best of all dates named.

    A day or a week that fits gives 3, up to `days_off` (>= 0) days around it too; a month gives 2, what is longer 1.
    Up to `month` (>= 0) days after a day or week named gives 1.5, since people tell of things after they happened, and
    as long before it 0.5. It only shifts the ranking: dates in questions are often those of the event, not of its
    telling. `since` and `until` of a query filter exactly.
    """

    days_off: int = 2
    month: int = 30

    def __post_init__(self) -> None:
        for name, days in (("days_off", self.days_off), ("month", self.month)):
            if days < 0:
                raise BadSetting(f"DateMatch.{name}", days, "a whole number of days, at least 0")

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds the signal."""
        cue = nothing(len(value.rows))
        if value.question.dates and len(cue):
            cue = np.zeros(len(value.rows), dtype=np.float32)
            days = value.of_rows(days_of(value.view))
            first, last = years_said(days)
            for span in concrete(value.question.dates, first - 1, last):
                np.maximum(cue, self._fit(span, days), out=cue)
        return value.with_signal("date", Signal(cue))

    def _fit(self, span: Span, days: Int64) -> Float32:
        first, last = span.first.toordinal() - DAY_ZERO, span.last.toordinal() - DAY_ZERO
        before, after = first - days, days - last
        if span.days > A_WEEK:
            inside = (before <= 0) & (after <= 0)
            return (inside * (2 if span.days <= A_MONTH else 1)).astype(np.float32)
        near = (before <= self.days_off) & (after <= self.days_off)
        told = np.where(
            (after > 0) & (after <= self.month), 1.5, np.where((before > 0) & (before <= self.month), 0.5, 0)
        )
        return np.where(near, 3, told).astype(np.float32)


@dataclass(frozen=True)
class SpokenDates(Step[Found, Found]):
    """Whether a row speaks of a date that the question names: signal `spoken`, 0..3, the best of all dates named.

    The row's own words were resolved against its own time when it was written: "next Friday" of 3 May 2024 is 10 May.
    Where the question names a day or a week, a row that speaks of it gives 3; where it names a month or a season 2, what
    is longer 1. A row that names a coarser time than the question says nothing about it.
    """

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds the signal."""
        view = value.view
        if not value.question.dates or not view.size:
            return value.with_signal("spoken", Signal(nothing(len(value.rows))))
        cue = np.zeros(view.size, dtype=np.float32)
        first, last = years_said(days_of(view))
        for span in concrete(value.question.dates, first - 1, last + 1):
            for mark, fineness in sought(span):
                rows, _ = view.postings(term_hash(mark))
                cue[rows] = np.maximum(cue[rows], fineness)
        return value.with_signal("spoken", Signal(value.of_rows(cue)))


@dataclass(frozen=True)
class TellsWhen(Step[Found, Found]):
    """Where the question asks when: whether a row speaks of a day at all: signal `tells when`, 1 if so, else 0.

    Who answers "when" says "yesterday", "last week", "in June": the kind of answer is asked for as much as its words.
    """

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds the signal; all 0 for other questions."""
        if not value.question.asks_when:
            return value.with_signal("tells when", Signal(nothing(len(value.rows))))
        cue = np.zeros(value.view.size, dtype=np.float32)
        rows, _ = value.view.postings(term_hash(TELLS_WHEN))
        cue[rows] = 1
        return value.with_signal("tells when", Signal(value.of_rows(cue)))


def days_of(view: View) -> Int64:
    """The day of each row, counted from 1970, int64[size]."""
    return once(view, ("days",), lambda: view.occurred_at // MICROSECONDS_PER_DAY)
