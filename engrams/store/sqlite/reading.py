"""Queries that give records back."""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np

from engrams.ports import Int64, Where
from engrams.records import LEARNT, Engram, EngramId, Event, EventId, Link, Revision, Row, Scope, Stats
from engrams.store.cells import time_of_or_none
from engrams.store.rows import engram_from, event_from, links_from, revisions_from
from engrams.store.sqlite.cells import path_cell, text_cell, text_of
from engrams.store.sqlite.conditions import namespace_clause, of_engrams, of_events
from engrams.store.sqlite.schema import OPEN
from engrams.store.sqlite.writing import chosen

EVENT_COLUMNS = (
    "v.id, (select path from namespaces where ns = v.ns), v.content, v.role, v.occurred_at, v.recorded_at, v.kind, "
    "v.speaker, v.session, v.agent_id, v.run_id, v.metadata, v.attachments, v.source, v.target, v.thread"
)
_ENGRAM = (
    "e.id, (select path from namespaces where ns = e.ns), e.recipe, e.kind, c.content, e.occurred_at, e.recorded_at, "
    "(select json_group_array(source) from (select source from sources where row = e.row order by ordinal)), "
    "c.keys, c.payload, e.valid_from, e.valid_to, e.state, e.version, c.strength, r.count, r.last, c.confidence, "
    "e.pinned, e.role, e.speaker, e.session, e.agent_id, e.run_id, e.thread, c.metadata"
)
_JOINED = "join contents c on c.row = e.row left join recalls r on r.row = e.row"


def event_of(row: Sequence[Any]) -> Event:
    """An event of a row of `EVENT_COLUMNS`."""
    return event_from(row, text_of)


def _engram(row: Sequence[Any]) -> Engram:
    return engram_from(row, text_of)


def events(db: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Event]:
    """Events by id, in the order asked."""
    found = {
        e.id: e
        for e in map(event_of, chosen(db, f"select {EVENT_COLUMNS} from events v where v.id in ({{}})", ids))
    }
    return {id: found[EventId(id)] for id in ids if id in found}


def about(db: sqlite3.Connection, targets: Sequence[str]) -> dict[str, list[Event]]:
    """What people said about these ids, oldest first."""
    sql = f"select v.seq, {EVENT_COLUMNS} from events v where v.target in ({{}}) and v.kind != 'message'"
    found: dict[str, list[Event]] = {}
    for _, *row in sorted(chosen(db, sql, targets), key=lambda row: row[0]):
        event = event_of(row)
        found.setdefault(str(event.target), []).append(event)
    return found


def journal(
    db: sqlite3.Connection,
    scope: Scope,
    where: Where,
    kinds: tuple[str, ...] | None,
    after: int,
    limit: int,
    newest_first: bool,
) -> list[tuple[int, Event]]:
    """One page of the journal: numbers first, so that sorting carries no texts."""
    made = of_events(scope, where, kinds)
    order = "desc" if newest_first else "asc"
    if after or not newest_first:
        made.add("v.seq < ?" if newest_first else "v.seq > ?", after)
    numbers = f"select v.seq from events v where {made.sql} order by v.seq {order} limit ?"
    sql = f"select v.seq, {EVENT_COLUMNS} from events v where v.seq in ({numbers}) order by v.seq {order}"
    return [(row[0], event_of(row[1:])) for row in db.execute(sql, (*made.params, max(limit, 0)))]


def behind(db: sqlite3.Connection, writer: str, limit: int) -> list[tuple[int, Event]]:
    """Journal entries of every kind that a writer has not looked at, in their order."""
    sql = (
        f"select v.seq, {EVENT_COLUMNS} from events v where v.seq > "
        "ifnull((select through from writers where writer = ?), 0) order by v.seq limit ?"
    )
    return [(row[0], event_of(row[1:])) for row in db.execute(sql, (text_cell(writer), limit))]


def engrams(db: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Engram]:
    """Current versions by id, in the order asked."""
    sql = f"select {_ENGRAM} from engrams e {_JOINED} where e.id in ({{}}) and e.closed_at = {OPEN}"
    found = {g.id: g for g in map(_engram, chosen(db, sql, ids))}
    return {id: found[EngramId(id)] for id in ids if id in found}


def engrams_at(db: sqlite3.Connection, rows: Sequence[Row]) -> list[Engram]:
    """Engram versions by row, in the order asked."""
    sql = (
        f"select c.row, {_ENGRAM} from contents c join engrams e on e.ns = c.ns and e.row = c.row "
        "left join recalls r on r.row = c.row where c.row in (select value from json_each(?))"
    )
    found = {row[0]: row[1:] for row in db.execute(sql, (f"[{','.join(map(str, map(int, rows)))}]",))}
    return [_engram(found[int(row)]) for row in rows if int(row) in found]


def without_vector(
    db: sqlite3.Connection, fingerprint: str, after: int, limit: int
) -> list[tuple[Row, Engram]]:
    """Active versions without a vector of an embedder, by row."""
    sql = (
        "select c.row from contents c cross join engrams e on e.ns = c.ns and e.row = c.row "
        f"where c.row > ? and e.state = 'active' and e.kind not in {LEARNT} "
        "and not exists (select 1 from vectors v where v.ns = c.ns "
        "and v.row = c.row and v.model = (select model from models where fingerprint = ?)) order by c.row limit ?"
    )
    rows = [Row(row) for (row,) in db.execute(sql, (after, fingerprint, limit))]
    return list(zip(rows, engrams_at(db, rows), strict=True))


def list_engrams(
    db: sqlite3.Connection, scope: Scope, where: Where, after: int, limit: int
) -> list[tuple[Row, Engram]]:
    """One page of engram versions by row."""
    made = of_engrams(scope, where)
    contents = "join contents c on c.row = e.row" if made.reads_contents else ""
    rows = f"select e.row from engrams e {contents} where {made.sql} and e.row > ? order by e.row limit ?"
    numbers = [Row(row) for (row,) in db.execute(rows, (*made.params, after, max(limit, 0)))]
    return list(zip(numbers, engrams_at(db, numbers), strict=True))


def matching(db: sqlite3.Connection, scope: Scope, where: Where) -> Int64:
    """Rows of the engram versions that hold, ascending."""
    made = of_engrams(scope, where)
    contents = "join contents c on c.row = e.row" if made.reads_contents else ""
    found = db.execute(f"select e.row from engrams e {contents} where {made.sql}", made.params).fetchall()
    rows = np.fromiter((row for (row,) in found), np.int64, len(found))
    rows.sort()
    return rows


def version(db: sqlite3.Connection, id: str, number: int) -> Engram | None:
    """One version of an engram."""
    sql = "select row from engrams where id = ? and version = ?"
    found = engrams_at(db, [Row(row) for (row,) in db.execute(sql, (text_cell(id), number))])
    return found[0] if found else None


def versions(db: sqlite3.Connection, id: str) -> list[Revision]:
    """Every version of an engram, or of all that name an event as source, oldest first."""
    cell = text_cell(id)
    sql = (
        "select e.id, e.version, e.recorded_at, e.state, c.content, c.change, c.actor, c.reason, c.event_id, c.metadata "
        "from engrams e join contents c on c.row = e.row where e.id = :id "
        "or not exists (select 1 from engrams where id = :id) and e.id in ("
        "select s.id from sources join contents on contents.row = sources.row "
        "join engrams s on s.ns = contents.ns and s.row = contents.row where sources.source = :id) order by e.row"
    )
    return revisions_from(db.execute(sql, {"id": cell}).fetchall(), text_of)


def derived_from(db: sqlite3.Connection, ids: Sequence[str], with_payload: bool) -> list[EngramId]:
    """Engrams whose current version names one of these as a source, by row."""
    carrying = "and c.payload is not null" if with_payload else ""
    sql = (
        "select e.row, e.id from sources s join contents c on c.row = s.row "
        f"join engrams e on e.ns = c.ns and e.row = c.row where s.source in ({{}}) and e.closed_at = {OPEN} {carrying}"
    )
    return list(dict.fromkeys(EngramId(text_of(id)) for _, id in sorted(chosen(db, sql, ids))))


def links(db: sqlite3.Connection, ids: Sequence[str]) -> list[Link]:
    """Links that touch one of these engrams, each once, by the first rows of both ends, the later first."""
    columns = (
        "(select min(row) from engrams where id = source), (select min(row) from engrams where id = target), "
        "source, target, relation, weight, recipe"
    )
    rows = chosen(db, f"select {columns} from links where source in ({{}})", ids)
    rows += chosen(db, f"select {columns} from links where target in ({{}})", ids)
    return links_from(dict.fromkeys(rows), text_of)


def stats(db: sqlite3.Connection, scope: Scope | None, size: int, writer: str | None = None) -> Stats:
    """Counts inside a scope, or of everything; engrams are counted by their current versions."""

    def within(alias: str, fields: bool = True) -> tuple[str, list[Any]]:
        if scope is None:
            return "1", []
        clause, params = namespace_clause(scope, f"{alias}.ns")
        for name in ("agent_id", "run_id", "session") if fields else ():
            if getattr(scope, name) is not None:
                clause, params = (
                    f"{clause} and {alias}.{name} = ?",
                    [*params, text_cell(getattr(scope, name))],
                )
        return clause, params

    clause, params = within("v")
    journal_sql = (
        "select count(*), count(distinct v.ns), min(case when v.kind = 'message' then v.occurred_at end), "
        f"max(case when v.kind = 'message' then v.occurred_at end) from events v where {clause}"
    )
    count, spaces, first, last = db.execute(journal_sql, params).fetchone()
    named = f"select distinct v.ns, v.session from events v where {clause} and v.session is not null"
    sessions = db.execute(f"select count(*) from ({named})", params).fetchone()[0]
    clause, params = within("e")
    if writer is not None:
        clause, params = f"{clause} and e.recipe = ?", [*params, writer]
    kinds_sql = (
        f"select e.kind, count(*) from engrams e where {clause} and e.closed_at = {OPEN} group by e.kind"
    )
    kinds = dict(db.execute(kinds_sql, params).fetchall())
    clause, params = within("links", fields=False)
    joined = db.execute(f"select count(*) from links where {clause}", params).fetchone()[0]
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


def namespaces(db: sqlite3.Connection) -> list[str]:
    """Paths under which something lies, sorted."""
    sql = (
        "select path from namespaces n where exists (select 1 from events where ns = n.ns) "
        "or exists (select 1 from engrams where ns = n.ns) order by path"
    )
    return [path for (path,) in db.execute(sql)]


def known_sources(db: sqlite3.Connection, namespace: str, sources: Sequence[str]) -> set[str]:
    """Those of the values that an event of the namespace names as where it came from."""
    found = db.execute("select ns from namespaces where path = ?", (path_cell(namespace),)).fetchone()
    if found is None:
        return set()
    sql = f"select source from events where ns = {int(found[0])} and source in ({{}})"
    return {text_of(source) for (source,) in chosen(db, sql, sources)}


def touch(db: sqlite3.Connection, rows: Sequence[Row], at: int) -> None:
    """Counts a recall of each row that still is there."""
    db.executemany(
        "insert into recalls select row, 1, :at from contents where row = :row "
        "on conflict (row) do update set count = count + 1, last = max(ifnull(last, :at), :at)",
        [{"row": int(row), "at": at} for row in rows],
    )
