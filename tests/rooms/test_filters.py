"""What each filter condition means, by hand, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from engrams.errors import BadSetting, EngramsError, UnknownName, UsageError
from engrams.filters import (
    MAX_CONDITIONS,
    MAX_DEPTH,
    MAX_VALUES,
    And,
    Comparison,
    Not,
    Or,
    comparisons,
    fields_of,
    holds,
    parse,
)
from engrams.records import Event, EventId

NOON = datetime(2024, 5, 31, 12, tzinfo=UTC)
EVENT = Event(
    id=EventId("e"),
    namespace="acme/alice",
    content="hello",
    role="user",
    occurred_at=NOON,
    recorded_at=datetime(2024, 6, 1, tzinfo=UTC),
    speaker="Ann",
    session="s1",
    metadata={
        "project": "apollo",
        "priority": 3,
        "share": 0.5,
        "done": True,
        "gone": None,
        "tags": ["trip", "rome", 7],
        "place": {"city": "Rome", "geo": {"lat": 41.9}},
        "a.b": "flat",
        "a": {"b": "nested", "c": 1},
        "role": "boss",
        "AND": "joined",
    },
)


def says(expression: Any, record: Event = EVENT) -> bool:
    return holds(parse(expression), fields_of(record))


@pytest.mark.parametrize(
    "expression",
    [
        None,
        {},
        {"project": "apollo"},
        {"project": {"eq": "apollo"}},
        {"project": {"ne": "gemini"}},
        {"project": {"gt": "a", "lt": "b"}},
        {"priority": 3},
        {"priority": 3.0},
        {"priority": {"gte": 3, "lte": 3}},
        {"share": {"lt": 1}},
        {"done": True},
        {"done": {"ne": 1}},
        {"gone": None},
        {"missing": None},
        {"missing": {"ne": "x"}},
        {"missing": {"in": [None]}},
        {"tags": {"contains": "rome"}},
        {"tags": {"contains": 7.0}},
        {"project": {"contains": "poll"}},
        {"project": {"contains": ""}},
        {"project": {"in": ["gemini", "apollo"]}},
        {"project": {"in": ("apollo",)}},
        {"place.city": "Rome"},
        {"place.geo.lat": {"gt": 41}},
        {"a.b": "flat"},  # the key of exactly that name comes first
        {"a.c": 1},
        {"metadata.role": "boss"},
        {"metadata.AND": "joined"},
        {"role": "user"},
        {"speaker": {"in": ["Ann", "Bob"]}},
        {"session": "s1", "kind": "message"},
        {"namespace": "acme/alice"},
        {"agent_id": None},
        {"run_id": {"ne": "r"}},
        {"occurred_at": NOON},
        {"occurred_at": "2024-05-31T14:00:00+02:00"},
        {"occurred_at": NOON.timestamp()},
        {"occurred_at": "2024-05-31"},  # any instant of that day
        {"occurred_at": date(2024, 5, 31)},
        {"occurred_at": {"lte": "2024-05-31"}},
        {"occurred_at": {"gte": "2024-05-31"}},
        {"occurred_at": {"gt": "2024-05-30"}},
        {"occurred_at": {"lt": "2024-06-01"}},
        {"occurred_at": {"in": ["2023-01-01", "2024-05-31"]}},
        {"occurred_at": {"ne": None}},
        {"recorded_at": {"gt": "2024-05-31"}},
        {"AND": [{"project": "apollo"}, {"priority": 3}]},
        {"OR": [{"project": "gemini"}, {"priority": 3}]},
        {"NOT": {"project": "gemini"}},
        {"NOT": {"project": "apollo", "priority": 4}},  # not both
        {"NOT": [{"project": "gemini"}, {"priority": 4}]},  # none of them
        {"OR": [{"NOT": {"role": "user"}}, {"AND": [{"done": True}]}], "role": "user"},
    ],
)
def test_holds(expression: Any) -> None:
    assert says(expression)


@pytest.mark.parametrize(
    "expression",
    [
        {"project": "Apollo"},
        {"project": None},
        {"project": {"gt": 1}},
        {"project": {"ne": "apollo"}},
        {"priority": "3"},
        {"priority": True},
        {"priority": {"gt": "2"}},
        {"priority": {"gt": 3}},
        {"done": 1},
        {"done": {"gt": 0}},
        {"gone": {"ne": None}},
        {"gone": {"lt": 5}},
        {"missing": "x"},
        {"missing": {"contains": ""}},
        {"missing": {"in": []}},
        {"project": {"in": []}},
        {"tags": "trip"},
        {"tags": {"contains": "tri"}},
        {"tags": {"contains": "7"}},
        {"priority": {"contains": 3}},
        {"place": {"contains": "city"}},
        {"place.city.name": None, "place.city": "Roma"},
        {"place": "Rome"},
        {"role": 1},
        {"role": {"contains": 1}},
        {"role": {"gt": 1}},
        {"role": "boss"},
        {"agent_id": "a"},
        {"agent_id": {"in": ["a"]}},
        {"occurred_at": None},
        {"occurred_at": {"lt": "2024-05-31"}},
        {"occurred_at": {"gt": "2024-05-31"}},
        {"occurred_at": {"gte": "2024-06-01"}},
        {"occurred_at": {"in": []}},
        {"AND": [{"project": "apollo"}, {"priority": 4}]},
        {"OR": [{"project": "gemini"}, {"priority": 4}]},
        {"NOT": [{"project": "gemini"}, {"priority": 3}]},
    ],
)
def test_does_not_hold(expression: Any) -> None:
    assert not says(expression)


def test_whole_numbers_beyond_floats_compare_exactly() -> None:
    big = Event(EventId("e"), "n", "", "user", NOON, NOON, metadata={"n": 2**53 + 1})
    assert says({"n": 2**53 + 1}, big)
    assert not says({"n": float(2**53)}, big)
    assert says({"n": {"gt": float(2**53)}}, big)


@pytest.mark.parametrize(
    ("expression", "error", "words"),
    [
        ([], UsageError, "expected a mapping"),
        ("x", UsageError, "expected a mapping"),
        ({1: "x"}, UsageError, "field name as text"),
        ({"": "x"}, UsageError, "field name as text"),
        ({"project": {}}, UsageError, "operator: value"),
        ({"project": {"gte ": 3}}, UnknownName, "did you mean 'gte'"),
        ({"project": {"equals": 3}}, UnknownName, "unknown filter operator on 'project' 'equals'"),
        ({"project": ["a"]}, UsageError, "'in'"),
        ({"project": {"eq": {"a": 1}}}, UsageError, "expected text, a number, a bool or None"),
        ({"or": [{"a": 1}]}, UsageError, "a join is written OR"),
        ({"project": {"gt": None}}, UsageError, "expected a number or text"),
        ({"project": {"gt": True}}, UsageError, "expected a number or text"),
        ({"project": {"contains": None}}, UsageError, "expected text, a number or a bool"),
        ({"project": {"in": "abc"}}, UsageError, "expected a list"),
        ({"project": {"in": [["a"]]}}, UsageError, "expected text"),
        ({"project": float("nan")}, UsageError, "finite"),
        ({"project": {"lt": float("inf")}}, UsageError, "finite"),
        ({"metadata.": 1}, UsageError, "metadata key after the dot"),
        ({"namespace": {"contains": "a"}}, UsageError, "eq, ne or in"),
        ({"agent_id": {"gt": "a"}}, UsageError, "eq, ne or in"),
        ({"occurred_at": "yesterday"}, BadSetting, "ISO 8601"),
        ({"occurred_at": {"gt": None}}, BadSetting, "ISO 8601"),
        ({"occurred_at": True}, BadSetting, "ISO 8601"),
        ({"occurred_at": float("nan")}, BadSetting, "a time"),
        ({"occurred_at": {"contains": "2024"}}, UsageError, "expected eq, ne"),
        ({"AND": []}, UsageError, "at least one"),
        ({"OR": {"a": 1}}, UsageError, "expected a list of mappings"),
        ({"NOT": "x"}, UsageError, "a mapping or a list of mappings"),
        ({"NOT": {}}, UsageError, "at least one condition"),
        ({"OR": [{}]}, UsageError, "at least one condition"),
        ({"AND": ["x"]}, UsageError, "expected a mapping"),
        ({"a": {"in": list(range(MAX_VALUES + 1))}}, UsageError, "split the call"),
        ({f"k{i}": i for i in range(MAX_CONDITIONS + 1)}, UsageError, "split the call"),
    ],
)
def test_refuses_and_says_what_would_work(expression: Any, error: type[EngramsError], words: str) -> None:
    with pytest.raises(error) as raised:
        parse(expression)
    assert words in str(raised.value)


def nested(depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {"a": 1}
    for _ in range(depth):
        made = {"NOT": made}
    return made


def test_depth_has_a_limit() -> None:
    assert parse(nested(MAX_DEPTH)) is not None
    with pytest.raises(UsageError, match="flatter"):
        parse(nested(MAX_DEPTH + 1))


def test_the_tree_is_a_value() -> None:
    tree = parse({"OR": [{"a": 1}, {"NOT": {"role": "user"}}], "b.c": {"in": ["x"]}})
    assert tree == And(
        (
            Or((Comparison("a", True, "eq", 1), Not(Comparison("role", False, "eq", "user")))),
            Comparison("b.c", True, "in", ("x",)),
        )
    )
    assert [test.name for test in comparisons(tree)] == ["a", "role", "b.c"]
    assert list(comparisons(None)) == []
    assert len({tree, parse({"a": 1})}) == 2
