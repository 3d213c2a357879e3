"""Dates and times as people's programs print them at the beginning of a line, with day and month in either order."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

_DATE = r"(?P<a>\d{1,4})[./-](?P<b>\d{1,2})[./-](?P<c>\d{1,4})"
_TIME = (
    r"(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2})(?:[.,]\d+)?)?"
    r"(?:\s?(?P<half>[AaPp])\.?\s?[Mm]\.?)?(?:\s?(?P<zone>Z|UTC|[+-]\d{2}:?\d{2}))?"
)
#: Date and time; between them a comma, a T or a short word ("at", "um", "klo") as locales put it.
STAMP = re.compile(rf"{_DATE}(?:T|,?\s*(?:\w{{1,4}}\s+)?){_TIME}(?!\w)")
DATE = re.compile(_DATE + r"(?!\w)")
TIME = re.compile(_TIME + r"(?!\w)")

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<month>(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6})"
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_WRITTEN = (
    re.compile(rf"\b{_DAY}\s+(?:of\s+)?{_MONTH}\.?,?\s+(?P<year>\d{{4}})\b", re.IGNORECASE),
    re.compile(rf"\b{_MONTH}\.?\s+{_DAY},?\s+(?P<year>\d{{4}})\b", re.IGNORECASE),
    re.compile(r"(?P<year>\d{4})\s*年\s*(?P<month>\d{1,2})\s*月\s*(?P<day>\d{1,2})\s*日"),
)
#: Two-digit years below this are of the 2000s, the others of the 1900s (POSIX, strptime %y).
_CENTURY_TURNS = 69


@dataclass(frozen=True)
class Stamp:
    """A printed date and time before it is known whether the day or the month comes first. `a`, `b`, `c`: as printed."""

    a: int | None
    b: int
    c: int
    hour: int = 0
    minute: int = 0
    second: int = 0
    zone: str | None = None
    timed: bool = True

    def on(self, day: date) -> Stamp:
        """The same time of day, on a day that stood elsewhere."""
        return Stamp(day.year, day.month, day.day, self.hour, self.minute, self.second, self.zone)

    @property
    def year_first(self) -> bool:
        return self.a is not None and self.a > 31

    def read(self, day_first: bool) -> datetime | None:
        """The moment, UTC where no zone is printed; None where there is no such day or time of day."""
        if self.a is None:
            return None
        year, month, day = (self.a, self.b, self.c) if self.year_first else (self.c, self.b, self.a)
        if not self.year_first and not day_first:
            month, day = day, month
        if year < 100:
            year += 2000 if year < _CENTURY_TURNS else 1900
        try:
            return datetime(
                year, month, day, self.hour, self.minute, self.second, tzinfo=_zone(self.zone)
            ).astimezone(UTC)
        except (ValueError, OverflowError):
            return None


def stamp_of(found: re.Match[str]) -> Stamp:
    """The stamp that `STAMP`, `DATE` or `TIME` matched."""
    held = found.groupdict()
    hour = int(held.get("hour") or 0)
    if held.get("half"):
        hour = hour % 12 + (12 if held["half"] in "Pp" else 0)
    a = int(held["a"]) if held.get("a") else None
    b, c = int(held.get("b") or 0), int(held.get("c") or 0)
    minute, second = int(held.get("minute") or 0), int(held.get("second") or 0)
    return Stamp(a, b, c, hour, minute, second, held.get("zone"), timed=held.get("hour") is not None)


def is_day_first(stamps: Iterable[Stamp]) -> bool:
    """Whether a file's dates such as 01/05/2024 put the day first, judged over all of them.

    A number above 12 decides. Else the order in which the file runs forward in time decides, since transcripts do; when
    both orders do, the one that spans less time, and at last the day, which is how most of the world writes.
    """
    ambiguous = [s for s in stamps if s.a is not None and not s.year_first]
    if any(s.a is not None and s.a > 12 for s in ambiguous):
        return True
    if any(s.b > 12 for s in ambiguous):
        return False
    by_day, by_month = _run(ambiguous, True), _run(ambiguous, False)
    return by_day <= by_month


def _run(stamps: list[Stamp], day_first: bool) -> tuple[int, timedelta]:
    """How often time runs backwards under an order, and how far apart first and last lie."""
    times = [t for s in stamps if (t := s.read(day_first)) is not None]
    if not times:
        return 0, timedelta(0)
    backwards = sum(later < earlier for earlier, later in itertools.pairwise(times))
    return backwards, max(times) - min(times)


def written_day(text: str) -> date | None:
    """The day that a heading names: 2024-05-01, 1 May 2024, May 1st, 2024, 2024年5月1日, 31.05.2024; None without one."""
    for pattern in _WRITTEN:
        if found := pattern.search(text):
            month = found["month"].lower()
            number = int(month) if month.isdigit() else _MONTHS.index(month[:3]) + 1
            return _day(int(found["year"]), number, int(found["day"]))
    if found := DATE.search(text):
        stamp = stamp_of(found)
        moment = stamp.read(is_day_first([stamp])) if len(found["a"]) == 4 or len(found["c"]) == 4 else None
        return moment.date() if moment else None
    return None


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _zone(text: str | None) -> timezone:
    if text is None or text in ("Z", "UTC"):
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))
