"""The large parts of engrams, inside the database in parts: put first, named by a commit, gone with the last version
that names them.

Whether one is needed is asked and acted on while the tenant's position is held, so that a commit which names a payload
and an erase or collection which removes it never cross.
"""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from engrams.errors import NotFound
from engrams.ports import Commit
from engrams.ports.payloads import CACHES, GRACE, Blob
from engrams.records import Problem, Scope
from engrams.store.cells import OPEN, payload_from, time_cell, time_of
from engrams.store.payloads import (
    NAME,
    SEALED,
    changed,
    missing,
    name_for,
    naming,
    not_put,
    orphan,
    was_changed,
)
from engrams.store.postgres.cells import path_cell, tenant_of, text_of
from engrams.store.postgres.connections import EVERYTHING, Connections, Sight
from engrams.store.postgres.positions import hold

#: Bytes of one row: small beside a connection's memory, large beside a row's overhead.
PART = 2**20
#: Bytes of a payload that are held in memory until their digest is known; more go to a temporary file.
MOST_HELD = 64 * 2**20

Named = set[tuple[str, str]]


class PostgresPayloads:
    """The payloads of one memory."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def put(self, namespace: str, chunks: Iterable[bytes], *, name: Callable[[], str] | None = None) -> str:
        """Keeps bytes, in one transaction; their digest.

        Raises:
            BadSetting: a name that is none.
            Unavailable, Full, Busy: they could not be kept; nothing of them was.
        """
        digest, size = hashlib.sha256(), 0
        with tempfile.SpooledTemporaryFile(MOST_HELD) as held:
            for chunk in chunks:
                digest.update(chunk)
                held.write(chunk)
                size += len(chunk)
            found = name_for(digest.hexdigest(), name)
            place = (tenant_of(path_cell(namespace)), namespace, found)

            def work(db: Connection[Any]) -> None:
                held.seek(0)
                _remove(db, place)
                at = time_cell(datetime.now(UTC))
                db.execute("insert into payloads values (%s, %s, %s, %s, %s)", (*place, size, at))
                part = 0
                while data := held.read(PART):
                    db.execute("insert into payload_parts values (%s, %s, %s, %s, %s)", (*place, part, data))
                    part += 1

            self._connections.writing(Sight.of(Scope(namespace)), work)
        return place[2]

    def open(self, namespace: str, digest: str) -> Iterator[bytes]:
        """The bytes, a part at a time, checked at the end.

        Raises:
            NotFound: there are none.
            Corrupt: they are not what was put.
        """
        size = self.size(namespace, digest)
        if size is None:
            raise NotFound(f"no payload {digest[:80]} in {namespace}")
        return self._parts(namespace, digest, size)

    def _parts(self, namespace: str, digest: str, size: int) -> Iterator[bytes]:
        found, given = hashlib.sha256(), 0
        sql = "select data from payload_parts where tenant = %s and namespace = %s and digest = %s and part = %s"
        place = (tenant_of(namespace), namespace, digest)
        while given < size:
            with self._connections.reading(Sight.of(Scope(namespace))) as db:
                row = db.execute(sql, (*place, -(-given // PART))).fetchone()
            if row is None:
                break
            found.update(row[0])
            given += len(row[0])
            yield bytes(row[0])
        if given != size or (found.hexdigest() != digest and not digest.endswith(SEALED)):
            raise was_changed(digest, self._connections.location)

    def size(self, namespace: str, digest: str) -> int | None:
        """How many bytes lie there; None where there are none."""
        if not NAME.fullmatch(digest):
            return None
        with self._connections.reading(Sight.of(Scope(namespace))) as db:
            return _size(db, namespace, digest)

    def drop(self, namespace: str, digest: str) -> bool:
        """Removes the bytes, whoever names them."""
        if not NAME.fullmatch(digest):
            return False
        place = (tenant_of(path_cell(namespace)), namespace, digest)
        return self._connections.writing(Sight.of(Scope(namespace)), lambda db: _remove(db, place))

    def list(self, namespace: str | None = None) -> list[Blob]:
        """Every payload of a namespace, or of all, by namespace and digest."""
        sight = EVERYTHING if namespace is None else Sight.of(Scope(namespace))
        with self._connections.reading(sight) as db:
            rows = db.execute("select namespace, digest, bytes, at from payloads order by namespace, digest")
            return [Blob(path, digest, size, time_of(at)) for path, digest, size, at in rows]

    def collect(self, before: datetime) -> int:
        """Removes what was put before a time and no engram names, tenant by tenant."""
        limit = time_cell(before)
        with self._connections.reading(EVERYTHING) as db:
            tenants = [
                t for (t,) in db.execute("select distinct tenant from payloads where at < %s", [limit])
            ]

        def work(db: Connection[Any], tenant: str) -> int:
            hold(db, tenant)
            needed = named(db, tenant)
            rows = db.execute(
                "select namespace, digest from payloads where tenant = %s and at < %s", (tenant, limit)
            ).fetchall()
            gone = [(tenant, *row) for row in rows if tuple(row) not in needed]
            return sum(_remove(db, place) for place in gone)

        return sum(
            self._connections.writing(Sight.of_tenant(tenant), lambda db, t=tenant: work(db, t))  # type: ignore[misc]
            for tenant in tenants
        )


def require(db: Connection[Any], change: Commit) -> None:
    """Nothing, where every payload that a commit names is here.

    Raises:
        NotFound: one is not; the transaction must not be committed.
    """
    for engram, digest in naming(change):
        if _size(db, engram.namespace, digest) is None:
            raise not_put(engram, digest)


def named(db: Connection[Any], tenant: str) -> Named:
    """What versions of a tenant name, whatever their state: (namespace, digest)."""
    sql = "select distinct namespace, payload from contents where tenant = %s and payload is not null"
    return {(path, _digest(cell)) for path, cell in db.execute(sql, [tenant])}


def removing(db: Connection[Any], writer: str, drop: Callable[[], int]) -> int:
    """Drops a writer's engrams, which holds the positions of their tenants, and then what nobody names any more."""
    sql = (
        'select distinct e.tenant from engrams e join contents c on c.tenant = e.tenant and c."row" = e."row" '
        "where e.recipe = %s and c.payload is not null"
    )
    before = {tenant: named(db, tenant) for (tenant,) in db.execute(sql, [writer]).fetchall()}
    gone = drop()
    for tenant in sorted(before):
        remove(db, tenant, before[tenant] - named(db, tenant))
    return gone


def remove(db: Connection[Any], tenant: str, gone: Iterable[tuple[str, str]]) -> None:
    """Removes payloads inside the transaction of an erase."""
    for namespace, digest in sorted(gone):
        _remove(db, (tenant, namespace, digest))


def problems(db: Connection[Any], now: datetime) -> Iterator[Problem]:
    """What is missing, what was changed, and what nobody names."""
    rows = db.execute(
        "select e.namespace, e.id, c.payload from contents c "
        'join engrams e on e.tenant = c.tenant and e."row" = c."row" '
        "where c.payload is not null and e.closed_at = %s and e.kind <> all(%s::text[])",
        (OPEN, list(CACHES)),
    ).fetchall()
    held = {
        (path, digest): (size, at)
        for path, digest, size, at in db.execute("select namespace, digest, bytes, at from payloads")
    }
    for path, id, cell in rows:
        if (path, _digest(cell)) not in held:
            yield missing(_digest(cell), text_of(id))
    needed: Named = set()
    for (tenant,) in db.execute("select distinct tenant from payloads").fetchall():
        needed |= named(db, tenant)
    limit = time_cell(now - GRACE)
    for (path, digest), (size, at) in sorted(held.items()):
        if (path, digest) in needed:
            if not _whole(db, path, digest, size):
                yield changed(digest)
        elif at < limit:
            yield orphan(digest)


def _whole(db: Connection[Any], namespace: str, digest: str, size: int) -> bool:
    found, given = hashlib.sha256(), 0
    sql = "select data from payload_parts where tenant = %s and namespace = %s and digest = %s and part = %s"
    part = 0
    while row := db.execute(sql, (tenant_of(namespace), namespace, digest, part)).fetchone():
        found.update(row[0])
        given, part = given + len(row[0]), part + 1
    return given == size and (digest.endswith(SEALED) or found.hexdigest() == digest)


def _size(db: Connection[Any], namespace: str, digest: str) -> int | None:
    sql = "select bytes from payloads where tenant = %s and namespace = %s and digest = %s"
    row = db.execute(sql, (tenant_of(namespace), namespace, digest)).fetchone()
    return None if row is None else int(row[0])


def _remove(db: Connection[Any], place: tuple[str, str, str]) -> bool:
    where = "where tenant = %s and namespace = %s and digest = %s"
    db.execute(f"delete from payload_parts {where}", place)
    return bool(db.execute(f"delete from payloads {where}", place).rowcount)


def _digest(cell: str) -> str:
    found = payload_from(text_of(cell))
    assert found is not None
    return found.digest
