"""Erase: events go, and with them everything that only they support.

A version goes when the event that brought it about goes, or when every source it rests on goes. What a person said
about an engram (a correction, a pin) is no support of that engram: it goes with it. A version of a scorer goes when any of
its sources goes, or a version before it. When the current version goes and
an earlier one stays, that one is current again. Indexes learn of every version that went or changed.
"""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from engrams.errors import NotFound
from engrams.records import SCORER, Deletion, EngramId, EventId, Scope
from engrams.store.sqlite.auditing import append_audit
from engrams.store.sqlite.cells import text_cell, text_of, time_cell
from engrams.store.sqlite.conditions import namespace_clause
from engrams.store.sqlite.jobs import forget_errors
from engrams.store.sqlite.schema import OPEN
from engrams.store.sqlite.writing import Position, chosen, first_event, receipt_of

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


@dataclass(slots=True)
class _Version:
    row: int
    ns: int
    id: str
    event: str | None
    sources: tuple[str, ...]
    learnt: bool = False  # of a scorer


@dataclass(slots=True)
class _Doomed:
    """What will go: grows until nothing more follows from it."""

    events: dict[str, None] = field(default_factory=dict)  # in the order found
    engrams: set[str] = field(default_factory=set)  # every version goes
    versions: dict[int, _Version] = field(default_factory=dict)


def erase(
    db: sqlite3.Connection, scope: Scope, events: Sequence[EventId], *, actor: str, at: datetime, reason: str
) -> Deletion:
    """Erases events of the scope inside an open transaction.

    Raises:
        NotFound: an id that is no event of the scope.
    """
    asked = list(dict.fromkeys(events))
    _require_inside(db, scope, asked)
    doomed = _Doomed(events=dict.fromkeys(asked))
    touched = _follow(db, doomed)
    position = Position.read(db)
    for version in doomed.versions.values():
        for table in _OF_A_ROW:
            db.execute(f"delete from {table} where row = ?", (version.row,))
        db.execute("delete from engrams where ns = ? and row = ?", (version.ns, version.row))
        _note(db, position, version.ns, version.row, None)
    links = 0
    for id in doomed.engrams:
        links += db.execute(
            "delete from links where source = :id or target = :id", {"id": text_cell(id)}
        ).rowcount
    for version in touched.values():
        if version.row not in doomed.versions:
            _keep_without(db, position, version, doomed.events.keys() | doomed.engrams)
    _open_latest(db, position, {v.id for v in doomed.versions.values()} - doomed.engrams)
    _blur_receipts(db, set(doomed.events))
    _remove_events(db, doomed.events, at, reason)
    position.write(db)
    gone = sorted(doomed.engrams)
    deletion = Deletion(
        events=tuple(EventId(id) for id in doomed.events),
        engrams=tuple(EngramId(id) for id in gone),
        links=links,
        digest=hashlib.sha256("\n".join([*sorted(doomed.events), *gone]).encode()).hexdigest(),
    )
    note = f"{len(deletion.events)} events, {len(gone)} engrams, {links} links; digest {deletion.digest}"
    append_audit(db, at, actor, "erase", scope.namespace, list(doomed.events), note)
    return deletion


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
    missing = [id for id in asked if id not in found]
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise NotFound(f"no event {shown} in {scope.namespace}; nothing was erased")


def _follow(db: sqlite3.Connection, doomed: _Doomed) -> dict[int, _Version]:
    """Fills `doomed` with everything that follows, and returns every version that names something doomed."""
    touched: dict[int, _Version] = {}
    fresh: set[str] = set(doomed.events)
    while fresh:
        said = chosen(db, "select id from events where target in ({}) and kind != 'message'", fresh)
        new_events = {text_of(id) for (id,) in said} - doomed.events.keys()
        doomed.events.update(dict.fromkeys(sorted(new_events)))
        ids = chosen(
            db,
            "select distinct e.id from contents c join engrams e on e.ns = c.ns and e.row = c.row "
            "where c.row in (select row from sources where source in ({}))",
            fresh | new_events,
        )
        ids += chosen(
            db,
            "select e.id from contents c join engrams e on e.ns = c.ns and e.row = c.row where c.event_id in ({})",
            fresh | new_events,
        )
        before = set(doomed.engrams)
        for id in {text_of(id) for (id,) in ids} - doomed.engrams:
            versions = _versions(db, id)
            touched.update((version.row, version) for version in versions)
            _judge(db, doomed, id, versions)
        fresh = (doomed.engrams - before) | new_events
    return touched


def _judge(db: sqlite3.Connection, doomed: _Doomed, id: str, versions: Sequence[_Version]) -> None:
    """Decides which versions of one engram go."""
    said = {
        text_of(event) for (event,) in db.execute("select id from events where target = ?", (text_cell(id),))
    }
    gone = doomed.events.keys() | doomed.engrams
    stays = 0
    floating = []
    for version in versions:
        support = [source for source in version.sources if source not in said]
        if version.learnt:
            lost = bool(doomed.versions.keys() & {v.row for v in versions}) or any(s in gone for s in support)
        else:
            lost = bool(support) and all(source in gone for source in support)
        if version.event in doomed.events or lost:
            doomed.versions[version.row] = version
        elif not support and version.sources:
            floating.append(version)
        else:
            stays += 1
    if not stays:  # nothing but what people said about what is gone
        doomed.versions.update((version.row, version) for version in floating)
        doomed.engrams.add(id)


def _versions(db: sqlite3.Connection, id: str) -> list[_Version]:
    rows = db.execute(
        "select e.row, e.ns, c.event_id, e.kind from engrams e join contents c on c.row = e.row where e.id = ? "
        "order by e.version",
        (text_cell(id),),
    ).fetchall()
    found = []
    for row, ns, event, kind in rows:
        sources = db.execute("select source from sources where row = ? order by ordinal", (row,)).fetchall()
        named = tuple(text_of(source) for (source,) in sources)
        found.append(_Version(row, ns, id, text_of(event), named, kind == SCORER))
    return found


def _note(db: sqlite3.Connection, position: Position, ns: int, row: int, closed: int | None) -> None:
    position.change += 1
    db.execute("insert into changes values (?, ?, ?, ?)", (position.change, ns, row, closed))


def _keep_without(db: sqlite3.Connection, position: Position, version: _Version, gone: set[str]) -> None:
    """Takes the sources that are gone from a version that stays, and gives it a new row."""
    left = tuple(source for source in version.sources if source not in gone)
    if left == version.sources:
        return
    row = version.row
    db.execute("delete from sources where row = ?", (row,))
    db.executemany(
        "insert into sources values (?, ?, ?)", [(row, at, text_cell(s)) for at, s in enumerate(left)]
    )
    first = first_event(db, version.id, left, set(), {})
    db.execute("update engrams set event = ? where ns = ? and row = ?", (text_cell(first), version.ns, row))
    _note(db, position, version.ns, row, OPEN)


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
        keys = [(ns, key) for key, receipt in held if events & set(receipt_of(receipt).event_ids)]
        db.executemany("update receipts set digest = null where ns = ? and key = ?", keys)


def _remove_events(db: sqlite3.Connection, events: Iterable[str], at: datetime, reason: str) -> None:
    why = hashlib.sha256(reason.encode("utf-8", "surrogatepass")).hexdigest() if reason else ""
    for id in events:
        cell = text_cell(id)
        db.execute(
            "insert into tombstones select id, ns, ?, ? from events where id = ?", (time_cell(at), why, cell)
        )
        db.execute("delete from events where id = ?", (cell,))
        forget_errors(db, id)
