"""Dates in text: what days a question asks about, what days a message speaks of.

Everything here is a pure function of a text and the day it is said. `dates_in` gives spans of days; `marks` are how the
index keeps them, so that a question for 10 May finds the message that said "next Friday" on the 3rd.
"""

from __future__ import annotations

from datetime import date

from engrams.dates.chinese import chinese
from engrams.dates.english import RELATIVE, Saying, english
from engrams.dates.marks import marks, sought
from engrams.dates.other import is_english, other_languages
from engrams.dates.spans import Span
from engrams.words import fold

A_YEAR = 364
"""A span of more days is a year, or longer."""

__all__ = ["Span", "dates_in", "depends_on_today", "marks", "sought"]


def dates_in(text: str, at: date | None = None, *, told: bool = False) -> tuple[Span, ...]:
    """The spans of days that `text` names, in the order found, without repeats; those relative to `at` only with it.

    Reads English (``7 May 2023``, ``in June``, ``last summer``, ``two weeks ago``, ``next Friday``, ``Q3``, ``the day
    after Christmas``), ISO 8601, numeric (``3/5/2024``, both ways) and Chinese (``2024年4月1日``, ``下周六``) forms; where
    those find no more than years in a question, other languages through dateparser, if it is installed. A date without
    a year is one of every year, but in what is `told` (a message) that nearest to `at`.
    """
    said = Saying(at, told)
    found = english(fold(text), said)
    if not text.isascii():
        found += chinese(text, said)
    if not told and all(span.days > A_YEAR for span in found):
        found = other_languages(text, at) or found
    return tuple(dict.fromkeys(found))


def depends_on_today(text: str) -> bool:
    """Whether a text may name a date that depends on the day it is said."""
    return RELATIVE.search(fold(text)) is not None or not is_english(text)
