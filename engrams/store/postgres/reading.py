"""Queries that give records back."""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from psycopg import Connection

from engrams.filters import fields_of
from engrams.ports import Int64, Where
from engrams.records import LEARNT, Engram, EngramId, Event, EventId, Link, Revision, Row, Scope, Stats
from engrams.store.cells import OPEN, mapping_from, time_of_or_none
from engrams.store.postgres.cells import ROWS_OF_A_TENANT, path_cell, tenant_of, text_of
from engrams.store.postgres.conditions import Condition, of_engrams, of_events, of_scope
from engrams.store.rows import engram_from, event_from, links_from, revisions_from

T = TypeVar("T")

EVENT_COLUMNS = (
    "v.id, v.namespace, v.content, v.role, v.occurred_at, v.recorded_at, v.kind, v.speaker, v.session, v.agent_id, "
    "v.run_id, v.metadata, v.attachments, v.source, v.target, v.thread"
)
_ENGRAM = (
    "e.id, e.namespace, e.recipe, e.kind, c.content, e.occurred_at, e.recorded_at, "
    '(select json_agg(s.source order by s.ordinal)::text from sources s where s.tenant = e.tenant and s."row" = e."row"), '
    "c.keys, c.payload, e.valid_from, e.valid_to, e.state, e.version, c.strength, r.count, r.last, c.confidence, "
    "e.pinned, e.role, e.speaker, e.session, e.agent_id, e.run_id, e.thread, c.metadata"
)
_CONTENTS = 'join contents c on c.tenant = e.tenant and c."row" = e."row"'
_JOINED = f'{_CONTENTS} left join recalls r on r.tenant = e.tenant and r."row" = e."row"'
_FIELDS = (
    "e.role, e.speaker, e.session, e.kind, e.occurred_at, e.recorded_at, e.agent_id, e.run_id, e.namespace"
)
_NAMES = [each.removeprefix("e.") for each in _FIELDS.split(", ")]
#: Rows looked through at once where SQL lets more through than hold.
LOOKED_THROUGH = 2_000


def events(db: Connection[Any], ids: Sequence[str]) -> dict[str, Event]:
    """Events by id, in the order asked."""
    rows = db.execute(f"select {EVENT_COLUMNS} from events v where v.id = any(%s::text[])", [list(ids)])
    found = {event.id: event for event in (event_from(row, text_of) for row in rows)}
    return {id: found[EventId(id)] for id in ids if id in found}


def erased(db: Connection[Any], ids: Sequence[str]) -> set[str]:
    """Those of the ids under which a tombstone stands."""
    return {
        text_of(id)
        for (id,) in db.execute("select id from tombstones where id = any(%s::text[])", [list(ids)])
    }


def about(db: Connection[Any], targets: Sequence[str]) -> dict[str, list[Event]]:
    """What people said about these ids, oldest first."""
    rows = db.execute(
        f"select {EVENT_COLUMNS} from events v where v.target = any(%s::text[]) and v.kind <> 'message' "
        "order by v.tenant, v.seq",
        [list(targets)],
    )
    found: dict[str, list[Event]] = {}
    for row in rows:
        event = event_from(row, text_of)
        found.setdefault(str(event.target), []).append(event)
    return found


def _paged(
    fetch: Callable[[int, int], list[Sequence[Any]]], keep: Callable[[Sequence[Any]], T | None], after: int, limit: int,
    loose: bool,
) -> list[tuple[int, T]]:  # fmt: skip
    """Rows, numbers first, until `limit` are kept; where SQL is exact, that is one query."""
    found: list[tuple[int, T]] = []
    while len(found) < limit:
        wanted = max(limit - len(found), LOOKED_THROUGH) if loose else limit
        rows = fetch(after, wanted)
        for row in rows:
            kept = keep(row)
            if kept is not None and len(found) < limit:
                found.append((row[0], kept))
        if len(rows) < wanted:
            break
        after = rows[-1][0]
    return found


def journal(
    db: Connection[Any],
    scope: Scope,
    where: Where,
    kinds: tuple[str, ...] | None,
    after: int,
    limit: int,
    newest_first: bool,
) -> list[tuple[int, Event]]:
    """One page of the journal."""
    made = of_events(scope, where, kinds)
    order, sign = ("desc", "<") if newest_first else ("asc", ">")

    def fetch(after: int, limit: int) -> list[Sequence[Any]]:
        beyond, params = (f"and v.seq {sign} %s", [after]) if after or not newest_first else ("", [])
        sql = f"select v.seq, {EVENT_COLUMNS} from events v where {made.sql} {beyond} order by v.seq {order} limit %s"
        return list(db.execute(sql, (*made.params, *params, limit)))

    def keep(row: Sequence[Any]) -> Event | None:
        event = event_from(row[1:], text_of)
        return event if made.tree is None or made.holds(fields_of(event)) else None

    return _paged(fetch, keep, after, limit, made.tree is not None)


def engrams(db: Connection[Any], ids: Sequence[str]) -> dict[str, Engram]:
    """Current versions by id, in the order asked."""
    sql = f"select {_ENGRAM} from engrams e {_JOINED} where e.id = any(%s::text[]) and e.closed_at = %s"
    rows = db.execute(sql, (list(ids), OPEN))
    found = {engram.id: engram for engram in (engram_from(row, text_of) for row in rows)}
    return {id: found[EngramId(id)] for id in ids if id in found}


def engrams_at(db: Connection[Any], rows: Sequence[Row]) -> list[Engram]:
    """Engram versions by row, in the order asked."""
    asked = [int(row) for row in rows]
    numbers = sorted({row // ROWS_OF_A_TENANT for row in asked})
    found_tenants = db.execute("select tenant from position where number = any(%s::bigint[])", [numbers])
    given = {"tenants": [tenant for (tenant,) in found_tenants], "rows": asked}
    # Said of both tables: before the server's first ANALYZE it would else read all of one for each row of the other.
    sql = (
        f'select e."row", {_ENGRAM} from engrams e {_JOINED} '
        'where e.tenant = any(%(tenants)s::text[]) and e."row" = any(%(rows)s::bigint[]) '
        'and c.tenant = any(%(tenants)s::text[]) and c."row" = any(%(rows)s::bigint[])'
    )
    found = {row[0]: row[1:] for row in db.execute(sql, given)}
    return [engram_from(found[row], text_of) for row in asked if row in found]


def list_engrams(
    db: Connection[Any], scope: Scope, where: Where, after: int, limit: int
) -> list[tuple[Row, Engram]]:
    """One page of engram versions by row."""
    made = of_engrams(scope, where)

    def fetch(after: int, limit: int) -> list[Sequence[Any]]:
        sql = (
            f'select e."row", {_ENGRAM} from engrams e {_JOINED} where {made.sql} and e."row" > %s '
            'order by e."row" limit %s'
        )
        return list(db.execute(sql, (*made.params, after, limit)))

    def keep(row: Sequence[Any]) -> Engram | None:
        engram = engram_from(row[1:], text_of)
        return engram if made.tree is None or made.holds(fields_of(engram)) else None

    return [(Row(row), g) for row, g in _paged(fetch, keep, after, limit, made.tree is not None)]


def matching(db: Connection[Any], scope: Scope, where: Where) -> Int64:
    """Rows of the engram versions that hold, ascending."""
    made = of_engrams(scope, where)
    contents = _CONTENTS if made.reads_contents else ""
    columns = (
        'e."row"'
        + ("" if made.tree is None else f", {_FIELDS}")
        + (", c.metadata" if made.reads_contents else "")
    )
    rows = db.execute(f"select {columns} from engrams e {contents} where {made.sql}", made.params).fetchall()
    if made.tree is not None:
        rows = [row for row in rows if _row_holds(made, row)]
    found = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    found.sort()
    return found


def _row_holds(made: Condition, row: Sequence[Any]) -> bool:
    fields = {
        name: text_of(cell) if isinstance(cell, str) else cell
        for name, cell in zip(_NAMES, row[1:], strict=False)
    }
    metadata = mapping_from(text_of(row[-1])) if made.reads_contents else {}
    return made.holds({**fields, "metadata": metadata})


def without_vector(db: Connection[Any], fingerprint: str, after: int, limit: int) -> list[tuple[Row, Engram]]:
    """Active versions without a vector of an embedder, by row."""
    sql = (
        f'select e."row", {_ENGRAM} from engrams e {_JOINED} where e."row" > %s and e.state = \'active\' '
        f"and e.kind not in {LEARNT} "
        'and not exists (select 1 from vectors d where d.tenant = e.tenant and d."row" = e."row" and d.fingerprint = %s) '
        'order by e."row" limit %s'
    )
    return [
        (Row(row[0]), engram_from(row[1:], text_of)) for row in db.execute(sql, (after, fingerprint, limit))
    ]


def version(db: Connection[Any], id: str, number: int) -> Engram | None:
    """One version of an engram."""
    sql = f"select {_ENGRAM} from engrams e {_JOINED} where e.id = %s and e.version = %s"
    row = db.execute(sql, (id, number)).fetchone()
    return None if row is None else engram_from(row, text_of)


def versions(db: Connection[Any], id: str) -> list[Revision]:
    """Every version of an engram, or of all that name an event as source, oldest first."""
    sql = (
        "select e.id, e.version, e.recorded_at, e.state, c.content, c.change, c.actor, c.reason, c.event_id, c.metadata "
        f"from engrams e {_CONTENTS} where e.id = %(id)s "
        "or not exists (select 1 from engrams where id = %(id)s) and (e.tenant, e.id) in ("
        'select s.tenant, s.id from sources o join engrams s on s.tenant = o.tenant and s."row" = o."row" '
        'where o.source = %(id)s) order by e."row"'
    )
    return revisions_from(db.execute(sql, {"id": id}).fetchall(), text_of)


def derived_from(db: Connection[Any], ids: Sequence[str], with_payload: bool) -> list[EngramId]:
    """Engrams whose current version names one of these as a source, by row."""
    carrying = f"{_CONTENTS} and c.payload is not null" if with_payload else ""
    sql = (
        f'select e."row", e.id from sources s join engrams e on e.tenant = s.tenant and e."row" = s."row" {carrying} '
        "where s.source = any(%s::text[]) and e.closed_at = %s"
    )
    rows = sorted(db.execute(sql, (list(ids), OPEN)).fetchall())
    return list(dict.fromkeys(EngramId(text_of(id)) for _, id in rows))


def links(db: Connection[Any], ids: Sequence[str]) -> list[Link]:
    """Links that touch one of these engrams, each once, by the first rows of both ends, the later first."""
    first = '(select min(e."row") from engrams e where e.tenant = l.tenant and e.id = l.{})'
    rows = db.execute(
        f"select {first.format('source')}, {first.format('target')}, source, target, relation, weight, recipe from links l "
        "where source = any(%(ids)s::text[]) or target = any(%(ids)s::text[])",
        {"ids": list(ids)},
    )
    return links_from(rows, text_of)


def stats(db: Connection[Any], scope: Scope | None, size: int, writer: str | None = None) -> Stats:
    """Counts inside a scope, or of everything; engrams are counted by their current versions."""

    def one(sql: str, made: Condition) -> Any:
        found = db.execute(f"{sql} where {made.sql}", made.params).fetchone()
        assert found is not None
        return found

    def inside(alias: str) -> Condition:
        return Condition() if scope is None else of_scope(scope, alias)

    message = "case when v.kind = 'message' then v.occurred_at end"
    count, spaces, sessions, first, last = one(
        "select count(*), count(distinct v.namespace), count(distinct (v.namespace, v.session)) "
        f"filter (where v.session is not null), min({message}), max({message}) from events v",
        inside("v"),
    )
    here = inside("e")
    here.add("e.closed_at = %s", OPEN)
    if writer is not None:
        here.add("e.recipe = %s", writer)
    kinds = {
        text_of(kind): number
        for kind, number in db.execute(
            f"select e.kind, count(*) from engrams e where {here.sql} group by e.kind", here.params
        )
    }
    path = None if scope is None else Scope(scope.namespace)
    joined = one("select count(*) from links l", Condition() if path is None else of_scope(path, "l"))[0]
    return Stats(
        events=count,
        engrams=sum(kinds.values()),
        links=joined,
        namespaces=spaces,
        sessions=sessions,
        bytes=size,
        kinds=kinds,
        first=time_of_or_none(first),
        last=time_of_or_none(last),
    )


def size_of(db: Connection[Any], schema: str) -> int:
    """Bytes on disk of the memory's tables, indexes and long texts."""
    found = db.execute(
        "select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint from pg_class c "
        "where c.relnamespace = to_regnamespace(%s) and c.relkind = 'r'",
        [schema],
    ).fetchone()
    return int(found[0]) if found else 0


def namespaces(db: Connection[Any]) -> list[str]:
    """Paths under which something lies, sorted."""
    here = "where x.tenant = n.tenant and x.namespace = n.namespace"
    rows = db.execute(
        f"select namespace from namespaces n where exists (select 1 from events x {here}) "
        f"or exists (select 1 from engrams x {here}) order by namespace"
    )
    return [path for (path,) in rows]


def known_sources(db: Connection[Any], namespace: str, sources: Sequence[str]) -> set[str]:
    """Those of the values that an event of the namespace names as where it came from."""
    path = path_cell(namespace)
    rows = db.execute(
        "select v.source from unnest(%s::text[]) a(source) join events v on v.tenant = %s and v.namespace = %s "
        "and md5(v.source) = md5(a.source) and v.source = a.source",
        (list(sources), tenant_of(path), path),
    )
    return {text_of(source) for (source,) in rows}


def touch(db: Connection[Any], rows: Sequence[Row], at: int) -> None:
    """Counts a recall of each row that still is there."""
    asked = sorted({int(row) for row in rows})
    counts = [sum(int(row) == each for row in rows) for each in asked]
    numbers = sorted({row // ROWS_OF_A_TENANT for row in asked})
    db.execute(
        'insert into recalls (tenant, namespace, "row", count, last) '
        'select e.tenant, e.namespace, e."row", a.count, %(at)s '
        'from unnest(%(rows)s::bigint[], %(counts)s::bigint[]) a("row", count) '
        'join engrams e on e."row" = a."row" '
        "join position p on p.tenant = e.tenant and p.number = any(%(numbers)s::bigint[]) "
        'order by e.tenant, e."row" '
        'on conflict (tenant, "row") do update set count = recalls.count + excluded.count, '
        "last = greatest(recalls.last, excluded.last)",
        {"at": at, "rows": asked, "counts": counts, "numbers": numbers},
    )
