"""Dates of other languages, through dateparser where it is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import date

import pytest

from engrams.dates import dates_in, other
from engrams.dates.other import _library, other_languages
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


WITH_DATES = """
gestern früh / vorletzte Woche / anderthalb Jahre / am Dienstag / hier soir / la semaine dernière / il y a deux mois
avant-hier / le 1er mai / anteayer / hace tres semanas / el mes pasado / ieri / due anni fa / lunedì scorso / ontem
semana passada / há dois dias / gisteren / vorige maand / drie weken geleden / wczoraj / przedwczoraj
dwa tygodnie temu / позавчера / на прошлой неделе / три дня назад / 昨日 / 先週 / 3日前 / 2021年 / 7.3.
"""
WITHOUT = """
kiln repair Aldery / ticket AB1234 / Ada / model X200 blue / recette de tarte aux pommes / Hund Rex Küche / собака Рекс
ada0822@example.org
"""


def parts(text: str) -> list[str]:
    return [part.strip() for part in text.replace("\n", "/").split("/") if part.strip()]


@pytest.mark.parametrize("text", parts(WITH_DATES))
def test_whatever_the_library_finds_is_shown_to_it(text: str) -> None:
    pytest.importorskip("dateparser")
    found = other_languages(text, FRIDAY)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(other, "_may_date", lambda text: True)
        assert other_languages(text, FRIDAY) == found


@pytest.mark.parametrize("text", parts(WITHOUT))
def test_what_holds_no_word_or_number_of_a_date_is_not(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("dateparser.search")
    monkeypatch.setattr(
        library, "search_dates", lambda *_, **__: pytest.fail("a search waits for the library in vain")
    )
    _library.cache_clear()
    try:
        assert other_languages(text, FRIDAY) == []
    finally:
        _library.cache_clear()


def test_tables_of_another_form_cost_time_and_no_dates(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("dateparser")

    def changed() -> object:
        raise KeyError("january")

    monkeypatch.setattr(other, "_vocabulary", changed)
    assert written(dates_in("Was habe ich gestern gekocht?", FRIDAY)) == ["2024-05-02"]


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
