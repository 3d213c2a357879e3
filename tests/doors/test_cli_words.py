"""The small parts of the command line: what is printed how, filters as people write them, questions made from a file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from engrams import filters
from engrams.errors import BadSetting
from engrams.records import Event, EventId, Price
from engrams.serve.cli.filters import _NEVER_NUMBERS, filters_of, metadata_of
from engrams.serve.cli.output import clean, column, counted, plain, shown_path, size, when

NOON = datetime(2024, 5, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ü, 中文, 🚀", "plain text, ü, 中文, 🚀"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("bell\x07 null\0 c1\x9b", "bell\\x07 null\\x00 c1\\x9b"),
        ("back\rover", "back\\rover"),
    ],
)
def test_no_text_can_steer_a_terminal(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_a_column_is_one_line_without_tabs() -> None:
    assert column("a\tb\n\n c ") == "a b c"
    assert column(None) == ""


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (1_250_000, "1.2 MB"),
        (3_000_000_000_000_000, "3000.0 TB"),
    ],
)
def test_sizes(count: int, shown: str) -> None:
    assert size(count) == shown


def test_counts_and_times() -> None:
    assert [counted(n, "memory", "memories") for n in (0, 1, 1200)] == [
        "0 memories",
        "1 memory",
        "1,200 memories",
    ]
    assert when(NOON) == "2024-05-01 12:30"
    assert when(datetime(2024, 5, 1, tzinfo=UTC)) == "2024-05-01"
    assert when(None) == ""


def test_records_become_json() -> None:
    assert plain({"at": NOON, "price": Price(tokens=3), "ids": ("a", "b")}) == {
        "at": "2024-05-01T12:30:00+00:00",
        "price": {
            "tokens": 3, "model_calls": 0, "milliseconds": 0.0, "bytes": 0, "money": 0.0, "tokens_estimated": True
        },
        "ids": ["a", "b"],
    }  # fmt: skip


def test_a_path_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/h/ada")
    assert shown_path("/h/ada/memory.db") == "~/memory.db"
    assert shown_path("/h/adam/memory.db") == "/h/adam/memory.db"
    assert shown_path("/h/ada/my memory.db") == "'/h/ada/my memory.db'"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((), None),
        (("topic=boat",), {"topic": "boat"}),
        (("topic = a = b",), {"topic": "a = b"}),
        (("topic=",), {"topic": ""}),
        (("price=5",), {"price": {"in": ["5", 5]}}),
        (("price!=5",), {"NOT": {"price": {"in": ["5", 5]}}}),
        (("price>=5.5",), {"price": {"gte": 5.5}}),
        (("day<2024-05-01",), {"day": {"lt": "2024-05-01"}}),
        (("occurred_at>2024",), {"occurred_at": {"gt": "2024"}}),
        (("session=12",), {"session": "12"}),
        (("open=true",), {"open": {"in": ["true", True]}}),
        (("x=NaN",), {"x": "NaN"}),
        (("topic~12",), {"topic": {"contains": "12"}}),
        (("a=b", '{"c": 1}'), {"AND": [{"a": "b"}, {"c": 1}]}),
    ],
)
def test_filters_as_people_write_them(given: tuple[str, ...], expected: Any) -> None:
    found = filters_of(given)
    assert found == expected
    if found is not None and given != ("occurred_at>2024",):
        filters.parse(found)


def test_the_fields_that_are_never_numbers_are_the_reserved_ones() -> None:
    assert _NEVER_NUMBERS == filters.RESERVED


@pytest.mark.parametrize("text", ["", "topic", "=boat", "{", "[1]", "two words=x"])
def test_what_is_no_filter_is_refused_with_examples(text: str) -> None:
    with pytest.raises(BadSetting, match="speaker=Ada"):
        filters_of((text,))


def test_metadata_from_pairs_is_text() -> None:
    assert metadata_of(("a=1", "b=x=y", '{"c": 2}')) == {"a": "1", "b": "x=y", "c": 2}
    assert metadata_of(()) is None
    with pytest.raises(BadSetting, match="topic=boat"):
        metadata_of(("no pair",))


def event(text: str, session: str | None = "s1", speaker: str | None = "Ada", **extra: Any) -> Event:
    return Event(EventId("e"), "default", text, "user", NOON, NOON, session=session, speaker=speaker, **extra)


def test_questions_are_made_from_names_and_sessions() -> None:
    from engrams.serve.cli.demo_own import derived, names_in

    events = [event("Yesterday we met Priya, and Priya brought cake.") for _ in range(3)]
    events += [event("I told Ada that the Monday market was closed", session="boat trip") for _ in range(4)]
    events += [event("on a monday or another monday") for _ in range(9)]
    assert names_in(events) == {"Priya": 3, "Ada": 4}
    assert derived(events) == [
        "What do you know about Priya?",
        "What was said in “boat trip”?",
        "What happened in May 2024?",
    ]


def test_a_file_without_names_or_sessions_still_gets_a_question() -> None:
    from engrams.serve.cli.demo_own import derived

    assert derived([event("我昨天买了一条船", session=None, speaker=None)]) == ["What happened in May 2024?"]
    ids = [event("x", session="0193a5b2-7c1d-7000-8000-123456789abc")]
    assert derived(ids) == ["What happened in May 2024?"]
