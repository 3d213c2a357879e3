"""The audit: who did what when, each row sealed with a digest over its tenant's row before it. No text of any memory."""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

from engrams.records import Json
from engrams.store.cells import json_text, time_cell
from engrams.store.postgres.cells import tenant_of, text_of
from engrams.store.postgres.positions import Position, hold_all
from engrams.store.rows import audit_from
from engrams.store.rules import chain_break, seal

_COLUMNS = "seq, at, actor, action, namespace, ids, note"


def append_audit(
    db: Connection[Any],
    position: Position,
    at: datetime,
    actor: str,
    action: str,
    namespace: str,
    ids: Sequence[str],
    note: str,
) -> None:
    """Adds a row inside an open transaction that holds the tenant's position."""
    row = (position.audit + 1, time_cell(at), actor, action, namespace, json_text(list(ids)), note)
    position.audit, position.digest = row[0], seal(position.digest, row)
    db.execute(
        f"insert into audit (tenant, {_COLUMNS}, digest) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (position.tenant, *row, position.digest),
    )


def put_audit(db: Connection[Any], rows: Sequence[Mapping[str, Json]]) -> None:
    """Adds rows that were written elsewhere inside an open transaction, sealed to those of their tenants."""
    positions = hold_all(db, {tenant_of(row["namespace"]) for row in rows})
    for row in rows:
        position, at = positions[tenant_of(row["namespace"])], datetime.fromisoformat(row["at"])
        append_audit(db, position, at, row["actor"], row["action"], row["namespace"], row["ids"], row["note"])
    for position in positions.values():
        position.write(db)


def read_audit(db: Connection[Any], after: int, limit: int) -> list[Mapping[str, Json]]:
    """Rows of every tenant after a number, in the order they were written."""
    rows = db.execute(
        "select number, at, actor, action, namespace, ids, note, digest from audit where number > %s "
        "order by number limit %s",
        (after, max(limit, 0)),
    )
    return [audit_from(row, text_of) for row in rows]


def broken_seals(db: Connection[Any]) -> Iterator[str]:
    """What is wrong with the chain of each tenant, from its first row to the last that was counted."""
    counted = dict(_pairs(db.execute("select tenant, audit, digest from position")))
    expected, before, of = 1, "", ""
    rows = db.execute(f"select tenant, {_COLUMNS}, digest from audit order by tenant, seq")
    ends: dict[str, tuple[int, str]] = {}
    for tenant, *cells, digest in rows:
        if tenant != of:
            expected, before, of = 1, "", tenant
        if cells[0] != expected:
            yield f"{tenant}: {chain_break(expected, cells[0])}"
        if seal(before, [text_of(c) if isinstance(c, str) else c for c in cells]) != digest:
            yield f"{tenant}: audit row {cells[0]} was altered, or a row before it"
        expected, before = cells[0] + 1, digest
        ends[tenant] = (cells[0], digest)
    for tenant, end in counted.items():
        found = ends.get(tenant, (0, ""))
        if found != end:
            yield f"{tenant}: the audit ends at row {found[0]}; {end[0]} rows were written"


def _pairs(rows: Any) -> Iterator[tuple[str, tuple[int, str]]]:
    for tenant, number, digest in rows:
        yield tenant, (number, digest)
