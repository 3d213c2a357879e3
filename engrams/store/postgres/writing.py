"""Commit: everything one add brings, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import Connection
from psycopg import errors as pg

from engrams.ports import Commit, Entry
from engrams.records import Change, Engram, Event, EventId, Receipt
from engrams.store.cells import (
    OPEN,
    attachment_rows,
    id_cell,
    json_or_none,
    payload_row,
    receipt_from,
    receipt_row,
    time_cell,
    time_or_none,
)
from engrams.store.postgres.auditing import append_audit
from engrams.store.postgres.cells import Vector, path_cell, tenant_of, text_of
from engrams.store.postgres.connections import Sight
from engrams.store.postgres.inserting import Cells, insert
from engrams.store.postgres.jobs import advance, put
from engrams.store.postgres.positions import Position, hold_all
from engrams.store.postgres.settings import require_settings
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

_EVENTS = (
    "tenant, namespace, seq, id, kind, role, speaker, session, agent_id, run_id, thread, occurred_at, recorded_at, "
    "content, metadata, attachments, source, target"
)
_ENGRAMS = (
    'tenant, namespace, "row", id, version, event, thread, session, agent_id, run_id, speaker, role, kind, recipe, state, '
    "pinned, occurred_at, recorded_at, closed_at, valid_from, valid_to, length, flags, terms, counts, pieces"
)
_CONTENTS = (
    'tenant, namespace, "row", content, keys, payload, metadata, strength, confidence, change, actor, reason, '
    "event_id"
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Cells made before the tenant is locked, each behind its path; numbers come first when they are known."""

    paths: frozenset[str]
    events: list[tuple[str, Cells]]
    engrams: list[tuple[str, Cells, Cells, Engram, Entry]]

    @property
    def tenants(self) -> set[str]:
        """The tenants that are written to."""
        return {tenant_of(path) for path in self.paths}

    @property
    def sight(self) -> Sight:
        """As little as the transaction must see: its tenant, since sources and links may lie beside the path."""
        tenants = self.tenants
        return Sight.of_tenant(tenants.pop() if len(tenants) == 1 else "*")


def prepare(change: Commit) -> Prepared:
    """Turns records into cells.

    Raises:
        BadSetting: something that could not be read back as it was.
    """
    events = [(path_cell(event.namespace), event_cells(event)) for event in change.events]
    engrams = [
        (
            path_cell(g.namespace),
            head_cells(g, entry),
            content_cells(g, how, change.actor, reason, event),
            g,
            entry,
        )
        for g, entry, how, reason, event in every_version(change)
    ]
    paths = {path_cell(change.receipt.namespace), *(path for path, _ in events), *(row[0] for row in engrams)}
    paths |= {path_cell(job.namespace) for job in change.jobs}
    return Prepared(frozenset(paths), events, engrams)


def commit(db: Connection[Any], change: Commit, prepared: Prepared) -> Receipt:
    """Writes a commit inside an open transaction and returns its receipt, or the first one of the same key.

    Raises:
        Busy: somebody else changed what this commit builds on.
        BadSetting: an idempotency key that stands for something else.
        UsageError, NotFound: ids that exist already, were erased, or do not exist.
    """
    positions = hold_all(db, prepared.tenants)
    namespace = change.receipt.namespace
    home = positions[tenant_of(namespace)]
    if change.idempotency is not None:
        first = first_receipt(db, namespace, *change.idempotency)
        if first is not None:
            return first
    require_settings(db, change.settings)
    insert(
        db,
        "namespaces (tenant, namespace)",
        [(tenant_of(path), path) for path in sorted(prepared.paths)],
        "on conflict do nothing",
    )
    if change.events:
        before = {tenant: position.event for tenant, position in positions.items()}
        _write_events(db, change.events, prepared, positions)
        for tenant, position in positions.items():
            if change.writer is not None and position.event > before[tenant]:
                advance(db, change.writer, tenant, before[tenant], position.event)
    if change.jobs:
        put(db, change.jobs)
    if prepared.engrams:
        _require_versions(db, change)
        _close_revised(db, change, positions)
        _write_engrams(db, change, prepared, positions)
    if change.links:
        _write_links(db, change)
    if change.idempotency is not None:
        key, digest = change.idempotency
        receipt = json_or_none(receipt_row(change.receipt), "receipt")
        insert(
            db,
            "receipts (tenant, namespace, key, digest, receipt)",
            [(home.tenant, namespace, key, digest, receipt)],
        )
    if change.audited:
        ids, note = audit_note(change)
        append_audit(db, home, change.recorded_at, change.actor, change.action, namespace, ids, note)
    for position in positions.values():
        position.write(db)
    return change.receipt


def first_receipt(db: Connection[Any], namespace: str, key: str, digest: str) -> Receipt | None:
    """The receipt that stands under an idempotency key; None where there is none.

    Raises:
        BadSetting: the key stands for something else.
    """
    path = path_cell(namespace)
    row = db.execute(
        "select digest, receipt from receipts where tenant = %s and namespace = %s and key = %s",
        (tenant_of(path), path, key),
    ).fetchone()
    if row is None:
        return None
    if row[0] is not None and row[0] != digest:
        raise key_taken(key)
    return receipt_from(text_of(row[1]))


def event_cells(e: Event) -> Cells:
    """What the journal keeps of an event, from its kind on."""
    return (
        e.kind,
        e.role,
        e.speaker,
        e.session,
        e.agent_id,
        e.run_id,
        e.thread,
        time_cell(e.occurred_at, "occurred_at"),
        time_cell(e.recorded_at, "recorded_at"),
        e.content,
        json_or_none(e.metadata, "metadata"),
        json_or_none(attachment_rows(e.attachments), "attachments"),
        e.source,
        e.target,
    )


def head_cells(g: Engram, entry: Entry, closed_at: int = OPEN) -> Cells:
    """What filters and the index read of a version, from its thread on."""
    return (
        g.thread,
        g.session,
        g.agent_id,
        g.run_id,
        g.speaker,
        g.role,
        g.kind,
        g.recipe,
        g.state,
        g.pinned,
        time_cell(g.occurred_at, "occurred_at"),
        time_cell(g.recorded_at, "recorded_at"),
        closed_at,
        time_or_none(g.valid_from, "valid_from"),
        time_or_none(g.valid_to, "valid_to"),
        entry.length,
        entry.flags,
        *array_cells(entry),
    )


def content_cells(g: Engram, change: Change, actor: str, reason: str, event: EventId | None) -> Cells:
    """What only people and models read of a version, and how it came about."""
    return (
        g.content,
        json_or_none(g.keys and list(g.keys), "keys"),
        json_or_none(payload_row(g.payload), "payload"),
        json_or_none(g.metadata, "metadata"),
        g.strength,
        g.confidence,
        change,
        actor,
        reason,
        event,
    )


def _write_events(
    db: Connection[Any], events: Sequence[Event], prepared: Prepared, positions: dict[str, Position]
) -> None:
    ids = [id_cell(event.id) for event in events]
    erased = db.execute("select id from tombstones where id = any(%s::text[]) limit 1", [ids]).fetchone()
    if erased:
        raise was_erased(text_of(erased[0]))
    rows = []
    for id, (path, cells) in zip(ids, prepared.events, strict=True):
        position = positions[tenant_of(path)]
        position.event += 1
        rows.append((position.tenant, path, position.event, id, *cells))
    try:
        insert(db, f"events ({_EVENTS})", rows)
    except pg.UniqueViolation as error:
        raise written_once(error.diag.message_detail) from error


def _require_versions(db: Connection[Any], change: Commit) -> None:
    """New engrams are new, revised ones build on what is current."""
    new = require_new(change)
    if new:
        made = db.execute(
            "select id from engrams where id = any(%s::text[]) limit 1", [sorted(new)]
        ).fetchone()
        if made:
            raise made_meanwhile(text_of(made[0]))
    if change.revised:
        ids = sorted({r.engram.id for r in change.revised})
        rows = db.execute(
            "select id, max(version) from engrams where id = any(%s::text[]) group by id", [ids]
        ).fetchall()
        require_next(change.revised, {text_of(id): version for id, version in rows}, replayed=change.replayed)


def _close_revised(db: Connection[Any], change: Commit, positions: dict[str, Position]) -> None:
    changes = []
    for each in change.revised:
        # Never before it began, also when the clock went backwards: then the version was current for no time at all.
        standing = db.execute(
            "update engrams set closed_at = greatest(recorded_at, %s) where id = %s and closed_at = %s "
            'returning tenant, namespace, "row", closed_at',
            (time_cell(each.engram.recorded_at), each.engram.id, OPEN),
        ).fetchone()
        if standing is None and change.replayed:
            continue  # the first version that is brought back
        tenant, namespace, row, closed = standing or _none_open(each.engram.id)
        changes.append((tenant, namespace, positions[tenant].next_change(), row, closed))
    insert(db, 'changes (tenant, namespace, change, "row", closed_at)', changes)


def _none_open(id: str) -> Any:
    raise psycopg.DataError(f"engram {id} has versions, and none of them is current")


def _write_engrams(
    db: Connection[Any], change: Commit, prepared: Prepared, positions: dict[str, Position]
) -> None:
    here: set[str] = {event.id for event in change.events}
    first_events: dict[str, str] = {}
    heads: list[Cells] = []
    contents: list[Cells] = []
    sources: list[Cells] = []
    recalls: list[Cells] = []
    vectors: list[Cells] = []
    for path, head, content, engram, entry in prepared.engrams:
        position = positions[tenant_of(path)]
        place = (position.tenant, path, position.next_row())
        first = first_event(engram.id, engram.sources, here, first_events, lambda id: look_up_first(db, id))
        first_events[engram.id] = first
        heads.append((*place, id_cell(engram.id), engram.version, first, *head))
        contents.append((*place, *content))
        sources.extend((*place, at, id_cell(source, "source")) for at, source in enumerate(engram.sources))
        if engram.recall_count or engram.last_recalled_at is not None:
            last = time_or_none(engram.last_recalled_at, "last_recalled_at")
            recalls.append((*place, engram.recall_count, last))
        vectors.extend((*place, name, Vector(vector)) for name, vector in entry.vectors.items())
    write_versions(db, heads, contents, sources, recalls, vectors)


def write_versions(
    db: Connection[Any],
    heads: Sequence[Cells],
    contents: Sequence[Cells],
    sources: Sequence[Cells],
    recalls: Sequence[Cells],
    vectors: Sequence[Cells],
) -> None:
    """The rows of engram versions, each behind (tenant, namespace, row)."""
    insert(db, f"engrams ({_ENGRAMS})", heads)
    insert(db, f"contents ({_CONTENTS})", contents)
    insert(db, 'sources (tenant, namespace, "row", ordinal, source)', sources)
    insert(db, 'recalls (tenant, namespace, "row", count, last)', recalls)
    insert(db, 'vectors (tenant, namespace, "row", fingerprint, vector)', vectors)


def look_up_first(db: Connection[Any], id: str) -> str | None:
    """The id itself where it is an event, the first event of the engram where it is one, else None."""
    if db.execute("select 1 from events where id = %s", [id]).fetchone():
        return id
    row = db.execute("select event from engrams where id = %s order by version desc limit 1", [id]).fetchone()
    return None if row is None else str(text_of(row[0]))


def _write_links(db: Connection[Any], change: Commit) -> None:
    ends = sorted({end for link in change.links for end in (link.source, link.target)})
    rows = db.execute(
        "select id, tenant, namespace from engrams where id = any(%s::text[])", [ends]
    ).fetchall()
    found = {text_of(id): (tenant, namespace) for id, tenant, namespace in rows}
    require_ends(change.links, found)
    insert(
        db,
        "links (tenant, namespace, source, target, relation, recipe, weight)",
        [
            (*found[link.source], link.source, link.target, link.relation, link.recipe, link.weight)
            for link in change.links
        ],
        "on conflict (tenant, source, target, relation, recipe) do update set weight = excluded.weight",
    )
