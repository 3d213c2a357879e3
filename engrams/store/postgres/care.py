"""Upkeep: checking, and taking dead rows out."""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import sleep
from typing import Any

import psycopg
from psycopg import Connection, sql
from psycopg import errors as pg

from engrams.errors import Denied
from engrams.records import Problem
from engrams.store.cells import OPEN
from engrams.store.postgres.auditing import broken_seals
from engrams.store.postgres.cells import ROWS_OF_A_TENANT, text_of
from engrams.store.postgres.connections import ROLE
from engrams.store.postgres.schema import CURRENT, MIGRATIONS, SHARED, SPREAD
from engrams.store.rules import finding

_RESTORE = "restore the latest backup, or export what can be read and restore that into a new memory"
_REBUILD = "rebuild the engrams from the journal"
_RIGHTS = "an administrator gives them again; see docs/postgres.md, Rights"

_NO_ENGRAM = 'where not exists (select 1 from engrams e where e.tenant = x.tenant and e."row" = x."row")'
#: What must not exist: (what is wrong, what mends it, a query of names).
_ORPHANS: tuple[tuple[str, str, str], ...] = (
    (
        "engram without contents",
        _REBUILD,
        "select e.id from engrams e where not exists "
        '(select 1 from contents c where c.tenant = e.tenant and c."row" = e."row" and c.namespace = e.namespace)',
    ),
    ("contents without an engram", _REBUILD, f'select x."row"::text from contents x {_NO_ENGRAM}'),
    ("vector without an engram", _REBUILD, f'select x."row"::text from vectors x {_NO_ENGRAM}'),
    (
        "engram with more than one current version",
        _REBUILD,
        f"select id from engrams where closed_at = {OPEN} group by tenant, id having count(*) > 1",
    ),
    (
        "index entry whose terms and counts differ in number",
        _REBUILD,
        "select id from engrams where length(terms) <> 4 * length(counts) or length(pieces) %% 2 <> 0",
    ),
    (
        "engram whose source is gone",
        _REBUILD,
        'select e.id from sources s join engrams e on e.tenant = s.tenant and e."row" = s."row" '
        "where not exists (select 1 from events v where v.tenant = s.tenant and v.id = s.source) "
        "and not exists (select 1 from engrams g where g.tenant = s.tenant and g.id = s.source)",
    ),
    (
        "link with an end that is gone",
        _REBUILD,
        "select l.source || ' -> ' || l.target from links l "
        "where not exists (select 1 from engrams e where e.tenant = l.tenant and e.id = l.source) "
        "or not exists (select 1 from engrams e where e.tenant = l.tenant and e.id = l.target)",
    ),
    (
        "erased event that is still in the journal",
        "erase it again",
        "select v.id from events v join tombstones t on t.tenant = v.tenant and t.id = v.id",
    ),
    (
        "row outside its tenant",
        _RESTORE,
        "select e.id from engrams e where split_part(e.namespace, '/', 1) <> e.tenant "
        "union all select v.id from events v where split_part(v.namespace, '/', 1) <> v.tenant",
    ),
    (
        "counters behind the rows",
        _RESTORE,
        "select p.tenant from position p where p.number is not null and ("
        "p.event < (select coalesce(max(seq), 0) from events v where v.tenant = p.tenant) or "
        f"p.number * {ROWS_OF_A_TENANT} + p.engram < "
        '(select coalesce(max("row"), 0) from engrams e where e.tenant = p.tenant))',
    ),
)


def problems(db: Connection[Any], schema: str) -> list[Problem]:
    """Everything that is wrong with the memory; nothing is changed."""
    return list(_problems(db, schema))


def _problems(db: Connection[Any], schema: str) -> Iterator[Problem]:
    for what, mend, query in _ORPHANS:
        names = [str(text_of(row[0])) for row in db.execute(query.replace("%%", "%"), prepare=False)]
        if names:
            yield finding(what, mend, names)
    for broken in broken_seals(db):
        yield Problem(
            broken, "the record of who did what cannot be trusted from there on; compare with a backup"
        )
    ran = [tuple(row) for row in db.execute("select version, name from migrations order by version")]
    if ran != [(m.version, m.name) for m in MIGRATIONS if m.version <= CURRENT]:
        yield Problem(f"the migrations on record are {ran}", _RESTORE)
    yield from _rights(db, schema)


def _rights(db: Connection[Any], schema: str) -> Iterator[Problem]:
    rows = db.execute(
        "select c.relname, c.relrowsecurity and c.relforcerowsecurity, pg_has_role(%s, c.relowner, 'usage') "
        "from pg_class c where c.relnamespace = to_regnamespace(%s) and c.relkind in ('r', 'p')",
        [ROLE, schema],
    ).fetchall()
    found = {name: (guarded, owned) for name, guarded, owned in rows}
    for name in (*SPREAD, *SHARED):
        guarded, owned = found.get(name, (False, False))
        if not guarded:
            yield Problem(f"row-level security is not forced on {name}", _RIGHTS)
        if owned:
            yield Problem(f"{ROLE} owns {name}", _RIGHTS)
    role = db.execute("select rolsuper or rolbypassrls from pg_roles where rolname = %s", [ROLE]).fetchone()
    if role is None or role[0]:
        yield Problem(f"{ROLE} is a superuser or passes row-level security by", _RIGHTS)


#: What PostgreSQL 14 to 18 say of rows that an older snapshot may still need.
_NOT_YET = re.compile(r"(\d+) (?:are dead but not yet removable|dead row versions cannot be removed yet)")


#: Seconds an erase waits for others who hold a table.
SCRUB_WAIT = 1.0
#: Seconds between further tries where an older snapshot is in use: most are over at once, such as those of a short
#: query elsewhere in the database or of the server's own analyzing; a long one leaves the erase pending.
SNAPSHOT_PAUSES = (0.05, 0.1, 0.2)
#: Bytes of tables that opening a memory takes dead rows out of: about a second. Larger ones wait for a job or `vacuum`.
MOST_AT_ONCE = 256 * 2**20


@contextmanager
def _listening(db: Connection[Any], wait: float) -> Iterator[list[str]]:
    """What the server says during a block in which statements wait so many seconds for locks."""
    said: list[str] = []

    def listen(notice: psycopg.errors.Diagnostic) -> None:
        said.append(f"{notice.severity_nonlocalized} {notice.message_primary} {notice.message_detail or ''}")

    db.execute(f"set lock_timeout = {max(int(wait * 1000), 1)}")
    db.add_notice_handler(listen)
    try:
        yield said
    finally:
        db.remove_notice_handler(listen)
        if not db.closed:
            db.execute("reset lock_timeout")


def _all_gone(said: Sequence[str], tables: int) -> bool:
    """Whether the server took every dead row out of so many tables, by what it said."""
    counts = [int(count) for each in said for count in _NOT_YET.findall(each)]
    return len(counts) >= tables and not any(counts)


def scrub(db: Connection[Any], schema: str, tables: Sequence[str], wait: float) -> bool:
    """Takes the dead rows of these tables out; False where some may be left: others still read the old state, or
    this user may not do it. With `wait` 0 it tries once."""
    names = sql.SQL(", ").join([sql.Identifier(schema, table) for table in tables])
    for pause in (*(SNAPSHOT_PAUSES if wait else ()), None):
        with _listening(db, wait) as said:
            try:
                db.execute(sql.SQL("vacuum (verbose) {}").format(names), prepare=False)
            except (
                pg.LockNotAvailable,
                pg.InsufficientPrivilege,
                pg.QueryCanceled,
                pg.ReadOnlySqlTransaction,
            ):
                return False
        if any(each.startswith("WARNING") for each in said):
            return False
        if _all_gone(said, len(tables)):
            return True
        if pause is not None:
            sleep(pause)
    return False


def vacuum(db: Connection[Any], schema: str, wait: float) -> bool:
    """Writes every table anew, without what was erased; others wait meanwhile. False where an older snapshot is in use.

    Raises:
        Denied: this user does not own a table, so that it stays as it is.
    """
    tables = (*SPREAD, "settings")
    with _listening(db, wait) as said:
        for table in tables:
            named = sql.Identifier(schema, table)
            db.execute(sql.SQL("vacuum (full, verbose, analyze) {}").format(named), prepare=False)
    refused = [each.removeprefix("WARNING ").strip() for each in said if each.startswith("WARNING")]
    if refused:
        raise Denied(f"this user may not write the tables anew ({refused[0]}); see docs/postgres.md, Rights")
    return _all_gone(said, len(tables))
