"""Dates in other languages than English and Chinese, through dateparser where it is installed (extra `dates`)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
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


NAMES = """
january february march april may june july august september october november december monday tuesday wednesday thursday
friday saturday sunday year month week day hour minute second relative-type relative-type-regex
""".split()
"""What the library's tables call that of which a date is made, but for numbers."""

_LETTERS = re.compile(r"[^\W\d_]+")
#: A number that is not the end of a name such as AB1234.
_NUMBER = re.compile(r"(?<![^\W_])\d")
#: Shorter words are prepositions, or too short to be believed alone; signs of other scripts say more.
_SHORTEST_WORD = 3


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


class _Vocabulary(NamedTuple):
    """Words of which dates are made, begun words of its rules, and what stands in texts that part no words."""

    whole: frozenset[str]
    begun: tuple[str, ...]
    within: re.Pattern[str]

    def may_date(self, text: str) -> bool:
        """Whether there is anything in a text from which the library could make a date."""
        plain = _plain(text)
        if _NUMBER.search(plain) or self.within.search(plain):
            return True
        return any(word in self.whole or word.startswith(self.begun) for word in _LETTERS.findall(plain))


@lru_cache(maxsize=1)
def _vocabulary() -> _Vocabulary:
    """The words of `LANGUAGES` as the library's tables have them.

    Raises:
        ImportError, KeyError, AttributeError: its tables are of another form.
    """
    whole: set[str] = set()
    begun: set[str] = set()
    within: set[str] = set()
    for language in LANGUAGES:
        table = import_module(f"dateparser.data.date_translation_data.{language}").info
        empty = {_plain(word) for key in ("skip", "pertain", "ago", "in") for word in table.get(key, ())}
        named = {w for key in NAMES for text in _texts(table[key]) for w in _LETTERS.findall(_plain(text))}
        if table.get("no_word_spacing") == "True":
            within |= named
            continue
        whole |= {word for word in named - empty if len(word) >= _SHORTEST_WORD}
        ruled = (rule for rules in table.get("simplifications", ()) for rule in rules)
        begun |= {w for rule in ruled for w in _LETTERS.findall(_plain(rule)) if len(w) > _SHORTEST_WORD}
    return _Vocabulary(frozenset(whole), tuple(sorted(begun)), re.compile("|".join(map(re.escape, within))))


def _texts(held: Any) -> Iterator[str]:
    if isinstance(held, str):
        yield re.sub(r"\\.", " ", held)  # a class of signs in a rule, as \d, is no letter
    else:
        for one in held.values() if isinstance(held, dict) else held:
            yield from _texts(one)


def _plain(text: str) -> str:
    """Small letters without accents, as the library compares."""
    if text.isascii():
        return text.lower()
    return "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))


def _may_date(text: str) -> bool:
    try:
        return _vocabulary().may_date(text)
    except (ImportError, KeyError, AttributeError):
        return True  # slower, and nothing is missed


def other_languages(text: str, at: date | None) -> list[Span]:
    """The dates of a question in one of `LANGUAGES`, as fine as they are named; none where dateparser is not installed.

    Takes some milliseconds where a word or a number might be of a date, and the first time as long as importing the
    library. Without `at` only dates with a month and a year are read.
    """
    if is_english(text):
        return []
    library = _library()
    if library is None or not _may_date(text):
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
