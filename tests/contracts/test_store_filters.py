"""A store filters exactly as `filters.holds` defines, for any filter and any record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engrams.errors import UnknownName, UsageError
from engrams.filters import fields_of, holds, parse
from engrams.ports import Store, Where
from engrams.records import Engram, Event, Scope
from tests.contracts.stores import OPENERS, add, commit_of, from_event, said

EVERYWHERE = Scope("acme/*")
TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "b",
    "é",
    "😀",
    "\ud800",
    "a\0b",
    'q"uote',
    "back\\slash",
    "%",
    "\ud83d\ude00",
    "5",
]
NUMBERS = [0, 1, -1, 5, 2**53 + 1, 10**30, 0.5, 5.0, -0.0, 1e300]
SCALARS: list[Any] = [None, True, False, *TEXTS, *NUMBERS]
DAYS = ["2024-01-01", "2024-01-02", datetime(2024, 1, 1, 12, tzinfo=UTC), "2024-01-01T12:00:00.000001"]
KEYS = ["k", "n.m", "n", 'k"ey', "metadata.role", "\ud800", "a\0b", "é"]

scalars = st.sampled_from(SCALARS)
metadata = st.dictionaries(
    st.sampled_from(["k", "n.m", "n", 'k"ey', "role", "\ud800", "a\0b", "é"]),
    scalars
    | st.lists(scalars, max_size=3)
    | st.dictionaries(st.sampled_from(["m", "k"]), scalars, max_size=2),
    max_size=4,
)


def _made(number: int, fields: dict[str, Any]) -> Event:
    return said(str(number), **fields)


records = st.fixed_dictionaries(
    {
        "namespace": st.sampled_from(["acme/a", "acme/b"]),
        "role": st.sampled_from(["user", "assistant", "\ud800", ""]),
        "speaker": st.sampled_from([None, "Ann", "\ud800", "", "5"]),
        "session": st.sampled_from([None, "s1", "s2", "é"]),
        "agent_id": st.sampled_from([None, "a"]),
        "run_id": st.sampled_from([None, "r", "s"]),
        "occurred_at": st.sampled_from(
            [
                datetime(2024, 1, 1, tzinfo=UTC),
                datetime(2024, 1, 1, 12, tzinfo=UTC),
                datetime(2024, 1, 1, 23, 59, 59, 999_999, tzinfo=UTC),
                datetime(2024, 1, 2, tzinfo=UTC),
            ]
        ),
        "recorded_at": st.sampled_from([datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 3, tzinfo=UTC)]),
        "metadata": metadata,
    }
)


def conditions(key: st.SearchStrategy[str], value: st.SearchStrategy[Any], operators: list[str]) -> Any:
    """One field with a value or with operators; what the filters would refuse is left out."""
    ordered = value.filter(lambda v: v is not None and not isinstance(v, bool))
    by_operator = {
        "eq": value,
        "ne": value,
        "in": st.lists(value, max_size=3),
        "contains": value.filter(lambda v: v is not None),
        **dict.fromkeys(("gt", "gte", "lt", "lte"), ordered),
    }
    mapping = st.fixed_dictionaries({}, optional={op: by_operator[op] for op in operators}).filter(bool)
    return st.builds(lambda k, v: {k: v}, key, value | mapping)


ALL_OPERATORS = ["eq", "ne", "gt", "gte", "lt", "lte", "in", "contains"]
leaves = st.one_of(
    conditions(st.sampled_from(KEYS), scalars, ALL_OPERATORS),
    conditions(st.sampled_from(["role", "speaker", "session", "kind"]), scalars, ALL_OPERATORS),
    conditions(
        st.sampled_from(["role", "session", "speaker"]),
        st.sampled_from(["user", "s1", "Ann", "A"]),
        ALL_OPERATORS,
    ),
    conditions(
        st.sampled_from(["agent_id", "run_id", "namespace"]),
        st.sampled_from([None, "a", "r", "acme/a"]),
        ["eq", "ne", "in"],
    ),
    conditions(
        st.sampled_from(["occurred_at", "recorded_at"]),
        st.sampled_from(DAYS),
        [op for op in ALL_OPERATORS if op != "contains"],
    ),
)
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"AND": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"OR": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda part: {"NOT": part}, inner | st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda one, two: {**one, **two}, inner, inner),
    ),
    max_leaves=5,
)


@pytest.fixture(params=sorted(OPENERS), scope="module")
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all examples of a test: each brings records of its own run id."""
    store = OPENERS[request.param](tmp_path_factory.mktemp("filters"))
    yield store
    store.close()


def _agree(store: Store, events: list[Event], engrams: list[Engram], expression: Any) -> None:
    tree = parse(expression)
    where = Where(filters=expression)
    found_events = {e.id for _, e in store.journal(EVERYWHERE, where, limit=10_000)}
    assert found_events == {e.id for e in events if holds(tree, fields_of(e))}
    found = {engram.id for _, engram in store.list_engrams(EVERYWHERE, where, limit=10_000)}
    assert found == {g.id for g in engrams if holds(tree, fields_of(g))}
    assert len(store.matching(EVERYWHERE, where)) == len(found)


@given(st.lists(records, min_size=1, max_size=6), st.lists(expressions, min_size=1, max_size=6))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_filter_agrees_with_the_definition(
    filled: Store, given_records: list[dict[str, Any]], given_expressions: list[Any]
) -> None:
    filled.reset()
    events = [_made(number, fields) for number, fields in enumerate(given_records)]
    engrams = [from_event(event) for event in events]
    filled.commit(commit_of(events, engrams))
    for expression in given_expressions:
        _agree(filled, events, engrams, expression)


# One record for each way SQL, JSON and Python see text, numbers and nothing differently.
AWKWARD: list[dict[str, Any]] = [{"metadata": {"k": value}} for value in SCALARS] + [
    {},
    {"metadata": {"k": ["a", 1, None, True]}},
    {"metadata": {"k": {"m": "a"}}},
    {"metadata": {"n": {"m": "deep"}, "n.m": "flat"}},
    {"metadata": {"\ud800": "x", "k": "a"}},
    {"speaker": None},
    {"speaker": "\ud800"},
    {"role": "5"},
]


def test_every_operator_on_every_awkward_value_agrees(filled: Store) -> None:
    filled.reset()
    events = [_made(number, {"namespace": "acme/a", **fields}) for number, fields in enumerate(AWKWARD)]
    engrams = [from_event(event) for event in events]
    filled.commit(commit_of(events, engrams))
    for key in ("k", "n.m", "\ud800", "speaker", "role"):
        for value in SCALARS:
            _agree(filled, events, engrams, {key: value})
            _agree(filled, events, engrams, {"NOT": {key: {"ne": value}}})
            _agree(filled, events, engrams, {"NOT": {key: {"in": [value, "zz"]}}})
            if value is not None:
                _agree(filled, events, engrams, {"NOT": {key: {"contains": value}}})
            if value is not None and not isinstance(value, bool):
                _agree(filled, events, engrams, {key: {"gte": value}})
                _agree(filled, events, engrams, {"NOT": {key: {"lt": value}}})


def test_what_the_filters_refuse_the_store_refuses(filled: Store) -> None:
    for expression, error in [({"k": {"equal": 1}}, UnknownName), ({"OR": []}, UsageError)]:
        for ask in (filled.journal, filled.list_engrams, filled.matching):
            with pytest.raises(error):
                ask(EVERYWHERE, Where(filters=expression))


# Longer than the texts below, so that none of them can be the same key.
LONG_KEY = "a key of its own"


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=12))
@example("x'); drop table events; --")
@example("' or '1'='1")
@example("%_*?[")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_value_is_only_ever_a_value(filled: Store, text: str) -> None:
    filled.reset()
    event = said(
        text, namespace="acme/a", session=text, speaker=text, metadata={LONG_KEY: text, text or "-": 1}
    )
    add(filled, event, said("other", namespace="acme/a", session="other " + text), namespace="acme/a")
    for expression in (
        {"session": text},
        {"speaker": {"in": [text]}},
        {LONG_KEY: text},
        {f"metadata.{text or '-'}": 1},
    ):
        found = filled.journal(EVERYWHERE, Where(filters=expression))
        assert [each.id for _, each in found] == [event.id]
