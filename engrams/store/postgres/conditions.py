"""Scopes, conditions and filter expressions as PostgreSQL's SQL.

What PostgreSQL says exactly as `filters.holds` defines it is said in SQL. For the rest, SQL lets through every row that
could hold, and the definition itself decides over the rows that came: `Condition.tree` is then not None.
In queries, `e` is `engrams`, `c` is `contents`, `v` is `events`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engrams import filters
from engrams.ports import Where
from engrams.records import Json, Scope
from engrams.store.cells import after_prefix, json_text, prefix_cell
from engrams.store.conditions import MOST_SPELLINGS, Clauses, Writer
from engrams.store.postgres.cells import path_cell, tenant_of


@dataclass(slots=True)
class Condition(Clauses):
    """Clauses that all hold, with their parameters in the same order; `tree` must be asked about the rows besides."""

    tree: filters.Filter | None = None

    mark = "%s"

    def holds(self, fields: Mapping[str, Json]) -> bool:
        """Whether a row that came meets what SQL could not say."""
        return filters.holds(self.tree, fields)


def within(scope: Scope, alias: str) -> tuple[str, list[Any]]:
    """The rows of the scope's path, or below it.

    Raises:
        BadSetting: a path that no namespace can have.
    """
    if not scope.below:
        path = path_cell(scope.namespace)
        return f"{alias}.tenant = %s and {alias}.namespace = %s", [tenant_of(path), path]
    prefix = prefix_cell(scope.namespace)
    return (
        f"{alias}.tenant = %s and {alias}.namespace >= %s and {alias}.namespace < %s",
        [tenant_of(path_cell(prefix)), prefix, after_prefix(prefix)],
    )


def of_scope(scope: Scope, alias: str) -> Condition:
    """The scope's path and its other fields."""
    made = Condition()
    clause, params = within(scope, alias)
    made.add(clause, *params)
    made.fields(alias, scope)
    return made


def of_engrams(scope: Scope, where: Where) -> Condition:
    """Engram versions that lie in the scope and hold under `where`.

    Raises:
        UsageError: a filter expression that cannot be read.
    """
    made = of_scope(scope, "e")
    made.of_engrams(where)
    return _filtered(made, _Writer("e", "c.metadata"), where)


def of_events(scope: Scope, where: Where, kinds: tuple[str, ...] | None) -> Condition:
    """Journal entries that lie in the scope and hold under the conditions that speak of events.

    Raises:
        UsageError: a filter expression that cannot be read.
    """
    made = of_scope(scope, "v")
    made.of_events(where, kinds)
    return _filtered(made, _Writer("v", "v.metadata"), where)


def _filtered(made: Condition, writer: _Writer, where: Where) -> Condition:
    tree = made.filter(writer, where)
    made.tree = tree if writer.loose else None
    return made


@dataclass(slots=True)
class _Writer(Writer):
    """A test that SQL cannot say exactly becomes one that is true for too many rows where its truth lets rows in, and
    false for too many below a NOT: so no row is lost."""

    loose: bool = False

    def of_text(self, test: filters.Comparison, column: str, inside: bool) -> str:
        self.loose = True
        if test.op == "contains" and inside:
            self.params.append(test.value)
            return f"coalesce(strpos({column}, ?) > 0, false)"
        return f"{column} is not null" if inside else "false"

    def in_metadata(self, test: filters.Comparison, inside: bool) -> str:
        """Where a value must be there, its key is spelt in the JSON, and a text's spelling too."""
        self.loose = True
        if not inside:
            return "false"
        if test.op == "ne" and test.value is not None:
            return "true"
        wanted = test.value if test.op == "in" else (test.value,)
        if any(each is None for each in wanted) and test.op != "ne":
            return "true"
        clauses = [self.spelt(sorted({json_text(name) for name in (test.name, test.name.split(".")[0])}))]
        texts = all(isinstance(each, str) for each in wanted) and 0 < len(wanted) <= MOST_SPELLINGS
        if test.op in ("eq", "in", "contains") and texts:
            spellings = [json_text(each) for each in wanted]
            clauses.append(self.spelt([s[1:-1] for s in spellings] if test.op == "contains" else spellings))
        return f"({' and '.join(clauses)})"

    def spelt(self, spellings: list[str]) -> str:
        self.params.extend(spellings)
        looks = " or ".join([f"strpos({self.metadata}, ?) > 0"] * len(spellings))
        return f"coalesce({looks}, false)"
