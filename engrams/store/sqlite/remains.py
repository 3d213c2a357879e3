"""What a move needs besides the port: how versions came about, tombstones, and receipts of idempotency keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from engrams.records import Row
from engrams.store.moving import Cause, Kept, Tombstone
from engrams.store.sqlite.cells import text_cell, text_of


def causes(db: sqlite3.Connection, rows: Sequence[Row]) -> dict[int, Cause]:
    """What brought versions about, by row."""
    sql = "select row, change, actor, reason, event_id from contents where row in (select value from json_each(?))"
    found = db.execute(sql, (f"[{','.join(map(str, map(int, rows)))}]",))
    return {
        row: (change, text_of(actor), text_of(reason), text_of(event))
        for row, change, actor, reason, event in found
    }


def tombstones(db: sqlite3.Connection) -> list[Tombstone]:
    """Every erased event."""
    sql = "select path, id, at, reason from tombstones join namespaces using (ns) order by path, id"
    return [(path, text_of(id), at, reason) for path, id, at, reason in db.execute(sql)]


def receipts(db: sqlite3.Connection) -> list[Kept]:
    """Every idempotency key."""
    sql = "select path, key, digest, receipt from receipts join namespaces using (ns) order by path, key"
    return [(path, text_of(key), digest, text_of(receipt)) for path, key, digest, receipt in db.execute(sql)]


def put(db: sqlite3.Connection, erased: Sequence[Tombstone], keys: Sequence[Kept]) -> None:
    """Keeps both inside an open transaction."""
    spaces = _spaces(db, {row[0] for row in (*erased, *keys)})
    db.executemany(
        "insert or ignore into tombstones (ns, id, at, reason) values (?, ?, ?, ?)",
        [(spaces[path], text_cell(id), at, reason) for path, id, at, reason in erased],
    )
    db.executemany(
        "insert or ignore into receipts (ns, key, digest, receipt) values (?, ?, ?, ?)",
        [(spaces[path], text_cell(key), digest, text_cell(receipt)) for path, key, digest, receipt in keys],
    )


def _spaces(db: sqlite3.Connection, paths: Iterable[str]) -> dict[str, int]:
    for path in sorted(paths):
        db.execute(
            "insert or ignore into namespaces select ifnull(max(ns), 0) + 1, ? from namespaces", (path,)
        )
    return dict(db.execute("select path, ns from namespaces").fetchall())
