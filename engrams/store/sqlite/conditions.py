"""Scopes, conditions and filter expressions as SQL.

What SQL says exactly is said in SQL; the rest calls the one definition, `filters.meets`, from inside SQLite.
In queries, `e` is `engrams`, `c` is `contents`, `v` is `events`.
"""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from engrams import filters
from engrams.errors import BadSetting
from engrams.ports import Where
from engrams.records import Scope
from engrams.store.sqlite.cells import Cell, json_text, mapping_of, path_cell, text_cell, text_of, time_cell
from engrams.store.sqlite.schema import OPEN

#: Values of an `in` list for which the spelling is looked for before the JSON is read.
MOST_SPELLINGS = 16


@dataclass(slots=True)
class Condition:
    """Clauses that all hold, with their parameters in the same order."""

    clauses: list[str] = field(default_factory=list)
    params: list[Cell] = field(default_factory=list)
    reads_contents: bool = False

    def add(self, clause: str, *params: Cell) -> None:
        """One more clause that must hold."""
        self.clauses.append(clause)
        self.params.extend(params)

    @property
    def sql(self) -> str:
        return " and ".join(self.clauses) or "1"


def namespace_clause(scope: Scope, column: str) -> tuple[str, list[Cell]]:
    """The rows of the scope's path, or below it.

    Raises:
        BadSetting: a path that no namespace can have.
    """
    if not scope.below:
        return f"{column} = (select ns from namespaces where path = ?)", [path_cell(scope.namespace)]
    below = scope.namespace[:-1]
    if len(below) < 2 or not isinstance(text_cell(below), str):
        raise BadSetting(
            "namespace", scope.namespace, "a path such as 'acme/alice', or 'acme/*' for all below it"
        )
    after = below[:-1] + chr(ord("/") + 1)
    return f"{column} in (select ns from namespaces where path >= ? and path < ?)", [below, after]


def of_engrams(scope: Scope, where: Where) -> Condition:
    """Engram versions that lie in the scope and hold under `where`.

    Raises:
        UsageError: a filter expression that cannot be read.
    """
    made = Condition()
    clause, params = namespace_clause(scope, "e.ns")
    made.add(clause, *params)
    _fields(made, "e", scope, where)
    if where.as_of is None:
        made.add("e.closed_at = ?", OPEN)
    elif where.as_of_by == "occurred":
        made.add("e.occurred_at <= ? and e.closed_at = ?", time_cell(where.as_of, "as_of"), OPEN)
    else:
        then = time_cell(where.as_of, "as_of")
        made.add("e.recorded_at <= ? and e.closed_at > ?", then, then)
    if where.valid_at is not None:
        then = time_cell(where.valid_at, "valid_at")
        made.add("(e.valid_from is null or e.valid_from <= ?)", then)
        made.add("(e.valid_to is null or e.valid_to > ?)", then)
    made.add(f"e.state in ({_marks(where.states)})", *where.states)
    if where.kinds is not None:
        made.add(f"e.kind in ({_marks(where.kinds)})", *where.kinds)
    if where.writer is not None:
        made.add("e.recipe = ?", where.writer)
    _filter(made, where, "e", "c.metadata")
    return made


def of_events(scope: Scope, where: Where, kinds: tuple[str, ...] | None) -> Condition:
    """Journal entries that lie in the scope and hold under the conditions that speak of events.

    Raises:
        UsageError: a filter expression that cannot be read.
    """
    made = Condition()
    clause, params = namespace_clause(scope, "v.ns")
    made.add(clause, *params)
    _fields(made, "v", scope, where)
    if where.as_of is not None:
        column = "v.occurred_at" if where.as_of_by == "occurred" else "v.recorded_at"
        made.add(f"{column} <= ?", time_cell(where.as_of, "as_of"))
    if kinds is not None:
        made.add(f"v.kind in ({_marks(kinds)})", *kinds)
    _filter(made, where, "v", "v.metadata")
    return made


def _fields(made: Condition, alias: str, scope: Scope, where: Where) -> None:
    for name in ("agent_id", "run_id", "session"):
        value = getattr(scope, name)
        if value is not None:
            made.add(f"{alias}.{name} = ?", text_cell(value))
    if where.since is not None:
        made.add(f"{alias}.occurred_at >= ?", time_cell(where.since, "since"))
    if where.until is not None:
        made.add(f"{alias}.occurred_at <= ?", time_cell(where.until, "until"))


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _filter(made: Condition, where: Where, alias: str, metadata: str) -> None:
    tree = filters.parse(where.filters)
    if tree is None:
        return
    params: list[Cell] = []
    made.add(_Writer(alias, metadata, params).clause(tree), *params)
    made.reads_contents = any(test.metadata for test in filters.comparisons(tree))


@dataclass(frozen=True, slots=True)
class _Writer:
    """Writes a filter tree as SQL whose every clause is 0 or 1, never NULL, so that NOT means not."""

    alias: str
    metadata: str
    params: list[Cell]

    def clause(self, condition: filters.Filter) -> str:
        if isinstance(condition, filters.Comparison):
            return self.test(condition)
        if isinstance(condition, filters.Not):
            return f"not ({self.clause(condition.part)})"
        join = " and " if isinstance(condition, filters.And) else " or "
        return f"({join.join(self.clause(part) for part in condition.parts)})"

    def test(self, test: filters.Comparison) -> str:
        if test.metadata:
            return self.in_metadata(test)
        column = f"{self.alias}.{test.name}"
        if test.name == "namespace":
            column = f"(select path from namespaces where ns = {self.alias}.ns)"
        if test.op == "ne":
            return f"not ({self.equal(column, test.value)})"
        if test.op == "eq":
            return self.equal(column, test.value)
        if test.op == "in":
            return f"({' or '.join([self.equal(column, each) for each in test.value] or ['0'])})"
        if isinstance(test.value, filters.Span):
            return self.ordered(column, test.op, test.value)
        return self.call(test, column) if isinstance(test.value, str) else "0"

    def equal(self, column: str, value: object) -> str:
        if value is None:
            return f"{column} is null"
        if isinstance(value, filters.Span):
            self.params.extend((value.first, value.last))
            return f"{column} between ? and ?"
        if not isinstance(value, str):
            return "0"
        self.params.append(text_cell(value))
        return f"{column} is ?"

    def ordered(self, column: str, op: str, span: filters.Span) -> str:
        sign = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}[op]
        self.params.append(span.last if op in ("gt", "lte") else span.first)
        return f"{column} {sign} ?"

    def in_metadata(self, test: filters.Comparison) -> str:
        """A look at the spelling first: a text that is not spelled in the JSON is not in it.

        A key and its text spelled side by side are a pair of some mapping, for quotes inside texts are escaped; where
        no mapping lies inside another, it is the one asked for, and the JSON need not be read.
        """
        wanted = test.value if test.op == "in" else (test.value,)
        if test.op not in ("eq", "in", "contains") or not 0 < len(wanted) <= MOST_SPELLINGS:
            return self.call(test, self.metadata)
        if not all(
            isinstance(each, str) and isinstance(text_cell(each), str) for each in (test.name, *wanted)
        ):
            return self.call(test, self.metadata)
        paired = test.op != "contains" and "." not in test.name
        spellings = [json_text(each) for each in wanted]
        if test.op == "contains":
            spellings = [each[1:-1] for each in spellings]
        if paired:
            spellings = [f"{json_text(test.name)}:{each}" for each in spellings]
        self.params.extend(spellings)
        looks = " or ".join([f"ifnull(instr({self.metadata}, ?), 0)"] * len(spellings))
        sure = f"not instr(substr({self.metadata}, 2), '{{') or " if paired else ""
        return f"(({looks}) and ({sure}{self.call(test, self.metadata)}))"

    def call(self, test: filters.Comparison, column: str) -> str:
        name = f"{filters.METADATA}{test.name}" if test.metadata else test.name
        value = list(test.value) if isinstance(test.value, tuple) else test.value
        self.params.append(text_cell(json_text({name: {test.op: value}})))
        return f"engrams_holds(?, {column})"


@lru_cache(maxsize=256)
def _read(expression: str | bytes) -> filters.Comparison:
    test = filters.parse(json.loads(text_of(expression)))
    assert isinstance(test, filters.Comparison)
    return test


def _holds(expression: str | bytes, cell: str | bytes | None) -> bool:
    test = _read(expression)
    if not test.metadata:
        return filters.meets(test, text_of(cell))
    return filters.meets(test, filters.metadata_at(mapping_of(cell), test.name))


def register(db: sqlite3.Connection) -> None:
    """Makes `engrams_holds(condition, cell)` known to a connection."""
    db.create_function("engrams_holds", 2, _holds, deterministic=True)
