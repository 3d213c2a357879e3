"""Scopes, conditions and filter expressions as SQL.

What SQL says exactly is said in SQL; the rest calls the one definition, `filters.meets`, from inside SQLite.
In queries, `e` is `engrams`, `c` is `contents`, `v` is `events`.
"""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from functools import lru_cache

from engrams import filters
from engrams.ports import Where
from engrams.records import Scope
from engrams.store.cells import after_prefix, prefix_cell
from engrams.store.conditions import MOST_SPELLINGS, Clauses, Writer
from engrams.store.sqlite.cells import Cell, json_text, mapping_of, path_cell, text_cell, text_of


@dataclass(slots=True)
class Condition(Clauses):
    """Clauses that all hold, with their parameters in the same order."""

    def cell(self, value: object) -> object:
        """A parameter as SQLite takes it."""
        return text_cell(value) if isinstance(value, str) else value


def namespace_clause(scope: Scope, column: str) -> tuple[str, list[Cell]]:
    """The rows of the scope's path, or below it.

    Raises:
        BadSetting: a path that no namespace can have.
    """
    if not scope.below:
        return f"{column} = (select ns from namespaces where path = ?)", [path_cell(scope.namespace)]
    below = prefix_cell(scope.namespace)
    inside = f"{column} in (select ns from namespaces where path >= ? and path < ?)"
    return inside, [below, after_prefix(below)]


def of_engrams(scope: Scope, where: Where) -> Condition:
    """Engram versions that lie in the scope and hold under `where`.

    Raises:
        UsageError: a filter expression that cannot be read.
    """
    made = _of_scope(scope, "e")
    made.of_engrams(where)
    made.filter(_Writer("e", "c.metadata"), where)
    return made


def of_events(scope: Scope, where: Where, kinds: tuple[str, ...] | None) -> Condition:
    """Journal entries that lie in the scope and hold under the conditions that speak of events.

    Raises:
        UsageError: a filter expression that cannot be read.
    """
    made = _of_scope(scope, "v")
    made.of_events(where, kinds)
    made.filter(_Writer("v", "v.metadata"), where)
    return made


def _of_scope(scope: Scope, alias: str) -> Condition:
    made = Condition()
    clause, params = namespace_clause(scope, f"{alias}.ns")
    made.add(clause, *params)
    made.fields(alias, scope)
    return made


@dataclass(slots=True)
class _Writer(Writer):
    """What SQL does not say, `engrams_holds` does."""

    same = "is"

    def column(self, name: str) -> str:
        if name == "namespace":
            return f"(select path from namespaces where ns = {self.alias}.ns)"
        return f"{self.alias}.{name}"

    def of_text(self, test: filters.Comparison, column: str, inside: bool) -> str:
        return self.call(test, column)

    def in_metadata(self, test: filters.Comparison, inside: bool) -> str:
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
        self.params.append(json_text({name: {test.op: value}}))
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
