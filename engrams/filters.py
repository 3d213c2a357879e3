"""The caller's filter expressions: read once into a tree, with one definition of what each condition means.

    {"project": "apollo"}                                     metadata key "project" is the text "apollo"
    {"priority": {"gte": 3}, "role": "user"}                  both hold
    {"OR": [{"speaker": "Ann"}, {"tags": {"contains": "trip"}}]}
    {"NOT": {"session": {"in": ["s1", "s2"]}}}                none of what is named holds

Reserved fields: role, speaker, session, kind (text); occurred_at, recorded_at (times, as `records.moment` reads them);
agent_id, run_id, namespace (eq, ne and in only). Every other name is a metadata key: first the key of exactly that
name, else a dotted path into nested mappings. `metadata.role` is the metadata key "role".

What holds:

- A missing field or null: `eq` None holds, `ne` anything but None holds, every other condition is false.
- Numbers compare with numbers, text with text (by code point), true and false with themselves by eq, ne, in. Other
  pairs are unequal and have no order. True is not 1.
- `ne` is the opposite of `eq`. `in` is `eq` to one of a list.
- `contains` is a part of a text, or an element of a list.
- A bare date as a time: `eq` and `in` mean any instant of that day, `gt` and `lte` count from its end.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal, TypeAlias

from engrams.errors import BadSetting, UnknownName, UsageError
from engrams.records import Engram, Event, Json, moment

#: Deepest nesting of AND, OR, NOT; SQLite stops at an expression depth of 1,000, of which each level takes several.
MAX_DEPTH = 50
#: Most conditions in one expression, and most values in all its `in` lists together. SQLite takes 32,766 parameters
#: in one statement (SQLITE_MAX_VARIABLE_NUMBER since 3.32).
MAX_CONDITIONS = 500
MAX_VALUES = 10_000

TEXT_FIELDS = ("role", "speaker", "session", "kind")
TIME_FIELDS = ("occurred_at", "recorded_at")
SCOPE_FIELDS = ("agent_id", "run_id", "namespace")
RESERVED = frozenset((*TEXT_FIELDS, *TIME_FIELDS, *SCOPE_FIELDS))
METADATA = "metadata."

Operator: TypeAlias = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "contains"]
OPERATORS: tuple[Operator, ...] = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "contains")
ORDERINGS = ("gt", "gte", "lt", "lte")
JOINS = ("AND", "OR", "NOT")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Span:
    """Instants from `first` to `last`, both included, in microseconds since 1970."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition. `name` is a reserved field, or a metadata key where `metadata` is true.

    `value` is text, a number, a bool or None; a `Span` for times; a tuple of these for `in`.
    """

    name: str
    metadata: bool
    op: Operator
    value: Any


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Filter


Filter: TypeAlias = Comparison | And | Or | Not


class _Reader:
    """Reads one expression and counts what it has seen."""

    def __init__(self) -> None:
        self.conditions = 0
        self.values = 0

    def mapping(self, expression: Json, depth: int, where: str) -> Filter:
        if not isinstance(expression, Mapping):
            raise UsageError(
                f"{where}: found {_shown(expression)}; expected a mapping such as {{'field': 'value'}}"
            )
        if depth > MAX_DEPTH:
            raise UsageError(f"filters nest deeper than {MAX_DEPTH} levels; write them flatter")
        if not expression:
            raise UsageError(f"{where}: found an empty mapping; expected at least one condition")
        parts = tuple(self.entry(key, value, depth) for key, value in expression.items())
        return parts[0] if len(parts) == 1 else And(parts)

    def entry(self, key: Json, value: Json, depth: int) -> Filter:
        if not isinstance(key, str) or not key:
            raise UsageError(f"filters: found the key {_shown(key)}; expected a field name as text")
        if key in JOINS:
            return self.join(key, value, depth)
        if not isinstance(value, Mapping):
            return self.condition(key, "eq", value)
        if not value:
            raise UsageError(f"filter on {key!r}: found an empty mapping; expected {{operator: value}}")
        parts = tuple(self.condition(key, op, held) for op, held in value.items())
        return parts[0] if len(parts) == 1 else And(parts)

    def join(self, key: str, value: Json, depth: int) -> Filter:
        if key == "NOT" and isinstance(value, Mapping):
            return Not(self.mapping(value, depth + 1, "NOT"))
        if isinstance(value, str | bytes) or not isinstance(value, Sequence) or not value:
            wanted = "a mapping or a list of mappings" if key == "NOT" else "a list of mappings"
            raise UsageError(f"{key}: found {_shown(value)}; expected {wanted}, at least one")
        parts = tuple(self.mapping(part, depth + 1, key) for part in value)
        if key == "AND":
            return And(parts)
        return Or(parts) if key == "OR" else Not(Or(parts))

    def condition(self, key: str, op: Json, value: Json) -> Comparison:
        if op not in OPERATORS:
            raise UnknownName(f"filter operator on {key!r}", str(op), OPERATORS)
        self.conditions += 1
        self.values += len(value) if op == "in" and isinstance(value, list | tuple) else 1
        if self.conditions > MAX_CONDITIONS or self.values > MAX_VALUES:
            raise UsageError(
                f"filters hold more than {MAX_CONDITIONS} conditions or {MAX_VALUES} values; split the call in several"
            )
        metadata = key not in RESERVED
        name = key.removeprefix(METADATA) if metadata else key
        if not name:
            raise UsageError(
                f"filter on {key!r}: expected a metadata key after the dot, as in 'metadata.role'"
            )
        if not metadata and name in SCOPE_FIELDS and op not in ("eq", "ne", "in"):
            raise UsageError(f"filter on {key!r}: found the operator {op!r}; expected eq, ne or in")
        if op != "in":
            return Comparison(name, metadata, op, self.value(key, metadata, op, value))
        if not isinstance(value, list | tuple | set | frozenset):
            raise UsageError(f"filter on {key!r}: 'in' found {_shown(value)}; expected a list of values")
        return Comparison(name, metadata, op, tuple(self.value(key, metadata, "eq", each) for each in value))

    def value(self, key: str, metadata: bool, op: str, value: Json) -> Any:
        if not metadata and key in TIME_FIELDS:
            return _time(key, op, value)
        if op in ORDERINGS and (isinstance(value, bool) or not isinstance(value, int | float | str)):
            raise UsageError(f"filter on {key!r}: {op!r} found {_shown(value)}; expected a number or text")
        if op == "contains" and not isinstance(value, bool | int | float | str):
            raise UsageError(
                f"filter on {key!r}: 'contains' found {_shown(value)}; expected text, a number or a bool"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"filter on {key!r}: found {value}; expected a finite number")
        if value is not None and not isinstance(value, bool | int | float | str):
            hint = "{'in': [...]} for one of several, {'contains': ...} for an element of a list"
            near = f" (a join is written {key.upper()})" if key.upper() in JOINS else ""
            raise UsageError(
                f"filter on {key!r}{near}: found {_shown(value)}; expected text, a number, a bool or None, or {hint}"
            )
        return value


def parse(expression: Mapping[str, Json] | None) -> Filter | None:
    """Reads a filter expression; None and an empty mapping mean no condition at all.

    Raises:
        UnknownName: an operator that does not exist; names the nearest.
        UsageError: another shape than the module describes, or more than the limits.
        BadSetting: a time that cannot be read.
    """
    if expression is None or (isinstance(expression, Mapping) and not expression):
        return None
    return _Reader().mapping(expression, 0, "filters")


def holds(condition: Filter | None, fields: Mapping[str, Json]) -> bool:
    """Whether a record meets a condition: the definition that every store's own way of filtering must agree with.

    `fields` are the reserved fields by name (times in microseconds since 1970, UTC) and `metadata`, a mapping; see
    `fields_of`.
    """
    if condition is None:
        return True
    if isinstance(condition, And):
        return all(holds(part, fields) for part in condition.parts)
    if isinstance(condition, Or):
        return any(holds(part, fields) for part in condition.parts)
    if isinstance(condition, Not):
        return not holds(condition.part, fields)
    if condition.metadata:
        return meets(condition, metadata_at(fields.get("metadata") or {}, condition.name))
    return meets(condition, fields.get(condition.name))


def meets(test: Comparison, found: Json) -> bool:
    """Whether the value found (None where missing) meets one condition."""
    if test.op == "eq":
        return _same(found, test.value)
    if test.op == "ne":
        return not _same(found, test.value)
    if test.op == "in":
        return any(_same(found, each) for each in test.value)
    if test.op == "contains":
        return _contains(found, test.value)
    return _ordered(test.op, found, test.value)


def metadata_at(metadata: Mapping[str, Json], name: str) -> Json:
    """The value of a metadata key: the key of exactly that name, else the dotted path; None where there is none."""
    if name in metadata:
        return metadata[name]
    found: Json = metadata
    for part in name.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def fields_of(record: Event | Engram) -> dict[str, Json]:
    """What `holds` asks of an event or an engram."""
    return {
        "role": record.role,
        "speaker": record.speaker,
        "session": record.session,
        "kind": record.kind,
        "occurred_at": (record.occurred_at - _EPOCH) // _MICROSECOND,
        "recorded_at": (record.recorded_at - _EPOCH) // _MICROSECOND,
        "agent_id": record.agent_id,
        "run_id": record.run_id,
        "namespace": record.namespace,
        "metadata": record.metadata,
    }


def comparisons(condition: Filter | None) -> Iterable[Comparison]:
    """Every single condition inside a filter, in the order written."""
    if isinstance(condition, Comparison):
        yield condition
    elif isinstance(condition, Not):
        yield from comparisons(condition.part)
    elif condition is not None:
        for part in condition.parts:
            yield from comparisons(part)


def _time(key: str, op: str, value: Json) -> Span | None:
    if op == "contains":
        raise UsageError(
            f"filter on {key!r}: found the operator 'contains'; expected eq, ne, gt, gte, lt, lte or in"
        )
    if value is None and op in ("eq", "ne"):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        raise BadSetting(f"filter on {key!r}", value, "a time")
    first = moment(value, f"filter on {key!r}")
    bare = isinstance(value, str) and len(value.strip()) <= 10
    if bare or (isinstance(value, date) and not isinstance(value, datetime)):
        last = moment(value, f"filter on {key!r}", end_of_day=True)
    else:
        last = first
    return Span((first - _EPOCH) // _MICROSECOND, (last - _EPOCH) // _MICROSECOND)


def _same(found: Json, value: Any) -> bool:
    if value is None or found is None:
        return value is found
    if isinstance(value, Span):
        return isinstance(found, int) and value.first <= found <= value.last
    return _kind(found) == _kind(value) != "" and bool(found == value)


def _ordered(op: str, found: Json, value: Any) -> bool:
    if isinstance(value, Span):
        if not isinstance(found, int):
            return False
        value = value.last if op in ("gt", "lte") else value.first
    elif _kind(found) != _kind(value) or _kind(value) not in ("number", "text"):
        return False
    if op == "gt":
        return bool(found > value)
    if op == "gte":
        return bool(found >= value)
    return bool(found < value) if op == "lt" else bool(found <= value)


def _contains(found: Json, value: Any) -> bool:
    if isinstance(found, str):
        return isinstance(value, str) and value in found
    return isinstance(found, list | tuple) and any(_same(each, value) for each in found)


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else ""


def _shown(value: object) -> str:
    shown = ascii(value)
    return f"{shown if len(shown) <= 60 else shown[:57] + '...'} of type {type(value).__name__}"
