"""Scopes, conditions and filter expressions as SQL, as far as they are the same in every database.

In queries, `e` is `engrams`, `c` is `contents`, `v` is `events`; a parameter is marked with `?`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from engrams import filters
from engrams.ports import Where
from engrams.records import Scope
from engrams.store.cells import OPEN, time_cell

#: Values of an `in` list for which the spelling is looked for in the JSON; more would cost more than reading the rows.
MOST_SPELLINGS = 16


@dataclass(slots=True)
class Clauses:
    """Clauses that all hold, with their parameters in the same order."""

    clauses: list[str] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)
    reads_contents: bool = False

    #: How the driver marks a parameter.
    mark = "?"

    def add(self, clause: str, *params: Any) -> None:
        """One more clause that must hold."""
        self.clauses.append(clause)
        self.params.extend(self.cell(param) for param in params)

    def cell(self, value: Any) -> Any:
        """A parameter as the database takes it."""
        return value

    @property
    def sql(self) -> str:
        """All of them, joined."""
        return " and ".join(self.clauses).replace("?", self.mark) or "true"

    def among(self, column: str, values: Sequence[Any]) -> None:
        """The column holds one of the values."""
        self.add(f"{column} in ({', '.join('?' * len(values))})" if values else "false", *values)

    def fields(self, alias: str, scope: Scope) -> None:
        """What a scope says besides its path."""
        for name in ("agent_id", "run_id", "session"):
            value = getattr(scope, name)
            if value is not None:
                self.add(f"{alias}.{name} = ?", value)

    def of_engrams(self, where: Where) -> None:
        """What conditions say of engram versions, without the filter expression."""
        self._occurred("e", where)
        if where.as_of is None:
            self.add("e.closed_at = ?", OPEN)
        elif where.as_of_by == "occurred":
            self.add("e.occurred_at <= ? and e.closed_at = ?", time_cell(where.as_of, "as_of"), OPEN)
        else:
            then = time_cell(where.as_of, "as_of")
            self.add("e.recorded_at <= ? and e.closed_at > ?", then, then)
        if where.valid_at is not None:
            then = time_cell(where.valid_at, "valid_at")
            self.add("(e.valid_from is null or e.valid_from <= ?)", then)
            self.add("(e.valid_to is null or e.valid_to > ?)", then)
        self.among("e.state", where.states)
        if where.kinds is not None:
            self.among("e.kind", where.kinds)
        if where.writer is not None:
            self.add("e.recipe = ?", where.writer)

    def of_events(self, where: Where, kinds: tuple[str, ...] | None) -> None:
        """What conditions say of journal entries, without the filter expression."""
        self._occurred("v", where)
        if where.as_of is not None:
            column = "v.occurred_at" if where.as_of_by == "occurred" else "v.recorded_at"
            self.add(f"{column} <= ?", time_cell(where.as_of, "as_of"))
        if kinds is not None:
            self.among("v.kind", kinds)

    def _occurred(self, alias: str, where: Where) -> None:
        if where.since is not None:
            self.add(f"{alias}.occurred_at >= ?", time_cell(where.since, "since"))
        if where.until is not None:
            self.add(f"{alias}.occurred_at <= ?", time_cell(where.until, "until"))

    def filter(self, writer: Writer, where: Where) -> filters.Filter | None:
        """The caller's filter expression as one more clause; what was read.

        Raises:
            UsageError: it cannot be read.
        """
        tree = filters.parse(where.filters)
        if tree is not None:
            self.add(writer.clause(tree, True), *writer.params)
            self.reads_contents = any(test.metadata for test in filters.comparisons(tree))
        return tree


@dataclass(slots=True)
class Writer:
    """Writes a filter tree as SQL whose every clause is true or false, never NULL, so that NOT means not.

    What is looked for in metadata, and orders of texts, each database says in its way: `inside` is true where the test's
    truth lets rows in, false below a NOT.
    """

    alias: str
    metadata: str
    params: list[Any] = field(default_factory=list)

    #: How a column is compared with a text, so that NULL is only itself.
    same = "is not distinct from"

    def clause(self, condition: filters.Filter, inside: bool) -> str:
        """The SQL of a tree."""
        if isinstance(condition, filters.Comparison):
            return self.in_metadata(condition, inside) if condition.metadata else self.test(condition, inside)
        if isinstance(condition, filters.Not):
            return f"not ({self.clause(condition.part, not inside)})"
        join = " and " if isinstance(condition, filters.And) else " or "
        return f"({join.join(self.clause(part, inside) for part in condition.parts)})"

    def column(self, name: str) -> str:
        """The column in which a field lies."""
        return f"{self.alias}.{name}"

    def test(self, test: filters.Comparison, inside: bool) -> str:
        """The SQL of a test of a column."""
        column = self.column(test.name)
        if test.op == "ne":
            return f"not ({self.equal(column, test.value)})"
        if test.op == "eq":
            return self.equal(column, test.value)
        if test.op == "in":
            return f"({' or '.join([self.equal(column, each) for each in test.value] or ['false'])})"
        if isinstance(test.value, filters.Span):
            return self.ordered(column, test.op, test.value)
        return self.of_text(test, column, inside) if isinstance(test.value, str) else "false"

    def equal(self, column: str, value: object) -> str:
        """The column holds a value."""
        if value is None:
            return f"{column} is null"
        if isinstance(value, filters.Span):
            self.params.extend((value.first, value.last))
            return f"{column} between ? and ?"
        if not isinstance(value, str):
            return "false"
        self.params.append(value)
        return f"{column} {self.same} ?"

    def ordered(self, column: str, op: str, span: filters.Span) -> str:
        """The column's time lies before or after a span."""
        sign = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}[op]
        self.params.append(span.last if op in ("gt", "lte") else span.first)
        return f"{column} {sign} ?"

    def of_text(self, test: filters.Comparison, column: str, inside: bool) -> str:
        """The column's text contains another, or comes before or after it."""
        raise NotImplementedError

    def in_metadata(self, test: filters.Comparison, inside: bool) -> str:
        """The SQL of a test of a value in the metadata."""
        raise NotImplementedError
