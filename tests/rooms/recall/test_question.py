"""Reading a question: names, terms, dates."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engrams.recall.dates import NamedDate, dates
from engrams.recall.found import Question
from engrams.recall.question import ReadQuestion
from engrams.records import Query
from engrams.words import term_hash
from tests.rooms.recall.views import HandView, Turn, run

PEOPLE = HandView([Turn(speaker="Anna"), Turn(speaker="Benjamin"), Turn(speaker="Anna")])


def read(text: str, view: HandView = PEOPLE, *, keep_names: bool = False) -> Question:
    return ReadQuestion(keep_names=keep_names)(Query(text), run(view)).question


def hashes(*terms: str) -> tuple[int, ...]:
    return tuple(map(term_hash, terms))


def test_names_of_speakers_leave_the_words() -> None:
    asked = read("What did Anna paint, and when did Anna paint it?")
    assert asked.terms == hashes("paint")
    assert asked.speaker == 0


def test_names_of_others_stay() -> None:
    asked = read("Did Clara paint?")
    assert asked.terms == hashes("clara", "paint")
    assert asked.speaker == -1


def test_a_nickname_leaves_the_words_too() -> None:
    asked = read("Where does Ben live?")
    assert asked.terms == hashes("live")
    assert asked.speaker == 1


@pytest.mark.parametrize(
    ("text", "speaker"),
    [
        ("What did Benjamin tell Anna?", 1),
        ("What do Anna and Ben both like?", -1),
        ("What do Anna & Ben like?", -1),
        ("Anna, Ben: who cooks?", -1),
        ("What rains?", -1),
    ],
)
def test_the_first_named_is_whom_it_is_about(text: str, speaker: int) -> None:
    assert read(text).speaker == speaker


def test_a_question_of_names_alone_keeps_them() -> None:
    assert read("Anna?").terms == hashes("anna")


def test_names_are_kept_where_asked() -> None:
    asked = read("What did Anna paint?", keep_names=True)
    assert asked.terms == hashes("anna", "paint")
    assert asked.speaker == -1


def test_pieces_leave_out_those_of_names() -> None:
    view = HandView([Turn(speaker="Nr1")])
    assert read("Nr1: 1 3 5?", view).pieces == (3, 5)


def test_all_rows_are_candidates() -> None:
    assert ReadQuestion()(Query("x"), run(PEOPLE)).rows.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on 7 May 2023", [(2023, 5, 7)]),
        ("on May 7th, 2023?", [(2023, 5, 7)]),
        ("the 3rd of June", [(None, 6, 3)]),
        ("in September", [(None, 9, None)]),
        ("in Sept 2021", [(2021, 9, None)]),
        ("in 2022", [(2022, None, None)]),
        ("since 2024-02-29", [(2024, 2, 29)]),
        ("in 2024/11", [(2024, 11, None)]),
        ("2024年4月1日", [(2024, 4, 1)]),
        ("四月 4月", [(None, 4, None)]),
        ("2023年", [(2023, None, None)]),
        ("May I march on?", []),
        ("in May 2020", [(2020, 5, None)]),
        ("between August 11 and August 15 2023", [(None, 8, 11), (2023, 8, 15)]),
        ("2024-13-01 or 45 May", [(2024, None, None)]),
        ("room 2500 and 12345", []),
        ("last month", []),
    ],
)
def test_dates_are_read(text: str, expected: list[tuple[int | None, int | None, int | None]]) -> None:
    assert dates(text) == tuple(NamedDate(*e) for e in expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yesterday", (2024, 2, 29)),
        ("last month", (2024, 2, None)),
        ("last year", (2023, None, None)),
        ("two weeks ago", (2024, 2, 16)),
        ("3 months ago", (2023, 12, None)),
        ("a year ago", (2023, None, None)),
    ],
)
def test_relative_dates_count_from_the_asking(
    text: str, expected: tuple[int, int | None, int | None]
) -> None:
    assert dates(text, datetime(2024, 3, 1, 9, tzinfo=UTC)) == (NamedDate(*expected),)


def test_absurdly_long_ago_is_no_date() -> None:
    early = datetime(2, 1, 1, tzinfo=UTC)
    assert dates("999 years ago", early) == ()
    assert dates("50 months ago", early) == ()
    assert dates("400 days ago", early) == ()
