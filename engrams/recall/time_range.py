"""Moves what happened outside the time a question asks for behind the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar

from engrams.dates import Span, dates_in
from engrams.errors import BadSetting
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import Engram, Query, Ranked
from engrams.step import Run, Step

RANGE = {
    "type": "object",
    "properties": {"start": {"type": "string"}, "end": {"type": "string"}},
}


@dataclass(frozen=True)
class AskTimeRange(Step[Query, tuple[Span, ...]]):
    """Asks a model for the days a question is about, counted from the day it is asked; none where it names no time. One call.

    A range that begins on the day of the question says nothing and is passed over, as in the authors' code.

    Source: LongMemEval (Wu et al. 2024), section 5.4, time-aware query expansion.
    Without a model: the dates that stand in the question (`DatesInQuestion`).
    """

    asks: ClassVar[tuple[str, ...]] = ("time",)

    prompt: Prompt = Prompt("time_range", "engrams.recall")

    def __call__(self, value: Query, run: Run) -> tuple[Span, ...]:
        """Asks.

        Raises:
            ModelError: the model failed, or twice gave what is no range.
        """
        today = asked_on(value, run)
        answer = run.chat.ask(
            Ask("time", self.prompt, {"question": value.text}, RANGE, slots={"today": today.isoformat()})
        )
        told = answer.value or {}
        start, end = _day(told.get("start")), _day(told.get("end"))
        if start is None or end is None or start == today or end < start:
            return ()
        return (Span(start, end),)

    def without_model(self) -> Step[Query, tuple[Span, ...]]:
        """The counterpart that asks no model."""
        return DatesInQuestion()


@dataclass(frozen=True)
class DatesInQuestion(Step[Query, tuple[Span, ...]]):
    """The days a question names, by the rules that read dates, in place of a model."""

    def __call__(self, value: Query, run: Run) -> tuple[Span, ...]:
        """Reads them."""
        return dates_in(value.text, asked_on(value, run))


@dataclass(frozen=True)
class MoveOutOfRange(Step[Ranked[Engram], Ranked[Engram]]):
    """Puts behind all others the items whose days lie outside the time that `range` reads in the question.

    An item's days are the day it was said and those it speaks of (see `engrams.dates`). The range is widened by `days` (>= 0)
    on both sides. Order and scores stay otherwise; nothing is left out. Where no item lies inside, nothing moves.

    No option of `DateMatch`: that adds to a sum of signals which only the house recipe has; this orders what any ranking gave.

    Source: LongMemEval (Wu et al. 2024), section 5.4 and the authors' code: ±2 days, soft. There a model dates the events of each
    session; here the rules that read dates do.
    """

    range: Step[Query, tuple[Span, ...]] = AskTimeRange()
    days: int = 2

    def __post_init__(self) -> None:
        if self.days < 0:
            raise BadSetting("MoveOutOfRange.days", self.days, "a number of days, at least 0")

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """Moves."""
        wide = timedelta(days=self.days)
        years = [s.item.occurred_at.year for s in value.items]
        asked = self.range(value.query, run) if years else ()
        spans = [
            (s.first - wide, s.last + wide)
            for every in asked
            for s in every.in_years(min(years) - 1, max(years) + 1)
        ]
        if not spans:
            return value
        inside = [
            any(first <= end and begin <= last for first, last in spans for begin, end in days_of(s.item))
            for s in value.items
        ]
        order = sorted(range(len(inside)), key=lambda i: not inside[i])
        return replace(value, items=tuple(value.items[i] for i in order)) if any(inside) else value


def days_of(engram: Engram) -> list[tuple[date, date]]:
    """The day an engram was said on, and the days it speaks of, counted from there: (first, last) each."""
    said = engram.occurred_at.astimezone(UTC).date()
    return [(said, said), *((span.first, span.last) for span in dates_in(engram.content, said, told=True))]


def asked_on(value: Query, run: Run) -> date:
    """The day a question is asked on, by the clock where it does not say."""
    return (value.asked_at or run.clock.now()).astimezone(UTC).date()


def _day(told: object) -> date | None:
    """A day as a model writes it; None for anything else."""
    try:
        return datetime.fromisoformat(str(told).replace("/", "-")).date()
    except ValueError:
        return None
