"""What the index reads: entries in large pieces, closings, and how far the store has come."""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from psycopg import Connection

from engrams.ports import OPEN_END, OPEN_START, EntryColumns, EntryRow, Float32, Int64
from engrams.records import Row, Scope
from engrams.store.postgres.cells import text_of, texts_of, vectors_from
from engrams.store.postgres.conditions import within
from engrams.store.postgres.connections import Connections, Sight
from engrams.store.rows import entry_columns_from, entry_rows_from

#: Rows fetched at once: enough to forget the cost of a round trip, few enough to hold.
ROWS_AT_ONCE = 4_000

_ENTRY = (
    'e."row", e.namespace, e.id, e.event, e.thread, e.session, e.agent_id, e.run_id, e.speaker, e.role, e.kind, e.recipe, '
    "e.state, e.occurred_at, e.recorded_at, e.closed_at, e.valid_from, e.valid_to, e.length, e.flags, e.terms, e.counts, "
    "e.pieces"
)
_COLUMNS = (
    'e."row", e.namespace, e.event, e.thread, e.session, e.agent_id, e.run_id, e.speaker, e.role, e.kind, e.state, '
    "e.occurred_at, e.recorded_at, e.closed_at, "
    f"coalesce(e.valid_from, {OPEN_START}), coalesce(e.valid_to, {OPEN_END}), "
    "e.length, e.flags, e.terms, e.counts, e.pieces"
)


def closings(db: Connection[Any], scope: Scope, after: int) -> list[tuple[int, Row, int | None]]:
    """Closed and erased rows under the scope's path, by change number."""
    clause, params = within(scope, "g")
    sql = f'select g.change, g."row", g.closed_at from changes g where {clause} and g.change > %s order by g.change'
    return [(change, Row(row), closed) for change, row, closed in db.execute(sql, (*params, after))]


def entries(
    connections: Connections, scope: Scope, after: int, limit: int, writer: str | None = None
) -> Iterator[EntryRow]:
    """Entries by row; no connection is held while the caller works on them."""
    left = limit
    while left > 0:
        wanted = min(left, ROWS_AT_ONCE)
        with connections.reading(Sight.of(scope)) as db:
            rows = _fetch(db, _ENTRY, scope, after, wanted, writer)
            vectors = _vectors(db, scope, rows)
        yield from entry_rows_from(rows, None, vectors, text_of)
        if len(rows) < wanted:
            return
        after, left = rows[-1][0], left - wanted


def entry_columns(
    connections: Connections, scope: Scope, after: int, batch: int, writer: str | None = None
) -> Iterator[EntryColumns]:
    """What `entries` gives, as columns; no connection is held while the caller works on them."""
    while True:
        with connections.reading(Sight.of(scope)) as db:
            rows = _fetch(db, _COLUMNS, scope, after, batch, writer)
        if rows:
            yield entry_columns_from(rows, None, texts_of)
            after = rows[-1][0]
        if len(rows) < batch:
            return


def entry_vectors(db: Connection[Any], scope: Scope, fingerprint: str, after: int) -> tuple[Int64, Float32]:
    """The vectors of one embedder under the scope's path, by row."""
    clause, params = within(scope, "d")
    sql = f'select d."row", d.vector from vectors d where {clause} and d.fingerprint = %s and d."row" > %s order by d."row"'
    with db.cursor(binary=True) as cursor:
        found = cursor.execute(sql, (*params, fingerprint, after)).fetchall()
    if not found:
        return np.empty(0, np.int64), np.empty((0, 0), np.float32)
    rows = np.fromiter((row for row, _ in found), np.int64, len(found))
    return rows, vectors_from([cell for _, cell in found])


def _fetch(
    db: Connection[Any], columns: str, scope: Scope, after: int, limit: int, writer: str | None
) -> list[Any]:
    clause, params = within(scope, "e")
    if writer is not None:
        clause, params = f"{clause} and e.recipe = %s", [*params, writer]
    sql = f'select {columns} from engrams e where {clause} and e."row" > %s order by e."row" limit %s'
    with db.cursor(binary=True) as cursor:
        return cursor.execute(sql, (*params, after, limit)).fetchall()


def _vectors(db: Connection[Any], scope: Scope, rows: Sequence[Any]) -> dict[int, dict[str, Float32]]:
    if not rows:
        return {}
    clause, params = within(scope, "d")
    sql = (
        f'select d."row", d.fingerprint, d.vector from vectors d where {clause} and d."row" between %s and %s'
    )
    found: dict[int, dict[str, Float32]] = {}
    with db.cursor(binary=True) as cursor:
        for row, fingerprint, cell in cursor.execute(sql, (*params, rows[0][0], rows[-1][0])):
            found.setdefault(row, {})[text_of(fingerprint)] = vectors_from([cell])[0]
    return found
