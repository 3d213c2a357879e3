"""The audit: who did what when, each row sealed with a digest over the one before it. No text of any memory."""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from engrams.records import Json
from engrams.store.rows import audit_from
from engrams.store.rules import chain_break, seal
from engrams.store.sqlite.cells import json_cell, text_cell, text_of, time_cell

_COLUMNS = "seq, at, actor, action, namespace, ids, note"


def append_audit(
    db: sqlite3.Connection,
    at: datetime,
    actor: str,
    action: str,
    namespace: str,
    ids: Sequence[str],
    note: str,
) -> None:
    """Adds a row inside an open transaction."""
    last, before = db.execute("select audit, digest from position").fetchone()
    row = (
        last + 1,
        time_cell(at),
        text_cell(actor),
        action,
        namespace,
        json_cell(list(ids), "ids") or "[]",
        note,
    )
    digest = _sealed(before, row)
    db.execute("insert into audit values (?, ?, ?, ?, ?, ?, ?, ?)", (*row, digest))
    db.execute("update position set audit = ?, digest = ?", (last + 1, digest))


def put_audit(db: sqlite3.Connection, rows: Sequence[Mapping[str, Json]]) -> None:
    """Adds rows that were written elsewhere inside an open transaction, sealed to those that stand."""
    for row in rows:
        at = datetime.fromisoformat(row["at"])
        append_audit(db, at, row["actor"], row["action"], row["namespace"], row["ids"], row["note"])


def read_audit(db: sqlite3.Connection, after: int, limit: int) -> list[Mapping[str, Json]]:
    """Rows after a number, oldest first."""
    sql = f"select {_COLUMNS}, digest from audit where seq > ? order by seq limit ?"
    rows = db.execute(sql, (after, limit))
    return [audit_from(row, text_of) for row in rows]


def broken_seals(db: sqlite3.Connection) -> Iterator[str]:
    """What is wrong with the chain, from its first row to the last that the file counted."""
    expected, before = 1, ""
    for *row, digest in db.execute(f"select {_COLUMNS}, digest from audit order by seq"):
        if row[0] != expected:
            yield chain_break(expected, row[0])
        if _sealed(before, row) != digest:
            yield f"audit row {row[0]} was altered, or a row before it"
        expected, before = row[0] + 1, digest
    last, digest = db.execute("select audit, digest from position").fetchone()
    if (last, digest) != (expected - 1, before):
        yield f"the audit ends at row {expected - 1}; {last} rows were written"


def _sealed(before: str, row: Sequence[Any]) -> str:
    return seal(before, [text_of(cell) for cell in row])
