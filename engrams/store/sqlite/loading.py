"""What the index reads: entries in large pieces, closings, and how far the store has come."""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np

from engrams.ports import OPEN_END, OPEN_START, EntryColumns, EntryRow, Float32, Int64, Mark
from engrams.records import Row, Scope
from engrams.store.rows import entry_columns_from, entry_rows_from
from engrams.store.sqlite.cells import path_cell, text_of
from engrams.store.sqlite.conditions import namespace_clause

#: Rows fetched at once: enough to forget the cost of a query, little enough to stay in the processor's cache.
ROWS_AT_ONCE = 4_000

_ENTRY = (
    "e.row, e.ns, e.id, e.event, e.thread, e.session, e.agent_id, e.run_id, e.speaker, e.role, e.kind, e.recipe, e.state, "
    "e.occurred_at, e.recorded_at, e.closed_at, e.valid_from, e.valid_to, e.length, e.flags, e.terms, e.counts, e.pieces"
)
_COLUMNS = (
    "e.row, e.ns, e.event, e.thread, e.session, e.agent_id, e.run_id, e.speaker, e.role, e.kind, e.state, "
    "e.occurred_at, e.recorded_at, e.closed_at, "
    f"ifnull(e.valid_from, {OPEN_START}), ifnull(e.valid_to, {OPEN_END}), "
    "e.length, e.flags, e.terms, e.counts, e.pieces"
)


class Readers(Protocol):
    """Whoever lends connections to read with."""

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection for the length of a block."""
        ...


def mark(db: sqlite3.Connection) -> Mark:
    """The last row and the last change."""
    return Mark(*db.execute("select engram, change from position").fetchone())


def closings(db: sqlite3.Connection, scope: Scope, after: int) -> list[tuple[int, Row, int | None]]:
    """Closed and erased rows under the scope's path, by change number."""
    clause, params = namespace_clause(scope, "ns")
    sql = f"select change, row, closed_at from changes where change > ? and +{clause} order by change"
    return [(change, Row(row), closed) for change, row, closed in db.execute(sql, (after, *params))]


def entries(
    readers: Readers, scope: Scope, after: int, limit: int, writer: str | None = None
) -> Iterator[EntryRow]:
    """Entries by row; no connection is held while the caller works on them."""
    reached: int | None = after
    while reached is not None and limit > 0:
        with readers.reading() as db:
            rows, paths, reached = _fetch(db, _ENTRY, scope, reached, ROWS_AT_ONCE, writer)
            rows = rows[:limit]
            vectors = _vectors(db, rows)
        yield from entry_rows_from(rows, paths, vectors, text_of)
        limit -= len(rows)


def entry_columns(
    readers: Readers, scope: Scope, after: int, batch: int, writer: str | None = None
) -> Iterator[EntryColumns]:
    """What `entries` gives, as columns; no connection is held while the caller works on them."""
    reached: int | None = after
    while reached is not None:
        with readers.reading() as db:
            rows, paths, reached = _fetch(db, _COLUMNS, scope, reached, batch, writer)
        if rows:
            yield entry_columns_from(rows, paths, _texts)


def entry_vectors(
    db: sqlite3.Connection, scope: Scope, fingerprint: str, after: int
) -> tuple[Int64, Float32]:
    """The vectors of one embedder under the scope's path, by row."""
    clause, params = namespace_clause(scope, "ns")
    # Not in order: SQLite would sort the vectors themselves, on disk where they are many.
    found = db.execute(
        f"select row, vector from vectors where {clause} and row > ? "
        "and model = (select model from models where fingerprint = ?)",
        (*params, after, fingerprint),
    )
    numbers: list[Int64] = [np.empty(0, np.int64)]
    parts: list[Float32] = []
    while cells := found.fetchmany(ROWS_AT_ONCE):
        numbers.append(np.fromiter((row for row, _ in cells), np.int64, len(cells)))
        values = np.frombuffer(b"".join([cell for _, cell in cells]), "<f4")
        parts.append(values.reshape(len(cells), -1))
    rows = np.concatenate(numbers)
    vectors = np.concatenate(parts) if parts else np.empty((0, 0), np.float32)
    if (rows[1:] < rows[:-1]).any():
        order = np.argsort(rows)
        rows, vectors = rows[order], vectors[order]
    return rows, vectors


def _fetch(
    db: sqlite3.Connection, columns: str, scope: Scope, after: int, limit: int, writer: str | None
) -> tuple[list[Any], dict[int, str], int | None]:
    """At most `limit` rows, the paths of their namespaces, and up to which row all was read; None: to the last."""
    if scope.below:
        return _fetch_below(db, columns, scope, after, limit, writer)
    path = path_cell(scope.namespace)
    found = db.execute("select ns from namespaces where path = ?", (path,)).fetchone()
    if found is None:
        return [], {}, None
    only, named = _written_by(writer)
    sql = f"select {columns} from engrams e where e.ns = ? and e.row > ?{only} order by e.row limit ?"
    rows = db.execute(sql, (found[0], after, *named, limit)).fetchall()
    return rows, {found[0]: path}, rows[-1][0] if len(rows) == limit else None


def _fetch_below(
    db: sqlite3.Connection, columns: str, scope: Scope, after: int, limit: int, writer: str | None
) -> tuple[list[Any], dict[int, str], int | None]:
    """As `_fetch`, for many namespaces: a window of row numbers in each, so that they come in order over all of them."""
    clause, params = namespace_clause(scope, "ns")
    paths = dict(db.execute(f"select ns, path from namespaces where {clause}", params))
    last = mark(db).row
    if not paths or after >= last:
        return [], paths, None
    only, named = _written_by(writer)
    sql = (
        f"select {columns} from engrams e where e.{clause} and e.row > ? and e.row <= ?{only} order by e.row"
    )
    rows = db.execute(sql, (*params, after, after + limit, *named)).fetchall()
    return rows, paths, after + limit


def _written_by(writer: str | None) -> tuple[str, tuple[str, ...]]:
    """The clause for rows of one writer; None: of any."""
    return ("", ()) if writer is None else (" and e.recipe = ?", (writer,))


def _vectors(db: sqlite3.Connection, rows: Sequence[Any]) -> dict[int, dict[str, Float32]]:
    if not rows:
        return {}
    models = dict(db.execute("select model, fingerprint from models"))
    if not models:
        return {}
    spaces = sorted({row[1] for row in rows})
    found: dict[int, dict[str, Float32]] = {}
    for ns in spaces:
        sql = "select row, model, vector from vectors where ns = ? and row between ? and ?"
        for row, model, cell in db.execute(sql, (ns, rows[0][0], rows[-1][0])):
            found.setdefault(row, {})[models[model]] = np.frombuffer(cell, "<f4")
    return found


def _texts(cells: Sequence[Any]) -> Sequence[Any]:
    return [text_of(cell) for cell in cells] if bytes in set(map(type, cells)) else cells
