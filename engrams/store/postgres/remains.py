"""What a move needs besides the port: how versions came about, tombstones, and receipts of idempotency keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from engrams.records import Row
from engrams.store.moving import Cause, Kept, Tombstone
from engrams.store.postgres.cells import ROWS_OF_A_TENANT, path_cell, tenant_of, text_of
from engrams.store.postgres.inserting import insert
from engrams.store.postgres.positions import hold_all


def causes(db: Connection[Any], rows: Sequence[Row]) -> dict[int, Cause]:
    """What brought versions about, by row."""
    asked = [int(row) for row in rows]
    sql = (
        'select c."row", c.change, c.actor, c.reason, c.event_id from position p join contents c on c.tenant = p.tenant '
        'where p.number = any(%s::bigint[]) and c."row" = any(%s::bigint[])'
    )
    found = db.execute(sql, (sorted({row // ROWS_OF_A_TENANT for row in asked}), asked))
    return {
        row: (change, text_of(actor), text_of(reason), text_of(event))
        for row, change, actor, reason, event in found
    }


def tombstones(db: Connection[Any]) -> list[Tombstone]:
    """Every erased event."""
    rows = db.execute("select namespace, id, at, reason from tombstones order by namespace, id")
    return [(namespace, text_of(id), at, reason) for namespace, id, at, reason in rows]


def receipts(db: Connection[Any]) -> list[Kept]:
    """Every idempotency key."""
    rows = db.execute("select namespace, key, digest, receipt from receipts order by namespace, key")
    return [
        (namespace, text_of(key), text_of(digest), text_of(receipt))
        for namespace, key, digest, receipt in rows
    ]


def put(db: Connection[Any], erased: Sequence[Tombstone], keys: Sequence[Kept]) -> None:
    """Keeps both inside an open transaction."""
    paths = sorted({path_cell(row[0]) for row in (*erased, *keys)})
    hold_all(db, {tenant_of(path) for path in paths})
    insert(db, "namespaces (tenant, namespace)", [(tenant_of(p), p) for p in paths], "on conflict do nothing")
    insert(
        db,
        "tombstones (tenant, namespace, id, at, reason)",
        [(tenant_of(row[0]), *row) for row in erased],
        "on conflict do nothing",
    )
    insert(
        db,
        "receipts (tenant, namespace, key, digest, receipt)",
        [(tenant_of(row[0]), *row) for row in keys],
        "on conflict do nothing",
    )
