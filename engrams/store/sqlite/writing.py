"""Commit: everything one add brings, in one transaction."""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from engrams.ports import Commit, Entry, Revised
from engrams.records import Change, Engram, Event, EventId, Link, Receipt
from engrams.store.cells import receipt_from, receipt_row
from engrams.store.rules import (
    array_cells,
    audit_note,
    every_version,
    first_event,
    key_taken,
    made_meanwhile,
    require_ends,
    require_new,
    require_next,
    was_erased,
    written_once,
)
from engrams.store.sqlite.auditing import append_audit
from engrams.store.sqlite.cells import (
    attachments_cell,
    id_cell,
    json_cell,
    path_cell,
    payload_cell,
    text_cell,
    text_of,
    time_cell,
    time_or_none,
)
from engrams.store.sqlite.jobs import advance, put
from engrams.store.sqlite.schema import OPEN
from engrams.store.sqlite.settings import model_number, require_settings

#: Ids in one `in (…)` list; well below SQLite's 32,766 parameters.
IDS_AT_ONCE = 1_000


@dataclass(slots=True)
class Position:
    """The counters of the file, read at the start of a transaction and written at its end."""

    event: int
    engram: int
    change: int

    @classmethod
    def read(cls, db: sqlite3.Connection) -> Position:
        """The counters as they stand."""
        return cls(*db.execute("select event, engram, change from position").fetchone())

    def write(self, db: sqlite3.Connection) -> None:
        """Keeps the counters."""
        db.execute(
            "update position set event = ?, engram = ?, change = ?", (self.event, self.engram, self.change)
        )


@dataclass(frozen=True, slots=True)
class Prepared:
    """Cells made before the lock is taken; the namespace's number and the row number come first when they are known."""

    events: list[tuple[str, tuple[Any, ...]]]
    engrams: list[tuple[str, tuple[Any, ...], tuple[Any, ...], Engram, Entry]]


def prepare(change: Commit) -> Prepared:
    """Turns records into cells.

    Raises:
        BadSetting: something that could not be read back as it was.
    """
    return Prepared(
        events=[(path_cell(event.namespace), _event_cells(event)) for event in change.events],
        engrams=[
            (
                path_cell(g.namespace),
                _head_cells(g, entry),
                _content_cells(g, how, change.actor, reason, event),
                g,
                entry,
            )
            for g, entry, how, reason, event in every_version(change)
        ],
    )


def commit(db: sqlite3.Connection, change: Commit, prepared: Prepared) -> Receipt:
    """Writes a commit inside an open transaction and returns its receipt, or the first one of the same key.

    Raises:
        Busy: somebody else changed what this commit builds on.
        BadSetting: an idempotency key that stands for something else.
        UsageError, NotFound: ids that exist already, were erased, or do not exist.
    """
    spaces = _namespaces(db, change, prepared)
    if change.idempotency is not None:
        first = first_receipt(db, change.receipt.namespace, *change.idempotency)
        if first is not None:
            return first
    require_settings(db, change.settings)
    position = Position.read(db)
    if change.events:
        before = position.event
        _write_events(db, change.events, prepared, spaces, position)
        if change.writer is not None:
            advance(db, change.writer, before, position.event)
    if change.jobs:
        put(db, change.jobs)
    if prepared.engrams:
        _require_versions(db, change)
        _close_revised(db, change.revised, position, replayed=change.replayed)
        _write_engrams(db, change, prepared, spaces, position)
    if change.links:
        _write_links(db, change)
    position.write(db)
    if change.idempotency is not None:
        key, digest = change.idempotency
        receipt = json_cell(receipt_row(change.receipt), "receipt")
        row = (spaces[change.receipt.namespace], text_cell(key), digest, receipt)
        db.execute("insert into receipts values (?, ?, ?, ?)", row)
    if not change.audited:
        return change.receipt
    ids, note = audit_note(change)
    append_audit(db, change.recorded_at, change.actor, change.action, change.receipt.namespace, ids, note)
    return change.receipt


def chosen(db: sqlite3.Connection, sql: str, ids: Iterable[str]) -> list[tuple[Any, ...]]:
    """The rows of a query with one `in ({})` list, for any number of ids."""
    cells = [text_cell(each) for each in dict.fromkeys(ids)]
    rows: list[tuple[Any, ...]] = []
    for start in range(0, len(cells), IDS_AT_ONCE):
        part = cells[start : start + IDS_AT_ONCE]
        rows += db.execute(sql.format(", ".join("?" * len(part))), part).fetchall()
    return rows


def _namespaces(db: sqlite3.Connection, change: Commit, prepared: Prepared) -> dict[str, int]:
    paths = {path_cell(change.receipt.namespace)}
    paths.update(path for path, _ in prepared.events)
    paths.update(path for path, *_ in prepared.engrams)
    found: dict[str, int] = {}
    for path in sorted(paths):
        row = db.execute("select ns from namespaces where path = ?", (path,)).fetchone()
        if row is None:
            sql = "insert into namespaces select ifnull(max(ns), 0) + 1, ? from namespaces"
            db.execute(sql, (path,))
            row = db.execute("select ns from namespaces where path = ?", (path,)).fetchone()
        found[path] = row[0]
    return found


def first_receipt(db: sqlite3.Connection, namespace: str, key: str, digest: str) -> Receipt | None:
    """The receipt that stands under an idempotency key; None where there is none.

    Raises:
        BadSetting: the key stands for something else.
    """
    sql = "select digest, receipt from receipts join namespaces using (ns) where path = ? and key = ?"
    row = db.execute(sql, (path_cell(namespace), text_cell(key))).fetchone()
    if row is None:
        return None
    if row[0] is not None and row[0] != digest:
        raise key_taken(key)
    return receipt_from(text_of(row[1]))


def _event_cells(e: Event) -> tuple[Any, ...]:
    return (
        e.kind,
        text_cell(e.role),
        text_cell(e.speaker),
        text_cell(e.session),
        text_cell(e.agent_id),
        text_cell(e.run_id),
        text_cell(e.thread),
        time_cell(e.occurred_at, "occurred_at"),
        time_cell(e.recorded_at, "recorded_at"),
        text_cell(e.content),
        json_cell(e.metadata, "metadata"),
        attachments_cell(e.attachments),
        text_cell(e.source),
        text_cell(e.target),
    )


def _head_cells(g: Engram, entry: Entry) -> tuple[Any, ...]:
    return (
        text_cell(g.thread),
        text_cell(g.session),
        text_cell(g.agent_id),
        text_cell(g.run_id),
        text_cell(g.speaker),
        text_cell(g.role),
        g.kind,
        g.recipe,
        g.state,
        int(g.pinned),
        time_cell(g.occurred_at, "occurred_at"),
        time_cell(g.recorded_at, "recorded_at"),
        OPEN,
        time_or_none(g.valid_from, "valid_from"),
        time_or_none(g.valid_to, "valid_to"),
        entry.length,
        entry.flags,
        *array_cells(entry),
    )


def _content_cells(
    g: Engram, change: Change, actor: str, reason: str, event: EventId | None
) -> tuple[Any, ...]:
    return (
        text_cell(g.content),
        json_cell(g.keys and list(g.keys), "keys"),
        payload_cell(g.payload),
        json_cell(g.metadata, "metadata"),
        g.strength,
        g.confidence,
        change,
        text_cell(actor),
        text_cell(reason),
        text_cell(event),
    )


def _write_events(
    db: sqlite3.Connection,
    events: Sequence[Event],
    prepared: Prepared,
    spaces: dict[str, int],
    position: Position,
) -> None:
    ids = [event.id for event in events]
    erased = chosen(db, "select id from tombstones where id in ({})", ids)
    if erased:
        raise was_erased(text_of(erased[0][0]))
    rows = [
        (position.event + number, id_cell(id), spaces[path], *cells)
        for number, (id, (path, cells)) in enumerate(zip(ids, prepared.events, strict=True), 1)
    ]
    try:
        db.executemany(f"insert into events values ({', '.join('?' * 17)})", rows)
    except sqlite3.IntegrityError as error:
        raise written_once(error) from error
    position.event += len(rows)


def _require_versions(db: sqlite3.Connection, change: Commit) -> None:
    """New engrams are new, revised ones build on what is current."""
    made = chosen(db, "select id from engrams where id in ({}) limit 1", require_new(change))
    if made:
        raise made_meanwhile(text_of(made[0][0]))
    if change.revised:
        sql = "select id, max(version) from engrams where id in ({}) group by id"
        asked = [r.engram.id for r in change.revised]
        found = {text_of(id): version for id, version in chosen(db, sql, asked)}
        require_next(change.revised, found, replayed=change.replayed)


def _close_revised(
    db: sqlite3.Connection, revised: Sequence[Revised], position: Position, *, replayed: bool
) -> None:
    for each in revised:
        standing = db.execute(
            "select ns, row, recorded_at from engrams where id = ? and closed_at = ?",
            (text_cell(each.engram.id), OPEN),
        ).fetchone()
        if standing is None and replayed:
            continue  # the first version that is brought back
        ns, row, began = standing
        # Never before it began, also when the clock went backwards: then the version was current for no time at all.
        closed = max(began, time_cell(each.engram.recorded_at))
        db.execute("update engrams set closed_at = ? where ns = ? and row = ?", (closed, ns, row))
        position.change += 1
        db.execute("insert into changes values (?, ?, ?, ?)", (position.change, ns, row, closed))


def _write_engrams(
    db: sqlite3.Connection, change: Commit, prepared: Prepared, spaces: dict[str, int], position: Position
) -> None:
    here: set[str] = {event.id for event in change.events}
    first_events: dict[str, str] = {}
    heads: list[tuple[Any, ...]] = []
    contents: list[tuple[Any, ...]] = []
    sources: list[tuple[int, int, str]] = []
    recalls: list[tuple[int, int, int | None]] = []
    vectors: list[tuple[int, int, int, bytes]] = []
    row = position.engram
    for path, head, content, engram, entry in prepared.engrams:
        row += 1
        ns = spaces[path]
        first = first_event(engram.id, engram.sources, here, first_events, lambda id: look_up_first(db, id))
        first_events[engram.id] = first
        heads.append((ns, row, id_cell(engram.id), engram.version, first, *head))
        contents.append((row, ns, *content))
        sources.extend((row, at, id_cell(source, "source")) for at, source in enumerate(engram.sources))
        if engram.recall_count or engram.last_recalled_at is not None:
            recalls.append(
                (row, engram.recall_count, time_or_none(engram.last_recalled_at, "last_recalled_at"))
            )
        for fingerprint, vector in entry.vectors.items():
            vectors.append((ns, row, model_number(db, fingerprint), np.asarray(vector, "<f4").tobytes()))
    db.executemany(f"insert into contents values ({', '.join('?' * 12)})", contents)
    db.executemany(f"insert into engrams values ({', '.join('?' * 25)})", heads)
    db.executemany("insert into sources values (?, ?, ?)", sources)
    if recalls:
        db.executemany("insert into recalls values (?, ?, ?)", recalls)
    if vectors:
        db.executemany("insert into vectors values (?, ?, ?, ?)", vectors)
    position.engram = row


def look_up_first(db: sqlite3.Connection, id: str) -> str | None:
    """The id itself where it is an event, the first event of the engram where it is one, else None."""
    cell = text_cell(id)
    if db.execute("select 1 from events where id = ?", (cell,)).fetchone():
        return id
    row = db.execute(
        "select event from engrams where id = ? order by version desc limit 1", (cell,)
    ).fetchone()
    return None if row is None else str(text_of(row[0]))


def _write_links(db: sqlite3.Connection, change: Commit) -> None:
    ends = {end for link in change.links for end in (link.source, link.target)}
    found = {text_of(id): ns for id, ns in chosen(db, "select id, ns from engrams where id in ({})", ends)}
    require_ends(change.links, found)
    db.executemany(
        "insert into links values (?, ?, ?, ?, ?, ?) "
        "on conflict (source, target, relation, recipe) do update set weight = excluded.weight",
        [_link_cells(link, found[link.source]) for link in change.links],
    )


def _link_cells(link: Link, ns: int) -> tuple[Any, ...]:
    return (
        text_cell(link.source),
        text_cell(link.target),
        text_cell(link.relation),
        link.recipe,
        link.weight,
        ns,
    )
