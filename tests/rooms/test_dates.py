"""Dates in text, each worked out on a calendar: 3 May 2024 is a Friday."""

from __future__ import annotations

from datetime import date

import pytest

from engrams.dates import Span, dates_in, depends_on_today, marks, sought

FRIDAY = date(2024, 5, 3)


def written(spans: tuple[Span, ...]) -> list[str]:
    """`2024-05-03`, `2024-05-01..2024-05-31`, `*-05-07` of any year."""

    def one(span: Span) -> str:
        text = f"{span.first}" if span.first == span.last else f"{span.first}..{span.last}"
        return text.replace("2000-", "*-").replace("2001-", "*-") if span.every_year else text

    return [one(span) for span in spans]


ABSOLUTE = [
    ("on 7 May 2023", ["2023-05-07"]),
    ("on May 7th, 2023?", ["2023-05-07"]),
    ("the 3rd of June", ["*-06-03"]),
    ("in September", ["*-09-01..*-09-30"]),
    ("in Sept 2021", ["2021-09-01..2021-09-30"]),
    ("in February", ["*-02-01..*-02-29"]),
    ("in February 2023", ["2023-02-01..2023-02-28"]),
    ("29 February 2023 or 29 February 2024", ["2024-02-29"]),
    ("in 2022", ["2022-01-01..2022-12-31"]),
    ("in the 1990s", ["1990-01-01..1999-12-31"]),
    ("since 2024-02-29", ["2024-02-29"]),
    ("in 2024/11", ["2024-11-01..2024-11-30"]),
    ("on 3/5/2024", ["2024-05-03", "2024-03-05"]),
    ("on 13/5/2024", ["2024-05-13"]),
    ("am 03.05.2024", ["2024-05-03"]),
    ("summer of 2022", ["2022-06-01..2022-08-31"]),
    ("winter 2023", ["2023-12-01..2024-02-29"]),
    ("in the winter", ["*-12-01..*-02-28"]),
    ("Q3 2023", ["2023-07-01..2023-09-30"]),
    ("the first quarter of 2024", ["2024-01-01..2024-03-31"]),
    ("Halloween 2023", ["2023-10-31"]),
    ("the day after Christmas 2023", ["2023-12-26"]),
    ("two weeks before 5 January 2024", ["2023-12-22"]),
    ("a month after 31 January 2024", ["2024-02-29"]),
    ("two weeks before my birthday", []),
    ("May I march on?", []),
    ("in May 2020", ["2020-05-01..2020-05-31"]),
    ("Did he fall off a spring bed?", []),
    ("between August 11 and August 15 2023", ["*-08-11", "2023-08-15"]),
    ("is it 2024-13-01 or 45 May", ["2024-01-01..2024-12-31"]),
    ("room 2500 and 12345, version 2023.1", []),
    ("yesterday, last month, on Friday", []),
    ("2024年4月1日", ["2024-04-01"]),
    ("十二月二十五日 4月", ["*-12-25", "*-04-01..*-04-30"]),
    ("2023年", ["2023-01-01..2023-12-31"]),
    ("2023年夏天", ["2023-06-01..2023-08-31"]),
]


@pytest.mark.parametrize(("text", "expected"), ABSOLUTE)
def test_absolute_dates(text: str, expected: list[str]) -> None:
    assert written(dates_in(text)) == expected


RELATIVE = [
    ("today", ["2024-05-03"]),
    ("tonight", ["2024-05-03"]),
    ("yesterday", ["2024-05-02"]),
    ("last night", ["2024-05-02"]),
    ("the day before yesterday", ["2024-05-01"]),
    ("tomorrow", ["2024-05-04"]),
    ("the day after tomorrow", ["2024-05-05"]),
    ("three days ago", ["2024-04-30"]),
    ("a few days ago", ["2024-04-28..2024-05-01"]),
    ("two weeks ago", ["2024-04-16..2024-04-22"]),
    ("3 months ago", ["2024-02-01..2024-02-29"]),
    ("a year ago", ["2023-01-01..2023-12-31"]),
    ("in two days", ["2024-05-05"]),
    ("next Friday", ["2024-05-10"]),
    ("last Friday", ["2024-04-26"]),
    ("this Monday", ["2024-04-29"]),
    ("last Thursday", ["2024-05-02"]),
    ("on Friday", ["2024-05-03"]),
    ("on Sunday", ["2024-04-28", "2024-05-05"]),
    ("this weekend", ["2024-05-04..2024-05-05"]),
    ("last weekend", ["2024-04-27..2024-04-28"]),
    ("at the weekend", ["2024-04-27..2024-04-28", "2024-05-04..2024-05-05"]),
    ("this week", ["2024-04-29..2024-05-05"]),
    ("last week", ["2024-04-22..2024-04-28"]),
    ("last month", ["2024-04-01..2024-04-30"]),
    ("next year", ["2025-01-01..2025-12-31"]),
    ("last quarter", ["2024-01-01..2024-03-31"]),
    ("the last 3 months", ["2024-02-03..2024-05-03"]),
    ("the past few days", ["2024-04-28..2024-05-03"]),
    ("last summer", ["2023-06-01..2023-08-31"]),
    ("next summer", ["2024-06-01..2024-08-31"]),
    ("last winter", ["2023-12-01..2024-02-29"]),
    ("last March", ["2024-03-01..2024-03-31"]),
    ("last June", ["2023-06-01..2023-06-30"]),
    ("next June 5th", ["2024-06-05"]),
    ("last Christmas", ["2023-12-25"]),
    ("in March", ["*-03-01..*-03-31"]),
    ("昨天", ["2024-05-02"]),
    ("大前天", ["2024-04-30"]),
    ("下周六", ["2024-05-11"]),
    ("上周五", ["2024-04-26"]),
    ("这周末", ["2024-05-04..2024-05-05"]),
    ("上个月", ["2024-04-01..2024-04-30"]),
    ("去年夏天", ["2023-06-01..2023-08-31"]),
    ("今年三月", ["2024-03-01..2024-03-31"]),
    ("三个月前", ["2024-02-01..2024-02-29"]),
    ("十天前", ["2024-04-23"]),
    ("两周后", ["2024-05-14..2024-05-20"]),
    ("前年", ["2022-01-01..2022-12-31"]),
]


@pytest.mark.parametrize(("text", "expected"), RELATIVE)
def test_relative_dates(text: str, expected: list[str]) -> None:
    assert written(dates_in(text, FRIDAY)) == expected


@pytest.mark.parametrize(
    ("at", "text", "expected"),
    [
        (date(2024, 3, 31), "last month", ["2024-02-01..2024-02-29"]),
        (date(2024, 3, 31), "the last month", ["2024-02-01..2024-02-29"]),
        (date(2024, 1, 1), "yesterday", ["2023-12-31"]),
        (date(2024, 1, 1), "last week", ["2023-12-25..2023-12-31"]),
        (date(2024, 1, 1), "last quarter", ["2023-10-01..2023-12-31"]),
        (date(2024, 12, 31), "next month", ["2025-01-01..2025-01-31"]),
        (date(2024, 2, 29), "a year ago", ["2023-01-01..2023-12-31"]),
        (date(2024, 5, 5), "next Monday", ["2024-05-06"]),
        (date(2024, 5, 6), "next Monday", ["2024-05-13"]),
        (date(2024, 5, 6), "last Sunday", ["2024-05-05"]),
        (date(2024, 5, 5), "last weekend", ["2024-04-27..2024-04-28"]),
        (date(2024, 5, 6), "last weekend", ["2024-05-04..2024-05-05"]),
        (date(2024, 7, 15), "last summer", ["2023-06-01..2023-08-31"]),
        (date(2024, 11, 1), "last summer", ["2024-06-01..2024-08-31"]),
        (date(2024, 1, 15), "last winter", ["2022-12-01..2023-02-28"]),
    ],
)
def test_ends_of_months_weeks_and_years(at: date, text: str, expected: list[str]) -> None:
    assert written(dates_in(text, at)) == expected


def test_absurdly_far_is_no_date() -> None:
    early = date(2, 1, 1)
    assert dates_in("999 years ago, 50 months ago, 400 days ago", early) == ()
    assert dates_in("in 999 years", date(9999, 12, 31)) == ()
    assert dates_in("yesterday", date.min) == ()
    assert dates_in("last winter", date(1, 2, 1)) == ()


def test_what_is_told_means_the_nearest_date() -> None:
    assert written(dates_in("my birthday is on 28 December", date(2024, 1, 5), told=True)) == ["2023-12-28"]
    assert written(dates_in("we move in March", date(2024, 1, 5), told=True)) == ["2024-03-01..2024-03-31"]


def test_what_depends_on_today() -> None:
    assert depends_on_today("what did I do last week")
    assert depends_on_today("what is on Friday")
    assert depends_on_today("was habe ich gestern getan")
    assert not depends_on_today("what did I do in May 2023")


def test_marks_know_the_day_and_all_it_lies_in() -> None:
    assert marks(dates_in("next Friday", FRIDAY)) == {
        "@when",
        "@2024-05-10",
        "@2024-W19",
        "@2024-05",
        "@2024",
    }
    assert marks(dates_in("last week", date(2024, 5, 2))) == {"@when", "@2024-W17", "@2024-04", "@2024"}
    assert marks(dates_in("in 2023")) == {"@when", "@2023"}
    assert marks(dates_in("in summer 2023")) == {"@when", "@2023", "@2023-06", "@2023-07", "@2023-08"}
    assert marks(dates_in("in the 1990s")) == {"@when"} | {f"@{y}" for y in range(1990, 2000)}
    assert marks(dates_in("in March")) == set()


def test_a_question_seeks_marks_as_fine_as_itself() -> None:
    (friday,) = dates_in("next Friday", FRIDAY)
    assert sought(friday) == [("@2024-05-10", 3)]
    (week,) = dates_in("last week", FRIDAY)
    assert sought(week) == [("@2024-W17", 3)]
    (month,) = dates_in("last month", FRIDAY)
    assert sought(month) == [("@2024-04", 2)]
    (year,) = dates_in("last year", FRIDAY)
    assert sought(year) == [("@2023", 1)]
