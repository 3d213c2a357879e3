"""How the index keeps the days a text speaks of: as terms of their own, beside its words.

A day is kept as a day, as a day of its week, of its month and of its year, so that a question for any of them finds it
with a few look-ups. No word of a text can be a mark: words hold no ``@``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from engrams.dates.spans import Span

TELLS_WHEN = "@when"
"""The mark of a text that names any day at all."""

A_DAY, A_WEEK, A_MONTH = 3, 10, 31
"""Up to so many days a span counts as days (a weekend too), as weeks (one with its weekends), as a month."""

MOST_MONTHS = 4
"""A span that touches more months than a season may is kept by its years alone."""

MOST_YEARS = 10
"""A span of more years (none that people name but decades) is cut here."""


def marks(spans: Iterable[Span]) -> set[str]:
    """The marks of the spans a text speaks of: its own fineness and all coarser ones; of every year's spans none."""
    found: set[str] = set()
    for span in spans:
        if span.every_year:
            continue
        found.add(TELLS_WHEN)
        if span.days <= A_DAY:
            found.update(by_day(span))
        if span.days <= A_WEEK:
            found.update(by_week(span))
        found.update(by_month(span))
        found.update(by_year(span))
    return found


def sought(span: Span) -> list[tuple[str, int]]:
    """The marks of rows that speak of a span, each with how fine the span is: 3 days or weeks, 2 months, 1 years."""
    if span.days <= A_DAY:
        return [(mark, 3) for mark in by_day(span)]
    if span.days <= A_WEEK:
        return [(mark, 3) for mark in by_week(span)]
    months = by_month(span)
    return [(mark, 2) for mark in months] if months else [(mark, 1) for mark in by_year(span)]


def by_day(span: Span) -> list[str]:
    """`@2024-05-10` for each day."""
    return [f"@{span.first + timedelta(days=n)}" for n in range(span.days)]


def by_week(span: Span) -> list[str]:
    """`@2024-W19` for each week it touches."""
    days = [span.first + timedelta(days=n) for n in range(span.days)]
    return list(dict.fromkeys("@{}-W{:02}".format(*d.isocalendar()[:2]) for d in days))


def by_month(span: Span) -> list[str]:
    """`@2024-05` for each month it touches; none where they are more than four."""
    begin, end = span.first.year * 12 + span.first.month - 1, span.last.year * 12 + span.last.month - 1
    if end - begin >= MOST_MONTHS:
        return []
    return [f"@{number // 12:04}-{number % 12 + 1:02}" for number in range(begin, end + 1)]


def by_year(span: Span) -> list[str]:
    """`@2024` for each year it touches, the first ten."""
    return [f"@{year:04}" for year in range(span.first.year, span.last.year + 1)][:MOST_YEARS]
