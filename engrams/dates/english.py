"""Reads the dates an English (or numeric) text names. A rule is a pattern with a function; all patterns run as one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import NamedTuple, TypeAlias, cast

from engrams.dates.spans import (
    LEAP_YEAR,
    Span,
    Unit,
    ago,
    around,
    day,
    month_of,
    moved,
    recurring,
    shifted,
    weekday,
    weekend,
    whole,
)

MONTHS = "january february march april may june july august september october november december".split()
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()

COUNTS: Mapping[str, tuple[int, int]] = {
    **{w: (n, n) for n, w in enumerate("one two three four five six seven eight nine ten".split(), 1)},
    "a": (1, 1),
    "an": (1, 1),
    "a couple of": (2, 2),
    "couple of": (2, 2),
    "a few": (2, 5),
    "few": (2, 5),
    "several": (3, 7),
}
"""Counts in words, each with the least and the most that people mean by it."""

SEASONS: Mapping[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "spring": ((3, 1), (5, 31)),
    "summer": ((6, 1), (8, 31)),
    "autumn": ((9, 1), (11, 30)),
    "fall": ((9, 1), (11, 30)),
    "winter": ((12, 1), (2, 29)),
}
"""Seasons by whole months, as meteorologists have them in the northern hemisphere."""

FEASTS: Mapping[str, tuple[tuple[int, int], tuple[int, int]]] = {
    "christmas eve": ((12, 24), (12, 24)),
    "christmas": ((12, 25), (12, 25)),
    "new year's eve": ((12, 31), (12, 31)),
    "new year's day": ((1, 1), (1, 1)),
    "halloween": ((10, 31), (10, 31)),
    "valentine's day": ((2, 14), (2, 14)),
}

_MAY_BE_A_WORD = ("may", "mar", "march", "dec")
"""Month names that are words of their own: taken for months only with a day, a year, `in` or `last` beside them."""

Named: TypeAlias = list[Span | None]


class Saying(NamedTuple):
    """The moment a text is read from: the day it is said (None: unknown), and whether it tells or asks."""

    at: date | None
    told: bool


_YEAR = r"(?:19|20)\d\d"
_OF_YEAR = rf"(?:,?\s*(?:of\s+)?(?P<{{0}}>{_YEAR})\b)?"
_WHICH = "last|past|previous|this|next|coming|following"
_COUNT = r"\d{1,3}|" + "|".join(sorted((re.escape(c) for c in COUNTS), key=len, reverse=True))
_MONTH = "|".join(f"{m}|{m[:3]}" if m != "may" else m for m in MONTHS) + "|sept"
_UNIT = "day|week|month|year"

_WHICH_MEANS = {"past": "last", "previous": "last", "coming": "next", "following": "next"}


def _which(word: str | None) -> str:
    return _WHICH_MEANS.get(word, word) if word in {*_WHICH.split("|")} else ""


def _every(begin: tuple[int, int], end: tuple[int, int]) -> Span:
    return Span(
        date(LEAP_YEAR, *begin), date(LEAP_YEAR + (end < begin), *_last_day(end, begin)), every_year=True
    )


def _last_day(end: tuple[int, int], begin: tuple[int, int]) -> tuple[int, int]:
    # The year after the leap year has no 29 February; `Span.in_years` gives that day back to leap years only
    # where the span does not wrap around the year's end.
    return (2, 28) if end == (2, 29) and end < begin else end


def _month_span(number: int) -> Span:
    span = month_of(LEAP_YEAR, number)
    assert span is not None
    return Span(span.first, span.last, every_year=True)


def _year(text: str | None) -> int | None:
    return int(text) if text else None


def _iso(m: re.Match[str], said: Saying) -> Named:
    year, month = int(m["iso_y"]), int(m["iso_m"])
    if m["iso_d"] is None:
        return [month_of(year, month)]
    return [whole(day(year, month, int(m["iso_d"])), "day")]


def _numeric(m: re.Match[str], said: Saying) -> Named:
    first, second, year = int(m["num_a"]), int(m["num_b"]), int(m["num_y"])
    # 3/5 is 3 May in most of the world and 5 March in the United States; a dot says the day comes first.
    both = {(first, second)} if m["num_dot"] == "." else {(first, second), (second, first)}
    return [whole(day(year, month, number), "day") for number, month in sorted(both)]


def _written(m: re.Match[str], said: Saying) -> Named:
    name, number, year = m["month"], m["before"] or m["after"], _year(m["month_y"])
    which = _which(m["month_w"])
    if name in _MAY_BE_A_WORD and not (number or year or m["month_w"]):
        return []
    month = next(i for i, known in enumerate(MONTHS, start=1) if known.startswith(name[:3]))
    span: Span | None = _month_span(month)
    if number is not None:
        one = day(LEAP_YEAR, month, int(number))
        span = None if one is None else Span(one, one, every_year=True)
    return [] if span is None else [recurring(span, said.at, which, year, told=said.told)]


def _season(m: re.Match[str], said: Saying) -> Named:
    word, year = m["season"], _year(m["season_y"])
    if word in ("spring", "fall") and not (m["season_w"] or year):
        return []  # a coil, a jump, a tumble
    return [recurring(_every(*SEASONS[word]), said.at, _which(m["season_w"]), year, told=said.told)]


def _feast(m: re.Match[str], said: Saying) -> Named:
    name = m["feast"].removesuffix(" day") if m["feast"].startswith("christmas") else m["feast"]
    name = "new year's " + name.split()[-1] if name.startswith("new year") else name
    name = "valentine's day" if name.startswith("valentine") else name
    return [
        recurring(_every(*FEASTS[name]), said.at, _which(m["feast_w"]), _year(m["feast_y"]), told=said.told)
    ]


_ORDINALS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "1st": 1, "2nd": 2, "3rd": 3, "4th": 4}


def _quarter(m: re.Match[str], said: Saying) -> Named:
    word, year = m["quarter_w"] or m["q"], _year(m["quarter_y"])
    number = int(word) if word.isdigit() else _ORDINALS.get(word)
    if number is None:
        if said.at is None:
            return []
        then = shifted(said.at, {"last": -3, "this": 0, "next": 3}[_which(word)], "month")
        if then is None:
            return []
        number, year = (then.month + 2) // 3, then.year
    begin, end = month_of(LEAP_YEAR, 3 * number - 2), month_of(LEAP_YEAR, 3 * number)
    assert begin is not None and end is not None
    return [recurring(Span(begin.first, end.last, every_year=True), said.at, "", year, told=said.told)]


def _weekday(m: re.Match[str], said: Saying) -> Named:
    return [*weekday(said.at, DAYS.index(m["weekday"]), _which(m["weekday_w"]))] if said.at else []


def _unit(m: re.Match[str], said: Saying) -> Named:
    which, unit = _which(m["unit_w"]), m["unit"]
    if said.at is None:
        return []
    if unit == "weekend":
        return [*weekend(said.at, which)]
    return [
        whole(shifted(said.at, {"last": -1, "this": 0, "next": 1}[which], cast(Unit, unit)), cast(Unit, unit))
    ]


def _the_weekend(m: re.Match[str], said: Saying) -> Named:
    return [*weekend(said.at, "")] if said.at else []


def _stretch(m: re.Match[str], said: Saying) -> Named:
    if said.at is None:
        return []
    count = (COUNTS.get(m["stretch_n"]) or (int(m["stretch_n"]),) * 2)[1]
    unit = cast(Unit, m["stretch_u"])
    end = shifted(said.at, count if _which(m["stretch_w"]) == "next" else -count, unit)
    return [] if end is None else [Span(min(end, said.at), max(end, said.at))]


def _away(at: date | None, words: str, unit: Unit, sign: int) -> Named:
    if at is None:
        return []
    least, most = COUNTS.get(words) or (int(words),) * 2
    near, far = ago(at, sign * least, unit), ago(at, sign * most, unit)
    if near is None or far is None:
        return []
    return [Span(min(near.first, far.first), max(near.last, far.last))]


def _ago(m: re.Match[str], said: Saying) -> Named:
    return _away(said.at, m["ago_n"], cast(Unit, m["ago_u"]), -1 if m["ago"].endswith("now") else 1)


def _in(m: re.Match[str], said: Saying) -> Named:
    return _away(said.at, m["in_n"], cast(Unit, m["in_u"]), -1)


_OFFSETS = {
    "day before yesterday": -2,
    "day after tomorrow": 2,
    "yesterday": -1,
    "last night": -1,
    "tomorrow": 1,
}


def _near(m: re.Match[str], said: Saying) -> Named:
    off = _OFFSETS.get(re.sub(r"\s+", " ", m["near_d"]), 0)
    return [around(said.at, off, off)] if said.at else []


def _lone_year(m: re.Match[str], said: Saying) -> Named:
    return [whole(day(int(m["lone"]), 1, 1), "year")]


def _decade(m: re.Match[str], said: Saying) -> Named:
    year = int(m["decade"])
    return [Span(date(year, 1, 1), date(year + 9, 12, 31))]


Rule: TypeAlias = Callable[[re.Match[str], Saying], Named]

_RULES: tuple[tuple[str, str, Rule], ...] = (
    (
        "iso",
        rf"(?P<iso_y>{_YEAR})[-/](?P<iso_m>0?[1-9]|1[0-2])(?:[-/](?P<iso_d>\d{{1,2}}))?\b(?![-/]\d)",
        _iso,
    ),
    (
        "numeric",
        rf"(?P<num_a>\d{{1,2}})(?P<num_dot>[/.])(?P<num_b>\d{{1,2}})[/.](?P<num_y>{_YEAR})\b",
        _numeric,
    ),
    (
        "written",
        rf"(?:(?P<month_w>{_WHICH}|in|during)\s+)?(?:(?P<before>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?)?"
        rf"(?P<month>{_MONTH})\b\.?(?:\s+(?:the\s+)?(?P<after>\d{{1,2}})(?:st|nd|rd|th)?\b(?![\d:]))?"
        + _OF_YEAR.format("month_y"),
        _written,
    ),
    (
        "seasons",
        rf"(?:(?P<season_w>{_WHICH}|in(?:\s+the)?|during\s+the|over\s+the)\s+)?"
        rf"(?P<season>{'|'.join(SEASONS)})\b" + _OF_YEAR.format("season_y"),
        _season,
    ),
    (
        "feasts",
        rf"(?:(?P<feast_w>{_WHICH})\s+)?(?P<feast>christmas(?:\s(?:eve|day))?|new year'?s (?:eve|day)|halloween"
        rf"|valentine'?s day)\b" + _OF_YEAR.format("feast_y"),
        _feast,
    ),
    (
        "quarters",
        rf"(?:q(?P<q>[1-4])|(?P<quarter_w>{'|'.join(_ORDINALS)}|{_WHICH})\s+quarter)\b"
        + _OF_YEAR.format("quarter_y"),
        _quarter,
    ),
    ("weekdays", rf"(?:(?P<weekday_w>{_WHICH}|on)\s+)?(?P<weekday>{'|'.join(DAYS)})\b", _weekday),
    ("units", rf"(?P<unit_w>{_WHICH})\s+(?P<unit>weekend|week|month|year)\b", _unit),
    ("the_weekend", r"the\s+weekend\b", _the_weekend),
    ("stretch", rf"(?P<stretch_w>{_WHICH})\s+(?P<stretch_n>{_COUNT})\s+(?P<stretch_u>{_UNIT})s?\b", _stretch),
    ("ago", rf"(?P<ago_n>{_COUNT})\s+(?P<ago_u>{_UNIT})s?\s+(?:ago|from\s+now)\b", _ago),
    ("ahead", rf"in\s+(?P<in_n>{_COUNT})\s+(?P<in_u>{_UNIT})s?\b(?!')", _in),
    (
        "near",
        r"(?P<near_d>day\s+before\s+yesterday|day\s+after\s+tomorrow|yesterday|last\s+night|tomorrow|today|tonight"
        r"|this\s+(?:morning|afternoon|evening))\b",
        _near,
    ),
    ("decades", r"(?P<decade>(?:19|20)\d0)'?s\b", _decade),
    ("years", rf"(?P<lone>{_YEAR})\b(?![.,:]\d)", _lone_year),
)

RELATIVE = re.compile(
    rf"\b(?:{_WHICH}|ago|now|yesterday|today|tonight|tomorrow|weekend|in\s+(?:{_COUNT})|{'|'.join(DAYS)})\b"
)
"""What makes a date depend on the day it is said; some texts match without naming a date at all."""

_OFFSET = re.compile(rf"(?:\b(?P<n>{_COUNT})\s+)?\b(?P<u>{_UNIT})s?\s+(?P<way>before|after)\s+(?:the\s+)?$")
"""What moves the date behind it: `two weeks before 5 May`, `the day after Christmas`."""


_CUES = frozenset(
    [
        *(month[:n] for month in MONTHS for n in (3, len(month)) if month != "may" or n == 3),
        *DAYS,
        *SEASONS,
        *"sept ago now yesterday today tonight tomorrow night morning afternoon evening weekend quarter".split(),
        *"day days week weeks month months year years christmas halloween valentine valentines".split(),
        *(f"{ordinal}{number}" for ordinal in "q" for number in range(1, 5)),
    ]
)
"""Words of which an English date holds one, unless it holds a number."""

_BEGINS = frozenset(
    [
        *_CUES,
        *_WHICH.split("|"),
        *(c.split()[0] for c in COUNTS),
        *_ORDINALS,
        "in",
        "on",
        "the",
        "during",
        "over",
        "new",
    ]
)
"""The words an English date begins with, unless it begins with a number."""

_WORD = re.compile(r"[a-z0-9]+")
_NUMBER = re.compile(r"(?<![a-z0-9])[0-9]")


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], Mapping[str, Rule]]:
    whole_pattern = "|".join(f"(?P<{name}>{pattern})" for name, pattern, _ in _RULES)
    return re.compile(rf"(?<![\w.:/-])(?:{whole_pattern})"), {name: rule for name, _, rule in _RULES}


def english(folded: str, said: Saying) -> list[Span]:
    """The dates a folded text names, in the order named. A lone year counts only where nothing finer is named."""
    words = _WORD.findall(folded)
    if _CUES.isdisjoint(words) and _NUMBER.search(folded) is None:
        return []
    pattern, rules = _patterns()
    found: list[Span] = []
    years: list[Span] = []
    end = 0
    for word in _WORD.finditer(
        folded
    ):  # trying only where a date may begin is five times as fast as a search
        begin = word.start()
        if begin < end or not (word.group() in _BEGINS or word.group()[0].isdigit()):
            continue
        match = pattern.match(folded, begin)
        if match is None:
            continue
        end = match.end()
        name = cast(str, match.lastgroup)
        spans = [span for span in rules[name](match, said) if span is not None]
        if spans and begin and folded.rfind("before", 0, begin) + folded.rfind("after", 0, begin) > -2:
            spans = _offset(folded[:begin], spans)
        (years if name == "years" else found).extend(spans)
    return found or years


def _offset(before: str, spans: list[Span]) -> list[Span]:
    match = _OFFSET.search(before)
    if match is None:
        return spans
    words = match["n"] or "one"
    count = (COUNTS.get(words) or (int(words),) * 2)[0]
    sign = -1 if match["way"] == "before" else 1
    return [s for s in (moved(span, sign * count, cast(Unit, match["u"])) for span in spans) if s is not None]
