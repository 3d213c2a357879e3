"""Reads the dates a Chinese text names: 2024年4月1日, 昨天, 上周五, 三个月前, 去年夏天."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from engrams.dates.english import SEASONS, Saying
from engrams.dates.spans import (
    LEAP_YEAR,
    Span,
    Unit,
    ago,
    around,
    day,
    month_of,
    recurring,
    shifted,
    weekend,
    whole,
)

DIGITS: Mapping[str, int] = {d: n for n, d in enumerate("零一二三四五六七八九十")} | {"两": 2}
DAYS_AWAY: Mapping[str, int] = {
    "大前天": -3,
    "前天": -2,
    "昨天": -1,
    "昨晚": -1,
    "今天": 0,
    "今晚": 0,
    "明天": 1,
    "后天": 2,
    "大后天": 3,
}
YEARS_AWAY: Mapping[str, int] = {"前年": -2, "去年": -1, "今年": 0, "明年": 1, "后年": 2}
STEPS: Mapping[str, int] = {"上": -1, "这": 0, "本": 0, "下": 1}
UNITS: Mapping[str, Unit] = {
    "天": "day",
    "日": "day",
    "周": "week",
    "星期": "week",
    "个月": "month",
    "年": "year",
}
IN_ENGLISH: Mapping[str, str] = {"春": "spring", "夏": "summer", "秋": "autumn", "冬": "winter"}

_NUMBER = r"\d{1,3}|[一二两三四五六七八九]?十[一二三四五六七八九]?|[一二两三四五六七八九]"
_YEARS = "|".join(YEARS_AWAY)
_PATTERN = re.compile(
    rf"(?:(?P<year>(?:19|20)\d\d)年|(?P<rel_year>{_YEARS}))?(?:的)?(?P<month>{_NUMBER})月(?:份|(?P<day>{_NUMBER})[日号])?(?!前)"
    rf"|(?:(?P<s_year>(?:19|20)\d\d)年|(?P<s_rel>{_YEARS}))?(?:的)?(?P<season>[春夏秋冬])[天季]"
    rf"|(?P<away>{'|'.join(sorted(DAYS_AWAY, key=len, reverse=True))})"
    rf"|(?P<w_step>上|这|本|下)个?(?:周|星期|礼拜)(?P<w_day>[一二三四五六日天末])?"
    rf"|(?P<alone>周末)"
    rf"|(?P<m_step>上|这|本|下)个?月"
    rf"|(?P<n>{_NUMBER})(?P<n_unit>天|周|个?星期|个月|年)(?P<way>前|以前|之前|后|以后|之后)"
    rf"|(?P<y_rel>{_YEARS})"
    rf"|(?P<y>(?:19|20)\d\d)年"
)
WRITTEN_SO = re.compile(r"[年月日天周末期拜晚春夏秋冬]")
"""A text without any of these names no date in Chinese."""


def number(text: str) -> int:
    """A number up to 999 in digits, or up to 99 in characters: 12, 十二, 二十."""
    if text.isdigit():
        return int(text)
    tens, ten, ones = text.rpartition("十")
    if not ten:
        return DIGITS[text]
    return DIGITS.get(tens, 1) * 10 + DIGITS.get(ones, 0)


def chinese(text: str, said: Saying) -> list[Span]:
    """The dates a text names, in the order named; relative ones where the day it is said is known."""
    if not WRITTEN_SO.search(text):
        return []
    return [span for match in _PATTERN.finditer(text) for span in _read(match, said) if span is not None]


def _read(m: re.Match[str], said: Saying) -> list[Span | None]:
    if m["month"]:
        return [_month(m, said)]
    if m["season"]:
        (first_month, first_day), end = SEASONS[IN_ENGLISH[m["season"]]]
        wraps = end < (first_month, first_day)
        last = date(LEAP_YEAR + 1, 2, 28) if wraps else date(LEAP_YEAR, *end)
        span = Span(date(LEAP_YEAR, first_month, first_day), last, every_year=True)
        return [recurring(span, said.at, "", _year(m["s_year"], m["s_rel"], said), told=said.told)]
    if m["y"]:
        return [whole(day(int(m["y"]), 1, 1), "year")]
    return _relative(m, said.at) if said.at is not None else []


def _relative(m: re.Match[str], at: date) -> list[Span | None]:
    if m["away"]:
        return [around(at, DAYS_AWAY[m["away"]], DAYS_AWAY[m["away"]])]
    if m["alone"]:
        return [*weekend(at, "")]
    if m["w_step"]:
        week = whole(shifted(at, STEPS[m["w_step"]], "week"), "week")
        which = m["w_day"]
        if week is None or which is None:
            return [week]
        if which == "末":
            return [around(week.first, 5, 6)]
        off = 6 if which in "日天" else DIGITS[which] - 1
        return [around(week.first, off, off)]
    if m["m_step"]:
        return [whole(shifted(at, STEPS[m["m_step"]], "month"), "month")]
    if m["n"]:
        count = number(m["n"]) * (1 if m["way"].endswith("前") else -1)
        return [ago(at, count, UNITS.get(m["n_unit"], "week"))]
    return [whole(shifted(at, YEARS_AWAY[m["y_rel"]], "year"), "year")]


def _month(m: re.Match[str], said: Saying) -> Span | None:
    month, year = number(m["month"]), _year(m["year"], m["rel_year"], said)
    if m["day"]:
        one = day(LEAP_YEAR, month, number(m["day"]))
        span = None if one is None else Span(one, one, every_year=True)
    else:
        held = month_of(LEAP_YEAR, month)
        span = None if held is None else Span(held.first, held.last, every_year=True)
    return None if span is None else recurring(span, said.at, "", year, told=said.told)


def _year(written: str | None, relative: str | None, said: Saying) -> int | None:
    if written:
        return int(written)
    if relative and said.at is not None:
        return said.at.year + YEARS_AWAY[relative]
    return None
