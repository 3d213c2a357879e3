"""Transcripts in plain text, in the many ways programs print a name and a time."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engrams.errors import BadSetting
from engrams.ingest import detect, read

MAY_1 = datetime(2024, 5, 1, 10, 22, tzinfo=UTC)


def told(text: str) -> list[tuple[str | None, datetime | None, str]]:
    return [(m.speaker, m.occurred_at, m.content) for m in read(text.encode())]


@pytest.mark.parametrize(
    "line",
    [
        "[2024-05-01 10:22] Anna: hello",
        "[2024-05-01T10:22:00Z] Anna: hello",
        "[2024-05-01T12:22:00+02:00] Anna: hello",
        "2024-05-01 10:22 Anna: hello",
        "2024-05-01 10:22 - Anna: hello",
        "(2024-05-01 10:22) Anna: hello",
        "[2024-05-01 10:22] <Anna> hello",
        "2024/05/01, 10:22 - Anna: hello",
        "[1.5.2024 klo 10.22.00] Anna: hello",
        "01.05.24, 10:22 - Anna: hello",
        "[01/05/2024, 10:22:00 AM] Anna: hello",
        "--- 2024-05-01 ---\n[10:22] Anna: hello",
        "Wednesday, 1 May 2024\n[10:22] <Anna> hello",
    ],
)
def test_a_stamp_in_any_usual_form(line: str) -> None:
    assert told(line) == [("Anna", MAY_1, "hello")]


def test_day_and_month_are_told_apart_over_the_whole_file() -> None:
    def days(*dates: str) -> list[tuple[int, int]]:
        text = "\n".join(f"{d}, 10:00 - Anna: x" for d in dates)
        return [(t.month, t.day) for _, t, _ in told(text) if t]

    assert days("01/02/2024", "03/02/2024", "14/02/2024") == [(2, 1), (2, 3), (2, 14)]
    assert days("01/02/2024", "01/03/2024", "01/14/2024") == [(1, 2), (1, 3), (1, 14)]
    # no number above 12: the order that runs forward in time
    assert days("01/11/2024", "01/12/2024", "02/01/2024") == [(1, 11), (1, 12), (2, 1)]
    assert days("11/01/2024", "12/01/2024", "01/02/2024") == [(1, 11), (1, 12), (2, 1)]
    # both run forward: the shorter span
    assert days("01/02/2024", "01/03/2024", "01/04/2024") == [(1, 2), (1, 3), (1, 4)]
    assert days("01/02/2024", "02/02/2024", "03/02/2024") == [(2, 1), (2, 2), (2, 3)]
    # nothing decides: day first
    assert days("01/02/2024") == [(2, 1)]


@pytest.mark.parametrize(
    ("half", "hour"), [("12:05 AM", 0), ("1:05 am", 1), ("12:05 PM", 12), ("1:05\u202fp.m.", 13)]
)
def test_twelve_hour_times(half: str, hour: int) -> None:
    assert told(f"5/20/24, {half} - Anna: x") == [("Anna", datetime(2024, 5, 20, hour, 5, tzinfo=UTC), "x")]


def test_a_date_that_does_not_exist_is_named_by_line() -> None:
    with pytest.raises(BadSetting, match=r"line 2 .*exist"):
        told("[2024-05-01 10:22] Anna: x\n[2024-13-45 10:22] Ben: y")


def test_whatsapp_with_system_lines_media_and_several_lines() -> None:
    text = (
        "01/02/2024, 21:58 - Messages are encrypted.\n"
        "01/02/2024, 21:59 - Mara Lind: Soup:\n\nthe green one\n"
        "14/02/2024, 08:10 - +44 7700 900123: IMG-1.jpg (file attached)\n"
    )
    assert detect(text.encode()) == "whatsapp"
    found = list(read(text.encode()))
    assert [(m.role, m.speaker, m.content) for m in found] == [
        ("system", None, "Messages are encrypted."),
        ("user", "Mara Lind", "Soup:\n\nthe green one"),
        ("user", "+44 7700 900123", "[image: IMG-1.jpg]"),
    ]
    assert [a.name for a in found[2].attachments] == ["IMG-1.jpg"]


def test_a_silence_of_six_hours_begins_a_session() -> None:
    text = "[2024-05-01 10:00] A: x\n[2024-05-01 15:59] B: y\n[2024-05-01 21:59] A: z"
    assert [m.session for m in read(text.encode())] == ["input 2024-05-01 10:00"] * 2 + [
        "input 2024-05-01 21:59"
    ]


def test_names_alone() -> None:
    assert told("Anna: hi\nBen: hello\n") == [("Anna", None, "hi"), ("Ben", None, "hello")]
    more = "Anna: hi\nBen: one\nNote: this is no name\nAnna: two\nBen: three"
    assert [c for _, _, c in told(more)] == ["hi", "one\nNote: this is no name", "two", "three"]
    assert told("林晓：你好\n周航：早\n林晓：再见")[1] == ("周航", None, "早")


def test_names_of_roles_are_roles() -> None:
    text = "User: what is it?\nAssistant: a thing\n\nwith two paragraphs\nUser: ok"
    assert [(m.role, m.speaker, m.content) for m in read(text.encode())] == [
        ("user", None, "what is it?"),
        ("assistant", None, "a thing\n\nwith two paragraphs"),
        ("user", None, "ok"),
    ]


def test_names_and_times_on_lines_of_their_own() -> None:
    pasted = "Anna  10:22 AM\nhello\nthere\nBen  10:25 AM\nhi"
    assert told(pasted) == [("Anna", None, "hello\nthere"), ("Ben", None, "hi")]
    dated = "Anna — 05/01/2024 10:22 AM\nhello\nBen — 05/14/2024 10:25 AM\nhi"
    assert told(dated)[0] == ("Anna", MAY_1, "hello")


def test_a_log_that_names_nobody_is_the_users() -> None:
    found = list(read(b"[2024-05-01 10:22] Slept badly\n[2024-05-02 10:22] Slept well"))
    assert [(m.role, m.content) for m in found] == [("user", "Slept badly"), ("user", "Slept well")]


@pytest.mark.parametrize(
    "text",
    [
        "I went to the park. It was nice: really.\n\nThen home.",
        "Shopping: eggs\nMilk\nBread\n\nTodo: call mum",
        "See http://example.org\nand https://example.org/b\n",
        "One line only: nothing more",
        "Meet at 10:22 AM\nor at 11:30 AM\nwhatever",
        "[a link](https://example.org) and [another](x)",
    ],
)
def test_prose_is_no_transcript(text: str) -> None:
    assert detect(text.encode()) == "notes"
