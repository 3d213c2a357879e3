"""When rows were said and of what days they speak, on a handful of turns."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from engrams.dates import Span, dates_in, marks
from engrams.errors import BadSetting
from engrams.recall.when import DateMatch, SpokenDates, TellsWhen
from tests.rooms.recall.views import HandView, Turn, found, run

DAYS = [(2023, 5, 7), (2023, 5, 9), (2023, 5, 20), (2023, 5, 1), (2023, 6, 9), (2022, 5, 7), (1969, 12, 31)]


def said(*days: tuple[int, int, int]) -> HandView:
    return HandView([Turn(at=datetime(*d, 12, tzinfo=UTC)) for d in days])


def fit(*texts: str) -> list[float]:
    view = said(*DAYS)
    dates = tuple(span for text in texts for span in dates_in(text))
    values: list[float] = DateMatch()(found(view, dates=dates), run(view)).signals["date"].values.tolist()
    return values


def test_times_fit_days_months_and_years() -> None:
    assert fit("7 May 2023") == [3, 3, 1.5, 0.5, 0, 0, 0]
    assert fit("in May") == [2, 2, 2, 2, 0, 2, 0]
    assert fit("in 2023") == [1, 1, 1, 1, 1, 0, 0]
    assert fit("31 December 1969") == [0, 0, 0, 0, 0, 0, 3]
    assert fit("in summer 2023") == [0, 0, 0, 0, 1, 0, 0]
    assert fit("in 2022", "7 June") == [0, 0.5, 0.5, 0, 3, 1, 0]
    assert fit() == [0] * 7


def test_a_day_of_any_year_reaches_over_the_turn_of_the_year() -> None:
    view = said((2024, 1, 1), (2023, 12, 29), (2024, 12, 30), (2024, 2, 1))
    asked = found(view, dates=dates_in("31 December"))
    assert DateMatch()(asked, run(view)).signals["date"].values.tolist() == [3, 3, 3, 0]


def speaking(*texts: str, at: date = date(2024, 5, 3)) -> HandView:
    return HandView(
        [
            Turn(
                terms=" ".join(sorted(marks(dates_in(text, at, told=True)))),
                at=datetime(at.year, at.month, at.day, tzinfo=UTC),
            )
            for text in texts
        ]
    )


def test_a_row_that_speaks_of_the_day_is_found() -> None:
    view = speaking(
        "the dentist is next Friday", "it rained last week", "in May we move", "the year 2024", "hello"
    )

    def spoken(text: str) -> list[float]:
        values: list[float] = (
            SpokenDates()(found(view, dates=dates_in(text)), run(view)).signals["spoken"].values.tolist()
        )
        return values

    assert spoken("on 10 May 2024") == [3, 0, 0, 0, 0]
    assert spoken("on 10 May") == [3, 0, 0, 0, 0]
    assert spoken("in May 2024") == [2, 0, 2, 0, 0]
    assert spoken("in April 2024") == [0, 2, 0, 0, 0]
    assert spoken("in 2024") == [1, 1, 1, 1, 0]
    assert spoken("in 2023") == [0, 0, 0, 0, 0]


def test_who_asks_when_is_told_by_rows_that_name_a_day() -> None:
    view = speaking("I paint", "I painted yesterday")
    asks = found(view)
    asks = replace(asks, question=replace(asks.question, asks_when=True))
    assert TellsWhen()(asks, run(view)).signals["tells when"].values.tolist() == [0, 1]
    assert TellsWhen()(found(view), run(view)).signals["tells when"].values.tolist() == [0, 0]


def test_candidates_alone_have_signals() -> None:
    view = speaking("I paint", "I painted yesterday")
    some = found(view, dates=(Span(date(2024, 5, 2), date(2024, 5, 2)),)).narrowed(
        np.array([1], dtype=np.int32)
    )
    assert SpokenDates()(some, run(view)).signals["spoken"].values.tolist() == [3]
    assert DateMatch()(some, run(view)).signals["date"].values.tolist() == [3]


def test_an_empty_memory_has_no_times() -> None:
    view = HandView([])
    asked = found(view, dates=(Span(date(2024, 5, 2), date(2024, 5, 2)),))
    assert SpokenDates()(DateMatch()(asked, run(view)), run(view)).signals["spoken"].values.tolist() == []


def test_days_below_zero_are_refused() -> None:
    with pytest.raises(BadSetting, match="days_off"):
        DateMatch(days_off=-1)
