"""Dates in other languages than English and Chinese, through dateparser where it is installed (extra `dates`)."""

from __future__ import annotations

from datetime import date, datetime
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, NamedTuple, cast

from engrams.dates.spans import LEAP_YEAR, Span, Unit, whole
from engrams.words import words

LANGUAGES = ("de", "fr", "es", "it", "pt", "nl", "pl", "ru", "ja")
"""Languages looked for. Each costs time, and the more there are, the more words of one are dates in another."""

ENGLISH = frozenset(
    "what when where who whose which how why did does the my is are and ago yesterday tomorrow".split()
)
"""A question with one of these is English: its dates were read without help, and `on Mars` is no March of the French."""

SHORTEST = 4
"""Letters of the shortest match that is believed: shorter ones are prepositions and lone numbers."""


def is_english(text: str) -> bool:
    """Whether a question holds a word that only English asks with."""
    return not ENGLISH.isdisjoint(words(text))


class _Library(NamedTuple):
    search: Any
    parser: Any


@lru_cache(maxsize=1)
def _library() -> _Library | None:
    if find_spec("dateparser") is None:
        return None
    return _Library(
        import_module("dateparser.search").search_dates, import_module("dateparser").date.DateDataParser
    )


def other_languages(text: str, at: date | None) -> list[Span]:
    """The dates of a question in one of `LANGUAGES`, as fine as they are named; none where dateparser is not installed.

    Takes some milliseconds, and the first time as long as importing the library. Without `at` only dates with a month
    and a year are read.
    """
    if is_english(text):
        return []
    library = _library()
    if library is None:
        return []
    settings: dict[str, Any] = {"PREFER_DATES_FROM": "past", "RELATIVE_BASE": datetime(LEAP_YEAR, 1, 1)}
    if at is None:
        settings |= {"REQUIRE_PARTS": ["month", "year"], "PARSERS": ["absolute-time"]}
    else:
        settings["RELATIVE_BASE"] = datetime(at.year, at.month, at.day)
    found: list[Span] = []
    for written, then in library.search(text, languages=list(LANGUAGES), settings=settings) or []:
        if sum(letter.isalnum() for letter in written) < SHORTEST and written.isascii():
            continue
        read = library.parser(languages=list(LANGUAGES), settings=settings).get_date_data(written)
        unit = read.period if read.period in ("day", "week", "month", "year") else "day"
        span = whole(then.date(), cast(Unit, unit))
        found += [] if span is None else [span]
    return found
