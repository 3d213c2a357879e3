"""Dates of other languages, through dateparser where it is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import date

import pytest

from engrams.dates import dates_in
from engrams.dates.other import _library
from tests.rooms.test_dates import FRIDAY, written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Was habe ich gestern gekocht?", ["2024-05-02"]),
        ("Wo war ich vor drei Tagen?", ["2024-04-30"]),
        ("Wann war der 12. Dezember?", ["2023-12-12"]),
        ("Où étais-je en mars 2022 ?", ["2022-03-01..2022-03-31"]),
        ("Cosa abbiamo fatto ieri?", ["2024-05-02"]),
        ("Что было вчера?", ["2024-05-02"]),
        ("Wie heißt der Hund?", []),
        ("Which rover landed on Mars?", []),
    ],
)
def test_questions_of_other_languages(text: str, expected: list[str]) -> None:
    pytest.importorskip("dateparser")
    assert written(dates_in(text, FRIDAY)) == expected


def test_without_a_day_of_asking_month_and_year_are_needed() -> None:
    pytest.importorskip("dateparser")
    assert written(dates_in("Où étais-je en mars 2022 ?")) == ["2022-03-01..2022-03-31"]
    assert dates_in("Was habe ich gestern gekocht?") == ()


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    _library.cache_clear()
    monkeypatch.setattr("engrams.dates.other.find_spec", lambda name: None)
    yield
    monkeypatch.undo()
    _library.cache_clear()


@pytest.mark.usefixtures("nothing_installed")
def test_without_the_library_they_are_simply_not_seen() -> None:
    assert importlib.util.find_spec("numpy") is not None
    assert dates_in("Was habe ich gestern gekocht?", FRIDAY) == ()
    assert dates_in("yesterday?", date(2024, 5, 3)) != ()
