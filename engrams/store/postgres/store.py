"""The store in PostgreSQL behind the `Store` port: a thin hand on what its neighbours do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import Connection

from engrams.errors import Busy, Full, Unavailable
from engrams.ports import Commit, EntryColumns, EntryRow, Float32, Int64, Mark, Where
from engrams.ports.payloads import GRACE
from engrams.records import (
    Deletion,
    Engram,
    EngramId,
    Event,
    EventId,
    Json,
    Link,
    Problem,
    Progress,
    Receipt,
    Revision,
    Row,
    Scope,
    Stats,
)
from engrams.store.cells import time_cell
from engrams.store.moving import move
from engrams.store.postgres import (
    auditing,
    care,
    erasing,
    jobs,
    loading,
    payloads,
    positions,
    reading,
    settings,
    writing,
)
from engrams.store.postgres.cells import tenant_of
from engrams.store.postgres.connections import EVERYTHING as WHOLE
from engrams.store.postgres.connections import Connections, Sight
from engrams.store.postgres.jobs import PostgresJobs
from engrams.store.postgres.movable import Movable
from engrams.store.postgres.opening import open_connections
from engrams.store.postgres.payloads import PostgresPayloads
from engrams.store.sqlite import SqliteStore
from engrams.store.sqlite.shelf import take_over

EVERYTHING = Where()


class PostgresStore(Movable):
    """A memory in one schema of a PostgreSQL database.

    Safe from many threads, processes and machines, and after a fork. Every write is one transaction, on the server's
    disk when it returns. Every statement runs as a role that owns nothing, and sees the path that was named.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @classmethod
    def open(cls, url: str, *, wait: float = 30.0) -> PostgresStore:
        """Opens the memory at an address such as postgresql://user:password@host/database, or makes one there.

        `wait` is how many seconds a call waits for the server, a free connection or another's lock.

        Raises:
            BadSetting: no such address.
            Denied: wrong name or password, or a right is lacking; says what an administrator must run.
            Unavailable: no server, no database, no pgvector.
            NewerSchema: written by a later version.
        """
        store = cls(open_connections(url, wait))
        try:
            store._scrub(
                care.MOST_AT_ONCE, wait=0
            )  # what an erase before had to leave, as far as it goes now
        except BaseException:
            store.close()
            raise
        return store

    @property
    def location(self) -> str:
        """The address without its password."""
        return self._connections.location

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._connections.closed

    @property
    def jobs(self) -> PostgresJobs:
        """The durable jobs of this memory."""
        return PostgresJobs(self._connections)

    @property
    def payloads(self) -> PostgresPayloads:
        """The large parts of engrams, in tables of this memory."""
        return PostgresPayloads(self._connections)

    def __repr__(self) -> str:
        return f"PostgresStore({self.location!r})"

    # --- writing

    def commit(self, change: Commit) -> Receipt:
        """Writes everything one add brings, or nothing.

        Raises:
            Busy: what a revision builds on has changed, or others wrote for longer than the wait.
            BadSetting: a value that could not come back as it was, or an idempotency key used for something else.
            UsageError, NotFound: ids that exist already, were erased, or do not exist.
            Full, Unavailable, Corrupt: as their names say.
        """
        prepared = writing.prepare(change)

        def work(db: Connection[Any]) -> Receipt:
            receipt = writing.commit(db, change, prepared)
            payloads.require(db, change)
            return receipt

        return self._connections.writing(prepared.sight, work)

    def erase(
        self, scope: Scope, events: Sequence[EventId], *, actor: str, at: datetime, reason: str
    ) -> Deletion:
        """Removes events and what rests on them, then takes the dead rows out.

        `pending`: nobody can read them any more, and dead rows may still lie in the tables until the server's next
        vacuum, because an older snapshot is in use or this user does not own the tables.

        Raises:
            NotFound: an id that is no event of the scope; nothing is removed.
        """
        sight = Sight.of_tenant(Sight.of(scope).tenant)

        def work(db: Connection[Any]) -> Deletion:
            positions.hold(db, sight.tenant)
            before = payloads.named(db, sight.tenant)
            done = erasing.erase(db, scope, events, actor=actor, at=at, reason=reason)
            payloads.remove(db, sight.tenant, before - payloads.named(db, sight.tenant))
            return done

        deletion = self._connections.writing(sight, work)
        return deletion if self._scrub() else replace(deletion, state="pending")

    def touch(self, rows: Sequence[Row], at: datetime) -> None:
        """Counts a recall of these engram versions."""
        if rows:
            then = time_cell(at)
            self._connections.writing(WHOLE, lambda db: reading.touch(db, rows, then))

    def reset(self) -> None:
        """Erases everything but the audit."""
        self._connections.writing(WHOLE, lambda db: erasing.reset(db, datetime.now(UTC)))
        self._scrub()

    def looked(self, writer: str, namespace: str, number: int) -> None:
        """Notes that a writer has looked at every journal entry of the namespace's tenant up to a number."""
        sight = Sight.of(Scope(namespace))
        self._connections.writing(sight, lambda db: jobs.looked(db, writer, sight.tenant, number))

    def set_setting(self, key: str, value: str) -> None:
        """Sets what holds for the whole store."""
        self._connections.writing(WHOLE, lambda db: settings.set_setting(db, key, value))

    def put_vectors(
        self, fingerprint: str, rows: Sequence[Row], vectors: Float32, *, quiet: bool = False
    ) -> int:
        """Adds vectors of one embedder to versions; how many of them were there."""
        return self._connections.writing(
            WHOLE, lambda db: settings.put_vectors(db, fingerprint, rows, vectors, quiet=quiet)
        )

    def drop_engrams(self, writer: str) -> int:
        """Removes every version that one writer made, with all that lies beside it; how many went."""
        return self._connections.writing(
            WHOLE, lambda db: payloads.removing(db, writer, lambda: erasing.drop_engrams(db, writer))
        )

    def drop_vectors(self, *, keep: str, limit: int = 10_000) -> int:
        """Removes at most `limit` vectors of embedders other than `keep`; how many went."""
        return self._connections.writing(WHOLE, lambda db: settings.drop_vectors(db, keep, limit))

    def finish_erasing(self) -> bool:
        """Takes out the dead rows that an erase had to leave; True when none are left, False while somebody reads them."""
        return self._scrub(wait=self._connections.wait)

    def _scrub(self, most: int | None = None, wait: float = care.SCRUB_WAIT) -> bool:
        mark = self.setting(erasing.UNFINISHED)
        if mark is None:
            return True
        if most is not None and self._bytes() > most:
            return False
        try:
            with self._connections.outside() as db:
                if not care.scrub(db, self._connections.address.schema, erasing.TOUCHED, wait):
                    return False
            self._connections.writing(WHOLE, lambda db: settings.drop_setting(db, erasing.UNFINISHED, mark))
            return True
        except (Busy, Full, Unavailable):  # what was asked for is done and on disk; only the dead rows wait
            return False

    def _bytes(self) -> int:
        with self._connections.reading(WHOLE) as db:
            return reading.size_of(db, self._connections.address.schema)

    # --- reading

    def events(self, ids: Sequence[str]) -> dict[str, Event]:
        """The events of these ids, in the order asked; unknown ids are absent."""
        with self._connections.reading(WHOLE) as db:
            return reading.events(db, ids)

    def erased(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids under which a tombstone stands."""
        with self._connections.reading(WHOLE) as db:
            return reading.erased(db, ids)

    def about(self, targets: Sequence[str]) -> dict[str, list[Event]]:
        """Corrections, rejections, pins and feedback about these ids, oldest first."""
        with self._connections.reading(WHOLE) as db:
            return reading.about(db, targets)

    def journal(
        self,
        scope: Scope,
        where: Where = EVERYTHING,
        *,
        kinds: tuple[str, ...] | None = ("message",),
        after: int = 0,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[tuple[int, Event]]:
        """Events with their journal numbers, in journal order, those after number `after` (before it, newest first)."""
        with self._connections.reading(Sight.of(scope)) as db:
            return reading.journal(db, scope, where, kinds, after, limit, newest_first)

    def engrams(self, ids: Sequence[str]) -> dict[str, Engram]:
        """Current versions, in the order asked; unknown ids are absent."""
        with self._connections.reading(WHOLE) as db:
            return reading.engrams(db, ids)

    def engrams_at(self, rows: Sequence[Row]) -> list[Engram]:
        """The engram versions of these rows, in the order asked; rows that are gone are left out."""
        with self._connections.reading(WHOLE) as db:
            return reading.engrams_at(db, rows)

    def list_engrams(
        self, scope: Scope, where: Where = EVERYTHING, *, after: int = 0, limit: int = 100
    ) -> list[tuple[Row, Engram]]:
        """Engram versions that hold under `where`, by row, those after row `after`."""
        with self._connections.reading(Sight.of(scope)) as db:
            return reading.list_engrams(db, scope, where, after, limit)

    def matching(self, scope: Scope, where: Where = EVERYTHING) -> Int64:
        """Rows, ascending, of the engram versions inside the scope that hold under `where`: int64[n]."""
        with self._connections.reading(Sight.of(scope)) as db:
            return reading.matching(db, scope, where)

    def version(self, id: str, version: int) -> Engram | None:
        """One version of an engram as it stood; None where there is none."""
        with self._connections.reading(WHOLE) as db:
            return reading.version(db, id, version)

    def versions(self, id: str) -> list[Revision]:
        """Every version of an engram, or of all engrams that name this event as source, oldest first."""
        with self._connections.reading(WHOLE) as db:
            return reading.versions(db, id)

    def derived_from(self, ids: Sequence[str], *, with_payload: bool = False) -> list[EngramId]:
        """Engrams whose current version names one of these events or engrams as a source, by row."""
        with self._connections.reading(WHOLE) as db:
            return reading.derived_from(db, ids, with_payload)

    def links(self, ids: Sequence[str]) -> list[Link]:
        """Links that start or end at one of these engrams, by the first rows of both ends, the later first."""
        with self._connections.reading(WHOLE) as db:
            return reading.links(db, ids)

    def stats(self, scope: Scope | None = None, *, writer: str | None = None) -> Stats:
        """Counts inside the scope; None: the whole store."""
        with self._connections.reading(WHOLE if scope is None else Sight.of(scope)) as db:
            return reading.stats(db, scope, reading.size_of(db, self._connections.address.schema), writer)

    def namespaces(self) -> list[str]:
        """Every path under which something lies, sorted."""
        with self._connections.reading(WHOLE) as db:
            return reading.namespaces(db)

    def progress(self, writer: str) -> Progress:
        """How far a writer has come with the journals of all tenants."""
        with self._connections.reading(WHOLE) as db:
            return jobs.progress(db, writer)

    def behind(self, writer: str, *, limit: int = 1000) -> list[tuple[int, Event]]:
        """Journal entries of every kind that a writer has not looked at, in their order: those of one tenant."""
        with self._connections.reading(WHOLE) as db:
            return jobs.behind(db, writer, limit)

    def first_receipt(self, namespace: str, key: str, digest: str) -> Receipt | None:
        """The receipt that stands under an idempotency key; None where there is none.

        Raises:
            BadSetting: the key stands for something else.
        """
        with self._connections.reading(Sight.of(Scope(namespace))) as db:
            return writing.first_receipt(db, namespace, key, digest)

    def known_sources(self, namespace: str, sources: Sequence[str]) -> set[str]:
        """Which of these `Event.source` values are already in the journal of exactly this namespace."""
        with self._connections.reading(Sight.of(Scope(namespace))) as db:
            return reading.known_sources(db, namespace, sources)

    def setting(self, key: str) -> str | None:
        """What holds for the whole store; None where nobody has said."""
        with self._connections.reading(WHOLE) as db:
            return settings.setting(db, key)

    def settings(self, prefix: str) -> dict[str, str]:
        """The settings whose keys begin so, by key."""
        with self._connections.reading(WHOLE) as db:
            return settings.settings(db, prefix)

    def without_vector(
        self, fingerprint: str, *, after: int = 0, limit: int = 1000
    ) -> list[tuple[Row, Engram]]:
        """Active versions of the whole store, closed ones too, without a vector of this embedder; by row."""
        with self._connections.reading(WHOLE) as db:
            return reading.without_vector(db, fingerprint, after, limit)

    # --- for the index

    def mark(self, scope: Scope | None = None) -> Mark:
        """How far the scope's tenant has come; without a scope, how much all have counted together."""
        if scope is None:
            with self._connections.reading(WHOLE) as db:
                return positions.mark_of_all(db)
        sight = Sight.of(scope)
        with self._connections.reading(sight) as db:
            return positions.mark_of(db, tenant_of(sight.tenant))

    def entries(
        self, scope: Scope, *, after: int = 0, limit: int = 100_000, writer: str | None = None
    ) -> Iterator[EntryRow]:
        """Entries of every engram version under the scope's path, by row; arrays are read-only."""
        return loading.entries(self._connections, scope, after, limit, writer)

    def entry_columns(
        self, scope: Scope, *, after: int = 0, batch: int = 65_536, writer: str | None = None
    ) -> Iterator[EntryColumns]:
        """What `entries` gives, all of it, as columns of at most `batch` rows each; arrays are read-only."""
        return loading.entry_columns(self._connections, scope, after, batch, writer)

    def entry_vectors(self, scope: Scope, fingerprint: str, *, after: int = 0) -> tuple[Int64, Float32]:
        """(rows ascending, float32[n, d]) of the versions under the scope's path with a vector of this embedder."""
        with self._connections.reading(Sight.of(scope)) as db:
            return loading.entry_vectors(db, scope, fingerprint, after)

    def closings(self, scope: Scope, *, after: int) -> list[tuple[int, Row, int | None]]:
        """(change number, row, closed_at) of versions closed since.

        closed_at None: the row was erased. `OPEN_END`: the version stands, and its entry has changed.
        """
        with self._connections.reading(Sight.of(scope)) as db:
            return loading.closings(db, scope, after)

    # --- care

    def check(self) -> list[Problem]:
        """Everything that is wrong with the memory; nothing is changed."""
        with self._connections.reading(WHOLE) as db:
            found = care.problems(db, self._connections.address.schema)
            return [*found, *payloads.problems(db, datetime.now(UTC))]

    def backup(self, path: Path, *, progress: Callable[[int, int], None] | None = None) -> None:
        """Writes a consistent copy, a memory in one file, while others read and write.

        Raises:
            NotAMemory: something else lies at the path; it is left alone.
            Full, Unavailable: the file cannot be written.
        """
        file = Path(path).expanduser().resolve()
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        if file.exists():
            SqliteStore.open(file).close()  # raises where it is no memory; an earlier backup is replaced
        try:
            with self._connections.frozen() as connections:
                copy = SqliteStore.open(part)
                try:
                    move(PostgresStore(connections), copy, progress)
                finally:
                    copy.close()
            part.replace(file)
            take_over(part, file)
        finally:
            part.unlink(missing_ok=True)
            take_over(part, None)

    def vacuum(self) -> None:
        """Writes the tables anew, without what was erased, pending erases included; others wait until each is done.

        Raises:
            Busy: others kept reading or writing.
            Denied: this user does not own the tables.
        """
        mark = self.setting(erasing.UNFINISHED)
        self.payloads.collect(datetime.now(UTC) - GRACE)
        with self._connections.outside() as db:
            whole = care.vacuum(db, self._connections.address.schema, self._connections.wait)
        if mark is not None and whole:
            self._connections.writing(WHOLE, lambda db: settings.drop_setting(db, erasing.UNFINISHED, mark))

    def audit(self, *, after: int = 0, limit: int = 100) -> list[Mapping[str, Json]]:
        """Who did what when, oldest first: seq, at, actor, action, namespace, ids, note."""
        with self._connections.reading(WHOLE) as db:
            return auditing.read_audit(db, after, limit)

    def close(self) -> None:
        """Closes every connection; calls after it raise `Unavailable`."""
        self._connections.close()
