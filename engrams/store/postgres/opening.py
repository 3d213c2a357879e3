"""Opening a memory in PostgreSQL: extension, role and schema are made where this user may, then the migrations run."""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg import Connection, sql
from psycopg import errors as pg

from engrams.errors import Busy, Denied, NewerSchema, Unavailable
from engrams.store.postgres.address import Address
from engrams.store.postgres.connections import ROLE, Connections
from engrams.store.postgres.faults import in_our_words, while_connecting
from engrams.store.postgres.schema import CURRENT, MIGRATIONS

#: The oldest server the statements are written for (support by its makers ends in November 2026).
OLDEST_SERVER = 140_000
#: Seconds libpq tries to connect, at least; it counts anything below 2 as 2.
LEAST_TIMEOUT = 2


def open_connections(url: str, wait: float) -> Connections:
    """Connects, brings extension, role, schema and tables about, and returns the connections of the memory.

    Raises:
        BadSetting: no such address.
        Unavailable: no server, no database, or no pgvector on the server's machine.
        Denied: wrong name or password, or a right is lacking; the message has the commands for an administrator.
        NewerSchema: a later version of engrams wrote here.
        Busy: another process kept migrating for longer than the wait.
    """
    address = Address.parse(url)
    try:
        db = psycopg.connect(address.conninfo, autocommit=True, connect_timeout=max(int(wait), LEAST_TIMEOUT))
    except psycopg.Error as error:
        raise while_connecting(error, address.location) from None
    try:
        if db.info.server_version < OLDEST_SERVER:
            raise Unavailable(
                f"{address.location}: PostgreSQL {db.info.server_version // 10_000}; expected 14 or later"
            )
        db.execute(f"set lock_timeout = {max(int(wait * 1000), 1)}")
        db.execute("set client_min_messages = warning")
        if _schema_version(db, address) != CURRENT or not _may_act(db):
            _prepare(db, address)
        oid, place = _extension(db)
    except psycopg.Error as error:
        raise in_our_words(error, address.location) from error
    finally:
        db.close()
    path = sql.SQL("{}, {}").format(sql.Identifier(address.schema), sql.Identifier(place))
    return Connections(address, wait, oid, path.as_string(None))


def commands(address: Address, user: str) -> str:
    """What an administrator runs once, in the database, so that this user can do the rest."""
    return (
        "create extension if not exists vector; "
        f"create role {ROLE} nologin; "
        f'grant {ROLE} to "{user}"; '
        f'create schema if not exists {address.schema} authorization "{user}";'
    )


def _schema_version(db: Connection[Any], address: Address) -> int:
    """The number of the last migration that ran, 0 where none has.

    Raises:
        NewerSchema: it is one of a later version.
    """
    found = db.execute("select to_regclass(%s)", [f"{address.schema}.migrations"]).fetchone()
    if found is None or found[0] is None:
        return 0
    row = db.execute(f"select coalesce(max(version), 0) from {address.schema}.migrations").fetchone()
    version = int(row[0]) if row else 0
    if version > CURRENT:
        raise NewerSchema(
            f"{address.location}: written by a later engrams (schema {version}; this one knows {CURRENT}); "
            "upgrade: pip install --upgrade engrams"
        )
    return version


def _may_act(db: Connection[Any]) -> bool:
    """Whether this user may act as the role."""
    try:
        with db.transaction(
            force_rollback=True
        ):  # so that the role ends here, also inside another transaction
            db.execute(f"set local role {ROLE}")
    except (pg.InsufficientPrivilege, pg.UndefinedObject, pg.InvalidParameterValue):
        return False
    return True


def _prepare(db: Connection[Any], address: Address) -> None:
    """Makes what is missing, one process at a time."""
    user = db.info.user
    try:
        with db.transaction():
            # One at a time in this database, whoever they are: the key is the schema's name.
            db.execute("select pg_advisory_xact_lock(hashtext(%s))", [f"engrams:{address.schema}"])
            _make_extension(db)
            _make_role(db, user)
            if db.execute("select to_regnamespace(%s)", [address.schema]).fetchone() == (None,):
                db.execute(f"create schema {address.schema}")
            _migrate(db, address)
    except pg.InsufficientPrivilege as error:
        said = str(error).strip().split("\n")[0]
        raise Denied(
            f"{address.location}: user {user} may not set up a memory here ({said}); an administrator runs this once in "
            f"the database: {commands(address, user)}"
        ) from error
    except (pg.UndefinedFile, pg.FeatureNotSupported) as error:
        raise Unavailable(
            f"{address.location}: pgvector is not installed on the server's machine (Debian and Ubuntu with the "
            "PostgreSQL archive: apt install postgresql-18-pgvector; else https://github.com/pgvector/pgvector)"
        ) from error
    except pg.LockNotAvailable as error:
        raise Busy(f"{address.location}: another process is setting this memory up; try again") from error


def _make_extension(db: Connection[Any]) -> None:
    if db.execute("select 1 from pg_extension where extname = 'vector'").fetchone() is None:
        try:
            with db.transaction():
                db.execute("create extension if not exists vector")
        except pg.UniqueViolation:  # another schema's first opening was quicker
            return


def _make_role(db: Connection[Any], user: str) -> None:
    if db.execute("select 1 from pg_roles where rolname = %s", [ROLE]).fetchone() is None:
        try:
            with db.transaction():
                db.execute(f"create role {ROLE} nologin")
        except (pg.UniqueViolation, pg.DuplicateObject):  # another database of this server was quicker
            pass
    if not _may_act(db):
        db.execute(sql.SQL("grant {} to {}").format(sql.Identifier(ROLE), sql.Identifier(user)))


def _migrate(db: Connection[Any], address: Address) -> None:
    place = _extension(db)[1]
    path = sql.SQL("set local search_path = {}, {}")
    db.execute(path.format(sql.Identifier(address.schema), sql.Identifier(place)))
    done = _schema_version(db, address)
    for migration in MIGRATIONS:
        if migration.version > done:
            migration.apply(db, address.schema)
            row = (migration.version, migration.name, time.time_ns() // 1000)
            db.execute("insert into migrations values (%s, %s, %s)", row)


def _extension(db: Connection[Any]) -> tuple[int, str]:
    """The number of pgvector's type, and the schema it lies in."""
    found = db.execute(
        "select t.oid, n.nspname from pg_extension x join pg_namespace n on n.oid = x.extnamespace "
        "join pg_type t on t.typnamespace = n.oid and t.typname = 'vector' where x.extname = 'vector'"
    ).fetchone()
    assert found is not None, "the extension was made above"
    return int(found[0]), str(found[1])
