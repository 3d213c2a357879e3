"""Dates that a question names: absolute ones, and those counted back from the moment of asking."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from engrams.words import fold

MONTHS = ("january february march april may june july august september october november december").split()

_MONTH = "|".join(f"{m}|{m[:3]}" if m != "may" else m for m in MONTHS) + "|sept"
_WRITTEN = re.compile(
    r"\b(?:(?P<before>\d{1,2})(?:st|nd|rd|th)?\s+(?:of\s+)?)?"
    rf"(?P<month>{_MONTH})\b\.?"
    r"(?:\s+(?P<after>\d{1,2})(?:st|nd|rd|th)?\b(?!\d))?"
    r"(?:,?\s*(?:of\s+)?(?P<year>(?:19|20)\d\d)\b)?"
)
_ISO = re.compile(r"\b(?P<year>(?:19|20)\d\d)[-/](?P<month>\d{1,2})(?:[-/](?P<day>\d{1,2}))?\b")
_CHINESE = re.compile(r"(?:(?P<year>\d{4})年)?(?P<month>\d{1,2})月(?:(?P<day>\d{1,2})[日号])?")
_YEAR = re.compile(r"\b(?P<year>(?:19|20)\d\d)\b|(?P<chinese>\d{4})年")
_AGO = re.compile(
    r"\b(?P<count>\d{1,3}|an?|one|two|three|four|five|six)\s+(?P<unit>day|week|month|year)s?\s+ago\b"
)
_LAST = re.compile(r"\b(?:(?P<yesterday>yesterday)|last\s+(?P<unit>month|year))\b")
_COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
_MAYBE_A_VERB = ("may", "mar", "march")
"""Month names that are words of their own: taken for months only with a day or a year beside them."""


@dataclass(frozen=True, slots=True)
class NamedDate:
    """A date as far as it was named: any of year, month (1..12) and day (1..31) may be open."""

    year: int | None = None
    month: int | None = None
    day: int | None = None


def dates(text: str, asked_at: datetime | None = None) -> tuple[NamedDate, ...]:
    """The dates that `text` names, in the order found, without repeats; relative ones need `asked_at`.

    Reads English (``7 May 2023``, ``May 7th``, ``in June``, ``2022``), ISO 8601 and Chinese (``2024年4月1日``) forms,
    and ``yesterday``, ``last month``, ``last year``, ``two weeks ago``. A lone year counts only where no month is named.
    """
    folded = fold(text)
    found: list[NamedDate] = []
    for match in _ISO.finditer(folded):
        found += _checked(match["year"], match["month"], match["day"])
    for match in _CHINESE.finditer(text):
        found += _checked(match["year"], match["month"], match["day"])
    for match in _WRITTEN.finditer(folded):
        day = match["before"] or match["after"]
        if match["month"] in _MAYBE_A_VERB and not day and not match["year"]:
            continue
        number = next(i for i, m in enumerate(MONTHS, start=1) if m.startswith(match["month"][:3]))
        found += _checked(match["year"], str(number), day)
    if not found:
        found += [NamedDate(year=int(m["year"] or m["chinese"])) for m in _YEAR.finditer(folded)]
    if asked_at is not None:
        found += _relative(folded, asked_at)
    return tuple(dict.fromkeys(found))


def _checked(year: str | None, month: str, day: str | None) -> list[NamedDate]:
    if not 1 <= int(month) <= 12 or (day is not None and not 1 <= int(day) <= 31):
        return []
    return [NamedDate(int(year) if year else None, int(month), int(day) if day else None)]


def _relative(folded: str, asked_at: datetime) -> list[NamedDate]:
    found: list[NamedDate] = []
    for match in _LAST.finditer(folded):
        found += _back(asked_at, 1, "day" if match["yesterday"] else match["unit"])
    for match in _AGO.finditer(folded):
        count = match["count"]
        found += _back(asked_at, _COUNTS.get(count) or int(count), match["unit"])
    return found


def _back(moment: datetime, count: int, unit: str) -> list[NamedDate]:
    """So many days, weeks, months or years before, as exactly as people mean it; none before the year 1."""
    if unit == "year":
        return [NamedDate(moment.year - count)] if count < moment.year else []
    if unit == "month":
        months = moment.year * 12 + moment.month - 1 - count
        return [NamedDate(months // 12, months % 12 + 1)] if months >= 12 else []
    days = count if unit == "day" else 7 * count
    if moment.toordinal() <= days:
        return []
    then = moment - timedelta(days=days)
    return [NamedDate(then.year, then.month, then.day)]
