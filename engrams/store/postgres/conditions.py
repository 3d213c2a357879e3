"""Scopes, conditions and filter expressions as SQL.

What PostgreSQL says exactly as `filters.holds` defines it is said in SQL. For the rest, SQL lets through every row that
could hold, and the definition itself decides over the rows that came: `Condition.tree` is then not None.
In queries, `e` is `engrams`, `c` is `contents`, `v` is `events`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engrams import filters
from engrams.ports import Where
from engrams.records import Json, Scope
from engrams.store.cells import OPEN, after_prefix, json_text, prefix_cell, time_cell
from engrams.store.postgres.cells import path_cell, tenant_of

#: Values of an `in` list for which the spelling is looked for; more would cost more than reading the rows.
MOST_SPELLINGS = 16


@dataclass(slots=True)
class Condition:
    """Clauses that all hold, with their parameters in the same order; `tree` must be asked about the rows besides."""

    clauses: list[str] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)
    reads_contents: bool = False
    tree: filters.Filter | None = None

    def add(self, clause: str, *params: Any) -> None:
        """One more clause that must hold."""
        self.clauses.append(clause)
        self.params.extend(params)

    @property
    def sql(self) -> str:
        return " and ".join(self.clauses) or "true"

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
    for name in ("agent_id", "run_id", "session"):
        value = getattr(scope, name)
        if value is not None:
            made.add(f"{alias}.{name} = %s", value)
    return made


def of_engrams(scope: Scope, where: Where) -> Condition:
    """Engram versions that lie in the scope and hold under `where`.

    Raises:
        UsageError: a filter expression that cannot be read.
    """
    made = of_scope(scope, "e")
    _occurred(made, "e", where)
    if where.as_of is None:
        made.add("e.closed_at = %s", OPEN)
    elif where.as_of_by == "occurred":
        made.add("e.occurred_at <= %s and e.closed_at = %s", time_cell(where.as_of, "as_of"), OPEN)
    else:
        then = time_cell(where.as_of, "as_of")
        made.add("e.recorded_at <= %s and e.closed_at > %s", then, then)
    if where.valid_at is not None:
        then = time_cell(where.valid_at, "valid_at")
        made.add("(e.valid_from is null or e.valid_from <= %s)", then)
        made.add("(e.valid_to is null or e.valid_to > %s)", then)
    made.add("e.state = any(%s::text[])", list(where.states))
    if where.kinds is not None:
        made.add("e.kind = any(%s::text[])", list(where.kinds))
    if where.writer is not None:
        made.add("e.recipe = %s", where.writer)
    _filter(made, where, "e", "c.metadata")
    return made


def of_events(scope: Scope, where: Where, kinds: tuple[str, ...] | None) -> Condition:
    """Journal entries that lie in the scope and hold under the conditions that speak of events.

    Raises:
        UsageError: a filter expression that cannot be read.
    """
    made = of_scope(scope, "v")
    _occurred(made, "v", where)
    if where.as_of is not None:
        column = "v.occurred_at" if where.as_of_by == "occurred" else "v.recorded_at"
        made.add(f"{column} <= %s", time_cell(where.as_of, "as_of"))
    if kinds is not None:
        made.add("v.kind = any(%s::text[])", list(kinds))
    _filter(made, where, "v", "v.metadata")
    return made


def _occurred(made: Condition, alias: str, where: Where) -> None:
    if where.since is not None:
        made.add(f"{alias}.occurred_at >= %s", time_cell(where.since, "since"))
    if where.until is not None:
        made.add(f"{alias}.occurred_at <= %s", time_cell(where.until, "until"))


def _filter(made: Condition, where: Where, alias: str, metadata: str) -> None:
    tree = filters.parse(where.filters)
    if tree is None:
        return
    writer = _Writer(alias, metadata)
    made.add(writer.clause(tree, True), *writer.params)
    made.reads_contents = any(test.metadata for test in filters.comparisons(tree))
    made.tree = tree if writer.loose else None


@dataclass(slots=True)
class _Writer:
    """Writes a filter tree as SQL whose every clause is true or false, never NULL.

    A test that SQL cannot say exactly becomes one that is true for too many rows where its truth lets rows in
    (`inside`), and false for too many where it keeps rows out, below a NOT: so no row is lost.
    """

    alias: str
    metadata: str
    params: list[Any] = field(default_factory=list)
    loose: bool = False

    def clause(self, condition: filters.Filter, inside: bool) -> str:
        if isinstance(condition, filters.Comparison):
            return self.test(condition, inside)
        if isinstance(condition, filters.Not):
            return f"not ({self.clause(condition.part, not inside)})"
        join = " and " if isinstance(condition, filters.And) else " or "
        return f"({join.join(self.clause(part, inside) for part in condition.parts)})"

    def test(self, test: filters.Comparison, inside: bool) -> str:
        if test.metadata:
            return self.about(test, inside)
        column = f"{self.alias}.{test.name}"
        if test.op == "ne":
            return f"not ({self.equal(column, test.value)})"
        if test.op == "eq":
            return self.equal(column, test.value)
        if test.op == "in":
            return f"({' or '.join([self.equal(column, each) for each in test.value] or ['false'])})"
        if isinstance(test.value, filters.Span):
            return self.ordered(column, test.op, test.value)
        if not isinstance(test.value, str):
            return "false"
        self.loose = True
        if test.op == "contains" and inside:
            self.params.append(test.value)
            return f"coalesce(strpos({column}, %s) > 0, false)"
        return f"{column} is not null" if inside else "false"

    def equal(self, column: str, value: object) -> str:
        if value is None:
            return f"{column} is null"
        if isinstance(value, filters.Span):
            self.params.extend((value.first, value.last))
            return f"{column} between %s and %s"
        if not isinstance(value, str):
            return "false"
        self.params.append(value)
        return f"{column} is not distinct from %s"

    def ordered(self, column: str, op: str, span: filters.Span) -> str:
        sign = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}[op]
        self.params.append(span.last if op in ("gt", "lte") else span.first)
        return f"{column} {sign} %s"

    def about(self, test: filters.Comparison, inside: bool) -> str:
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
        looks = " or ".join([f"strpos({self.metadata}, %s) > 0"] * len(spellings))
        return f"coalesce({looks}, false)"
