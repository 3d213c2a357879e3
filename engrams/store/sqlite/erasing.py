"""Erase: events go, and with them everything that rests on them (`supports` says what that is).

When the current version of an engram goes and an earlier one stays, that one is current again. Indexes learn of every
version that went or changed.
"""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from engrams.records import LEARNT, Deletion, EventId, Scope
from engrams.store.cells import receipt_from
from engrams.store.rules import first_event
from engrams.store.sqlite.auditing import append_audit
from engrams.store.sqlite.cells import text_cell, text_of, time_cell
from engrams.store.sqlite.conditions import namespace_clause
from engrams.store.sqlite.jobs import forget_errors
from engrams.store.sqlite.schema import OPEN
from engrams.store.sqlite.writing import Position, chosen, look_up_first
from engrams.store.supports import Version, erase_note, follow, require_all, why_digest, without

#: What lies under the row of a version besides the version itself, in an order in which it can be removed.
_OF_A_ROW = ("sources", "vectors", "recalls", "contents")
#: What `reset` empties, in an order in which it can be removed. The audit stays: it holds no text.
_EMPTIED = (
    "links",
    "vectors",
    "recalls",
    "sources",
    "contents",
    "engrams",
    "receipts",
    "events",
    "tombstones",
    "models",
    "settings",
    "jobs",
    "spent",
    "writers",
)


class _Questions:
    """What `supports` asks."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def said_about(self, ids: Collection[str]) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = {}
        for target, id in chosen(self._db, "select target, id from events where target in ({})", ids):
            found.setdefault(text_of(target), set()).add(text_of(id))
        return found

    def notes_about(self, ids: Collection[str]) -> set[str]:
        sql = "select id from events where target in ({}) and kind != 'message'"
        return {text_of(id) for (id,) in chosen(self._db, sql, ids)}

    def resting_on(self, ids: Collection[str]) -> set[str]:
        of_row = "select e.id from contents c join engrams e on e.ns = c.ns and e.row = c.row where"
        by_source = f"{of_row} c.row in (select row from sources where source in ({{}}))"
        by_event = f"{of_row} c.event_id in ({{}})"
        return {text_of(id) for sql in (by_source, by_event) for (id,) in chosen(self._db, sql, ids)}

    def versions(self, ids: Collection[str]) -> Mapping[str, Sequence[Version]]:
        sql = (
            "select e.row, e.ns, e.id, c.event_id, e.kind, e.version from engrams e join contents c on c.row = e.row "
            "where e.id in ({})"
        )
        found: dict[str, list[Version]] = {}
        for row, ns, id, event, kind, _ in sorted(chosen(self._db, sql, ids), key=lambda each: each[5]):
            named = self._db.execute("select source from sources where row = ? order by ordinal", (row,))
            sources = tuple(text_of(source) for (source,) in named)
            version = Version(row, ns, text_of(id), text_of(event), sources, kind in LEARNT)
            found.setdefault(version.id, []).append(version)
        return found


def erase(
    db: sqlite3.Connection, scope: Scope, events: Sequence[EventId], *, actor: str, at: datetime, reason: str
) -> Deletion:
    """Erases events of the scope inside an open transaction.

    Raises:
        NotFound: an id that is no event of the scope.
    """
    asked = list(dict.fromkeys(events))
    _require_inside(db, scope, asked)
    doomed, touched = follow(asked, _Questions(db))
    position = Position.read(db)
    for version in doomed.versions.values():
        _remove_version(db, position, version.place, version.row)
    links = 0
    for id in doomed.engrams:
        links += db.execute(
            "delete from links where source = :id or target = :id", {"id": text_cell(id)}
        ).rowcount
    for version in touched.values():
        if version.row not in doomed.versions:
            _keep_without(db, position, version, doomed.gone)
    _open_latest(db, position, {v.id for v in doomed.versions.values()} - doomed.engrams)
    _blur_receipts(db, set(doomed.events))
    _remove_events(db, doomed.events, at, reason)
    position.write(db)
    deletion = doomed.deletion(links)
    append_audit(db, at, actor, "erase", scope.namespace, list(doomed.events), erase_note(deletion))
    return deletion


def drop_engrams(db: sqlite3.Connection, writer: str) -> int:
    """Removes every version of a writer inside an open transaction, and the links of its engrams."""
    position = Position.read(db)
    rows = db.execute("select ns, row, id from engrams where recipe = ?", (writer,)).fetchall()
    for ns, row, id in rows:
        db.execute("delete from links where source = :id or target = :id", {"id": id})
        _remove_version(db, position, ns, row)
    position.write(db)
    return len(rows)


def _remove_version(db: sqlite3.Connection, position: Position, ns: int, row: int) -> None:
    for table in _OF_A_ROW:
        db.execute(f"delete from {table} where row = ?", (row,))
    db.execute("delete from engrams where ns = ? and row = ?", (ns, row))
    _note(db, position, ns, row, None)


def reset(db: sqlite3.Connection, at: datetime) -> None:
    """Empties the store inside an open transaction; numbers go on, so that every index sees that its rows are gone."""
    position = Position.read(db)
    db.execute(
        "insert into changes select ? + row_number() over (order by row), ns, row, null from engrams",
        (position.change,),
    )
    position.change += int(db.execute("select count(*) from engrams").fetchone()[0])
    position.change += 1  # also where there was no engram: the journal changed
    db.execute("insert or ignore into tombstones select id, ns, ?, '' from events", (time_cell(at),))
    for table in _EMPTIED:
        db.execute(f"delete from {table}")
    position.write(db)
    append_audit(db, at, "store", "reset", "*", [], "everything")


def _require_inside(db: sqlite3.Connection, scope: Scope, asked: Sequence[str]) -> None:
    clause, params = namespace_clause(scope, "ns")
    for name in ("agent_id", "run_id", "session"):
        if getattr(scope, name) is not None:
            clause, params = f"{clause} and {name} = ?", [*params, text_cell(getattr(scope, name))]
    found = {
        text_of(id)
        for id in asked
        if db.execute(f"select 1 from events where id = ? and {clause}", (text_cell(id), *params)).fetchone()
    }
    require_all(asked, found, scope.namespace)


def _note(db: sqlite3.Connection, position: Position, ns: int, row: int, closed: int | None) -> None:
    position.change += 1
    db.execute("insert into changes values (?, ?, ?, ?)", (position.change, ns, row, closed))


def _keep_without(db: sqlite3.Connection, position: Position, version: Version, gone: set[str]) -> None:
    """Takes the sources that are gone from a version that stays, and gives it a new row."""
    left = without(version.sources, gone)
    if left == version.sources:
        return
    row = version.row
    db.execute("delete from sources where row = ?", (row,))
    db.executemany(
        "insert into sources values (?, ?, ?)", [(row, at, text_cell(s)) for at, s in enumerate(left)]
    )
    first = first_event(version.id, left, (), {}, lambda id: look_up_first(db, id))
    db.execute(
        "update engrams set event = ? where ns = ? and row = ?", (text_cell(first), version.place, row)
    )
    _note(db, position, version.place, row, OPEN)


def _open_latest(db: sqlite3.Connection, position: Position, ids: Iterable[str]) -> None:
    """The latest version that is left is the current one."""
    for id in ids:
        ns, row, closed = db.execute(
            "select ns, row, closed_at from engrams where id = ? order by version desc limit 1",
            (text_cell(id),),
        ).fetchone()
        if closed != OPEN:
            db.execute("update engrams set closed_at = ? where ns = ? and row = ?", (OPEN, ns, row))
            _note(db, position, ns, row, OPEN)


def _blur_receipts(db: sqlite3.Connection, events: set[str]) -> None:
    """Drops the digest of what was asked where it speaks of erased events: a short text could be guessed from it.

    Without it, the key still answers with the first receipt.
    """
    spaces = {ns for (ns,) in chosen(db, "select distinct ns from events where id in ({})", events)}
    for ns in spaces:
        held = db.execute(
            "select key, receipt from receipts where ns = ? and digest is not null", (ns,)
        ).fetchall()
        keys = [(ns, key) for key, receipt in held if events & set(receipt_from(text_of(receipt)).event_ids)]
        db.executemany("update receipts set digest = null where ns = ? and key = ?", keys)


def _remove_events(db: sqlite3.Connection, events: Iterable[str], at: datetime, reason: str) -> None:
    why = why_digest(reason)
    for id in events:
        cell = text_cell(id)
        db.execute(
            "insert into tombstones select id, ns, ?, ? from events where id = ?", (time_cell(at), why, cell)
        )
        db.execute("delete from events where id = ?", (cell,))
        forget_errors(db, id)
