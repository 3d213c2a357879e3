"""Spans of days, and the arithmetic of the calendar that people speak in: weeks from Monday, whole months, seasons."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from typing import Literal

Unit = Literal["day", "week", "month", "year"]

LEAP_YEAR = 2000
"""Spans of any year are written in this one, so that 29 February is a day of it."""


@dataclass(frozen=True, slots=True)
class Span:
    """The days from `first` to `last`, both included. With `every_year` those days of any year, written in 2000."""

    first: date
    last: date
    every_year: bool = False

    @property
    def days(self) -> int:
        """How many days it has, at least 1."""
        return (self.last - self.first).days + 1

    def in_years(self, first: int, last: int) -> tuple[Span, ...]:
        """The span itself, or, of any year, one for each year from `first` to `last` in which it begins."""
        if not self.every_year:
            return (self,)
        found = (self._in(year) for year in range(first, last + 1))
        return tuple(span for span in found if span is not None)

    def _in(self, year: int) -> Span | None:
        ends = year + self.last.year - LEAP_YEAR
        first, last = day(year, self.first.month, self.first.day), day(ends, self.last.month, self.last.day)
        if self.last.month == 2 and self.last.day >= 28 and self.first != self.last:  # to the end of February
            last = shifted(date(ends, 3, 1), -1, "day") if 1 <= ends <= 9999 else None
        return Span(first, last) if first is not None and last is not None else None


def day(year: int, month: int, number: int) -> date | None:
    """A day, or None where the calendar has none such."""
    if not (1 <= year <= 9999 and 1 <= month <= 12 and 1 <= number <= monthrange(year, month)[1]):
        return None
    return date(year, month, number)


def shifted(at: date, count: int, unit: Unit) -> date | None:
    """`count` units after a day (before it if negative); a month's end stays inside the month (31 March - 1 = 28 February).

    None outside the calendar's years 1 to 9999.
    """
    if unit in ("day", "week"):
        number = at.toordinal() + count * (7 if unit == "week" else 1)
        return date.fromordinal(number) if 1 <= number <= date.max.toordinal() else None
    months = at.year * 12 + at.month - 1 + count * (12 if unit == "year" else 1)
    year, month = months // 12, months % 12 + 1
    if not 1 <= year <= 9999:
        return None
    return date(year, month, min(at.day, monthrange(year, month)[1]))


def whole(at: date | None, unit: Unit) -> Span | None:
    """The day, the week from Monday to Sunday, the month or the year in which a day lies; None for None."""
    if at is None:
        return None
    if unit == "day":
        return Span(at, at)
    if unit == "week":
        monday, sunday = shifted(at, -at.weekday(), "day"), shifted(at, 6 - at.weekday(), "day")
        return Span(monday, sunday) if monday is not None and sunday is not None else None
    if unit == "month":
        return month_of(at.year, at.month)
    return Span(date(at.year, 1, 1), date(at.year, 12, 31))


def month_of(year: int, month: int) -> Span | None:
    """A month; None outside the calendar."""
    first = day(year, month, 1)
    return None if first is None else Span(first, first.replace(day=monthrange(year, month)[1]))


def ago(at: date, count: int, unit: Unit) -> Span | None:
    """So many units before a day (after it if negative), as exactly as people mean it.

    Days are meant to the day, weeks to the week around it, months and years as those of the calendar.
    """
    then = shifted(at, -count, unit)
    if then is None or unit != "week":
        return whole(then, unit)
    first, last = shifted(then, -3, "day"), shifted(then, 3, "day")
    return Span(first, last) if first is not None and last is not None else None


def weekday(at: date, number: int, which: str) -> list[Span]:
    """A day of the week (0 is Monday): of "this" week, of the "next", the "last" before `at`; else the nearest both ways."""
    if which == "this":
        days = [number - at.weekday()]
    elif which == "next":
        days = [number - at.weekday() + 7]
    elif which == "last":
        days = [-((at.weekday() - number - 1) % 7 + 1)]
    else:
        days = [-((at.weekday() - number) % 7), (number - at.weekday()) % 7]
    found = (shifted(at, days_off, "day") for days_off in dict.fromkeys(days))
    return [Span(d, d) for d in found if d is not None]


def weekend(at: date, which: str) -> list[Span]:
    """Saturday and Sunday: of "this" week, of the "next", the "last" that is over; else the last and this week's."""
    if which == "last":
        saturdays = [-at.weekday() - 2]
    elif which in ("this", "next"):
        saturdays = [5 - at.weekday() + (7 if which == "next" else 0)]
    else:
        saturdays = [-at.weekday() - 2, 5 - at.weekday()]
    begins = ((shifted(at, n, "day"), shifted(at, n + 1, "day")) for n in saturdays)
    return [Span(a, b) for a, b in begins if a is not None and b is not None]


def recurring(span: Span, at: date | None, which: str, year: int | None, *, told: bool) -> Span | None:
    """A span of every year made one of a certain year, where something says which.

    Args:
        at: the day it is said; None: unknown.
        which: "last" (over before `at`), "next" (begins after it), "this" (begins in its year), or "".
        year: the year in which it begins, where it was named.
        told: take the nearest to `at` where nothing else is said, as a message means it; else it stays every year's.
    """
    if year is not None:
        return next(iter(span.in_years(year, year)), None)
    if at is None or (not which and not told):
        return span
    # Within two years every date comes again; 29 February within eight, over the turn of a century too.
    reach = 8 if span.first.month == 2 and span.first.day == 29 else 2
    near = span.in_years(max(at.year - reach, 1), min(at.year + reach, 9998))
    if which == "last":
        near = tuple(s for s in near if s.last < at)[-1:]
    elif which == "next":
        near = tuple(s for s in near if s.first > at)[:1]
    elif which == "this":
        near = tuple(s for s in near if s.first.year == at.year)
    return min(near, key=lambda s: max((s.first - at).days, (at - s.last).days, 0), default=None)


def moved(span: Span, count: int, unit: Unit) -> Span | None:
    """The span `count` units later (earlier if negative); None outside the calendar."""
    first, last = shifted(span.first, count, unit), shifted(span.last, count, unit)
    if first is None or last is None:
        return None
    return Span(first, last, span.every_year)


def around(at: date, begin: int, end: int) -> Span | None:
    """From `begin` to `end` days after a day; None outside the calendar."""
    first, last = shifted(at, begin, "day"), shifted(at, end, "day")
    return Span(first, last) if first is not None and last is not None else None
