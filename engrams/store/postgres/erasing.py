"""Erase: events go, and with them everything that rests on them (`supports` says what that is).

When the current version of an engram goes and an earlier one stays, that one is current again. Indexes learn of every
version that went or changed.
"""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

from engrams.records import LEARNT, Deletion, EventId, Scope
from engrams.store.cells import OPEN, json_text, time_cell
from engrams.store.postgres.auditing import append_audit
from engrams.store.postgres.cells import ANY, tenant_of, text_of
from engrams.store.postgres.conditions import of_scope
from engrams.store.postgres.inserting import insert
from engrams.store.postgres.jobs import forget_errors
from engrams.store.postgres.positions import Position, hold, hold_all
from engrams.store.postgres.schema import TABLES
from engrams.store.postgres.settings import set_setting
from engrams.store.postgres.writing import look_up_first
from engrams.store.rules import first_event
from engrams.store.supports import Version, erase_note, follow, require_all, why_digest, without

#: What lies under the row of a version, the version itself at last, in an order in which it can be removed.
_OF_A_ROW = ("sources", "vectors", "recalls", "contents", "engrams")
#: What an erase may leave dead rows in.
TOUCHED = ("links", *_OF_A_ROW, "receipts", "jobs", "events", "payload_parts", "payloads")
#: The setting that notes an erase whose dead rows may still lie in the tables.
UNFINISHED = "erase:unfinished"
#: What `reset` leaves: what is noted for indexes, and the audit, which holds no text.
_KEPT = ("changes", "audit")


class _Questions:
    """What `supports` asks, of one tenant."""

    def __init__(self, db: Connection[Any], tenant: str) -> None:
        self._db, self._tenant = db, tenant

    def _ask(self, sql: str, ids: Collection[str]) -> list[tuple[Any, ...]]:
        params = {"tenant": self._tenant, "ids": sorted(ids)}
        rows = self._db.execute(sql, params).fetchall()
        return [tuple(text_of(c) if isinstance(c, str) else c for c in row) for row in rows]

    def said_about(self, ids: Collection[str]) -> Mapping[str, set[str]]:
        sql = "select target, id from events where tenant = %(tenant)s and target = any(%(ids)s::text[])"
        found: dict[str, set[str]] = {}
        for target, id in self._ask(sql, ids):
            found.setdefault(target, set()).add(id)
        return found

    def notes_about(self, ids: Collection[str]) -> set[str]:
        sql = "select id from events where tenant = %(tenant)s and target = any(%(ids)s::text[]) and kind <> 'message'"
        return {id for (id,) in self._ask(sql, ids)}

    def resting_on(self, ids: Collection[str]) -> set[str]:
        of_row = 'join engrams e on e.tenant = x.tenant and e."row" = x."row" where x.tenant = %(tenant)s'
        sql = (
            f"select e.id from sources x {of_row} and x.source = any(%(ids)s::text[]) "
            f"union select e.id from contents x {of_row} and x.event_id = any(%(ids)s::text[])"
        )
        return {id for (id,) in self._ask(sql, ids)}

    def versions(self, ids: Collection[str]) -> Mapping[str, Sequence[Version]]:
        sql = (
            'select e."row", e.namespace, e.id, c.event_id, e.kind, array(select s.source from sources s '
            'where s.tenant = e.tenant and s."row" = e."row" order by s.ordinal) '
            'from engrams e join contents c on c.tenant = e.tenant and c."row" = e."row" '
            "where e.tenant = %(tenant)s and e.id = any(%(ids)s::text[]) order by e.id, e.version"
        )
        found: dict[str, list[Version]] = {}
        for row, namespace, id, event, kind, sources in self._ask(sql, ids):
            named = tuple(text_of(source) for source in sources)
            found.setdefault(id, []).append(Version(row, namespace, id, event, named, kind in LEARNT))
        return found


def erase(
    db: Connection[Any], scope: Scope, events: Sequence[EventId], *, actor: str, at: datetime, reason: str
) -> Deletion:
    """Erases events of the scope inside an open transaction.

    Raises:
        NotFound: an id that is no event of the scope.
    """
    tenant = tenant_of(scope.namespace)
    position = hold(db, tenant)
    asked = list(dict.fromkeys(events))
    inside = of_scope(scope, "v")
    rows = db.execute(
        f"select v.id from events v where v.id = any(%s::text[]) and {inside.sql}", (asked, *inside.params)
    )
    require_all(asked, {text_of(id) for (id,) in rows}, scope.namespace)
    doomed, touched = follow(asked, _Questions(db, tenant))
    changes: list[tuple[str, int, int | None]] = [(v.place, v.row, None) for v in doomed.versions.values()]
    links = _remove_versions(db, tenant, list(doomed.versions), sorted(doomed.engrams))
    for version in touched.values():
        if version.row not in doomed.versions and _keep_without(db, tenant, version, doomed.gone):
            changes.append((version.place, version.row, OPEN))
    changes += _open_latest(db, tenant, {v.id for v in doomed.versions.values()} - doomed.engrams)
    _note(db, position, changes)
    _remove_events(db, tenant, list(doomed.events), at, reason)
    deletion = doomed.deletion(links)
    append_audit(db, position, at, actor, "erase", scope.namespace, list(doomed.events), erase_note(deletion))
    position.write(db)
    # In this transaction: a kill before the dead rows are out leaves word of them. The last erase's note stands for all
    # before it, whose dead rows go with its own.
    set_setting(db, UNFINISHED, deletion.digest)
    return deletion


def drop_engrams(db: Connection[Any], writer: str) -> int:
    """Removes every version of a writer inside an open transaction, and the links of its engrams."""
    tenants = db.execute("select distinct tenant from engrams where recipe = %s", [writer]).fetchall()
    gone = 0
    for tenant, position in hold_all(db, [tenant for (tenant,) in tenants]).items():
        rows = db.execute(
            'select namespace, "row", id from engrams where tenant = %s and recipe = %s order by "row"',
            (tenant, writer),
        ).fetchall()
        _remove_versions(db, tenant, [row for _, row, _ in rows], sorted({text_of(id) for _, _, id in rows}))
        _note(db, position, [(namespace, row, None) for namespace, row, _ in rows])
        position.write(db)
        gone += len(rows)
    return gone


def _remove_versions(db: Connection[Any], tenant: str, rows: list[int], engrams: list[str]) -> int:
    """Removes versions, and the links of engrams none of whose versions is left; how many links."""
    for table in _OF_A_ROW:
        db.execute(f'delete from {table} where tenant = %s and "row" = any(%s::bigint[])', (tenant, rows))
    return db.execute(
        "delete from links where tenant = %(tenant)s and (source = any(%(ids)s::text[]) or target = any(%(ids)s::text[]))",
        {"tenant": tenant, "ids": engrams},
    ).rowcount


def _note(db: Connection[Any], position: Position, changes: Iterable[tuple[str, int, int | None]]) -> None:
    rows = [(position.tenant, place, position.next_change(), row, closed) for place, row, closed in changes]
    insert(db, 'changes (tenant, namespace, change, "row", closed_at)', rows)


def _keep_without(db: Connection[Any], tenant: str, version: Version, gone: set[str]) -> bool:
    """Takes the sources that are gone from a version that stays; False where it named none."""
    left = without(version.sources, gone)
    if left == version.sources:
        return False
    db.execute('delete from sources where tenant = %s and "row" = %s', (tenant, version.row))
    insert(
        db,
        'sources (tenant, namespace, "row", ordinal, source)',
        [(tenant, version.place, version.row, at, source) for at, source in enumerate(left)],
    )
    first = first_event(version.id, left, (), {}, lambda id: look_up_first(db, id))
    db.execute('update engrams set event = %s where tenant = %s and "row" = %s', (first, tenant, version.row))
    return True


def _open_latest(db: Connection[Any], tenant: str, ids: Collection[str]) -> list[tuple[str, int, int | None]]:
    """The latest version that is left is the current one."""
    rows = db.execute(
        "update engrams set closed_at = %(open)s where tenant = %(tenant)s and closed_at <> %(open)s and (id, version) in ("
        "select id, max(version) from engrams where tenant = %(tenant)s and id = any(%(ids)s::text[]) group by id) "
        'returning namespace, "row"',
        {"open": OPEN, "tenant": tenant, "ids": sorted(ids)},
    ).fetchall()
    return [(namespace, row, OPEN) for namespace, row in rows]


def _remove_events(db: Connection[Any], tenant: str, ids: list[str], at: datetime, reason: str) -> None:
    db.execute(
        "insert into tombstones (tenant, namespace, id, at, reason) "
        "select tenant, namespace, id, %s, %s from events where tenant = %s and id = any(%s::text[])",
        (time_cell(at), why_digest(reason), tenant, ids),
    )
    # A digest of what was asked could be guessed from; without it, the key still answers with the first receipt.
    for id in ids:
        db.execute(
            "update receipts set digest = null where tenant = %s and digest is not null and strpos(receipt, %s) > 0",
            (tenant, json_text(id)),
        )
    forget_errors(db, tenant, ids)
    db.execute("delete from events where tenant = %s and id = any(%s::text[])", (tenant, ids))


def reset(db: Connection[Any], at: datetime) -> None:
    """Empties the store inside an open transaction; numbers go on, so that every index sees that its rows are gone."""
    tenants = [tenant for (tenant,) in db.execute("select tenant from position where number is not null")]
    positions = hold_all(db, {*tenants, ANY})
    for tenant in tenants:
        position = positions[tenant]
        rows = db.execute(
            'select namespace, "row" from engrams where tenant = %s order by "row"', [tenant]
        ).fetchall()
        _note(db, position, [(namespace, row, None) for namespace, row in rows])
        position.change += 1  # also where there was no engram: the journal changed
    db.execute(
        "insert into tombstones (tenant, namespace, id, at, reason) select tenant, namespace, id, %s, '' from events "
        "on conflict do nothing",
        [time_cell(at)],
    )
    for table in TABLES:
        if table not in _KEPT:
            db.execute(f"delete from {table}")
    for table in ("settings", "writers", "spent"):
        db.execute(f"delete from {table}")
    append_audit(db, positions[ANY], at, "store", "reset", "*", [], "everything")
    for position in positions.values():
        position.write(db)
    set_setting(db, UNFINISHED, f"reset {time_cell(at)}")
