"""Reading a question: names, terms, dates."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from engrams.dates import Span
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


def spans(text: str, asked_at: datetime | None, newest: datetime, now: datetime) -> tuple[Span, ...]:
    view = HandView([Turn(at=newest)])
    return ReadQuestion()(Query(text, asked_at=asked_at), run(view, now=now)).question.dates


def test_relative_dates_count_from_the_asking_else_from_now() -> None:
    asked, newest, now = (datetime(2024, month, 2, 9, tzinfo=UTC) for month in (3, 4, 5))
    assert spans("yesterday?", asked, newest, now) == (Span(date(2024, 3, 1), date(2024, 3, 1)),)
    assert spans("yesterday?", None, newest, now) == (Span(date(2024, 5, 1), date(2024, 5, 1)),)


def test_in_an_archive_only_the_time_of_asking_counts() -> None:
    newest, now = datetime(2023, 5, 1, tzinfo=UTC), datetime(2024, 5, 2, tzinfo=UTC)
    assert spans("yesterday?", None, newest, now) == ()
    assert spans("in 2022?", None, newest, now) == (Span(date(2022, 1, 1), date(2022, 12, 31)),)
    assert spans("yesterday?", datetime(2023, 5, 1, tzinfo=UTC), newest, now)[0].first == date(2023, 4, 30)
    year_before = datetime(2023, 5, 3, tzinfo=UTC)
    assert spans("yesterday?", None, year_before, now)[0].first == date(2024, 5, 1)


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("When did Anna paint?", True),
        ("So, when's the party?", True),
        ("Which month did it rain?", True),
        ("How long ago was that?", True),
        ("你什么时候搬家?", True),
        ("What did she say when he came?", False),
        ("What does Anna paint?", False),
    ],
)
def test_what_asks_for_a_time(text: str, asks: bool) -> None:
    assert read(text).asks_when is asks
