"""The embedded store behind the `Store` port: a thin hand on what its neighbours do."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

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
from engrams.store.sqlite import auditing, care, erasing, jobs, loading, reading, settings, writing
from engrams.store.sqlite.cells import text_of, time_cell
from engrams.store.sqlite.connections import Connections
from engrams.store.sqlite.jobs import SqliteJobs
from engrams.store.sqlite.movable import Movable
from engrams.store.sqlite.payloads import SqlitePayloads, named

EVERYTHING = Where()
#: What the folder of derived look-ups beside `memory.db` is called.
INDEX_SUFFIX = ".index"


class SqliteStore(Movable):
    """A memory in one SQLite file, or in the process.

    Safe from many threads and processes and after a fork. Every write is one transaction, on disk when it returns.
    """

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._payloads = SqlitePayloads(connections)

    @property
    def index_folder(self) -> Path | None:
        """Where an index may keep what it derives, beside the file; an erase empties it. None in the process."""
        path = self._connections.path
        return None if path is None else path.with_name(path.name + INDEX_SUFFIX)

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, wait: float = 30.0) -> SqliteStore:
        """Opens the memory at a path, or makes one; ":memory:" is one that dies with the process.

        `wait` is how many seconds a call waits for another's lock. A file that cannot be written is opened for
        reading where its schema is current.

        Raises:
            BadSetting: no usable path.
            NotAMemory: the file is something else; it is left as it is.
            NewerSchema: written by a later version.
            Corrupt: damaged.
            Unavailable, Full, Busy: as their names say.
        """
        store = cls(Connections(path, wait))
        store._scrub(wait=0)  # what an erase before had to leave, as far as it goes now
        return store

    @property
    def location(self) -> str:
        """The path, or ":memory:"."""
        return self._connections.place.location

    @property
    def read_only(self) -> bool:
        """Whether this user may only read: writes raise `Unavailable`."""
        return self._connections.place.read_only

    def __repr__(self) -> str:
        return f"SqliteStore({self.location!r})"

    @property
    def jobs(self) -> SqliteJobs:
        """The durable jobs of this file."""
        return SqliteJobs(self._connections)

    @property
    def payloads(self) -> SqlitePayloads:
        """The large parts of engrams, in the folder `<file>.blobs` beside the file."""
        return self._payloads

    # --- writing

    def commit(self, change: Commit) -> Receipt:
        """Writes everything one add brings, or nothing.

        Raises:
            Busy: what a revision builds on has changed, or the lock was not to be had.
            BadSetting: a value that could not come back as it was, or an idempotency key used for something else.
            UsageError, NotFound: ids that exist already, were erased, or do not exist.
            Full, Unavailable, Corrupt: as their names say.
        """
        prepared = writing.prepare(change)
        with self._connections.writing() as db:
            self._payloads.require(change)
            return writing.commit(db, change, prepared)

    def erase(
        self, scope: Scope, events: Sequence[EventId], *, actor: str, at: datetime, reason: str
    ) -> Deletion:
        """Removes events and what rests on them.

        `pending`: nobody can read them any more, and bytes of them may still lie in the file until `vacuum`,
        because another process was reading, there was no room, or the file is larger than `care.MOST_REWRITTEN`.

        Raises:
            NotFound: an id that is no event of the scope; nothing is removed.
        """
        with self._connections.writing() as db:
            before = named(db)
            deletion = erasing.erase(db, scope, events, actor=actor, at=at, reason=reason)
            self._payloads.doom(db, before - named(db))
            care.mark_unfinished(db, time_cell(at))
        return deletion if self._scrub() else _pending(deletion)

    def touch(self, rows: Sequence[Row], at: datetime) -> None:
        """Counts a recall of these engram versions."""
        if rows:
            with self._connections.writing() as db:
                reading.touch(db, rows, time_cell(at))

    def reset(self) -> None:
        """Erases everything but the audit."""
        with self._connections.writing() as db:
            erasing.reset(db, datetime.now(UTC))
            self._payloads.doom(db, self._payloads.everything())
            care.mark_unfinished(db, 0)
        self._scrub()

    def looked(self, writer: str, namespace: str, number: int) -> None:
        """Notes that a writer has looked at every journal entry up to a number; one file counts once."""
        with self._connections.writing() as db:
            jobs.looked(db, writer, number)

    def set_setting(self, key: str, value: str) -> None:
        """Sets what holds for the whole store."""
        with self._connections.writing() as db:
            settings.set_setting(db, key, value)

    def put_vectors(
        self, fingerprint: str, rows: Sequence[Row], vectors: Float32, *, quiet: bool = False
    ) -> int:
        """Adds vectors of one embedder to versions; how many of them were there."""
        with self._connections.writing() as db:
            return settings.put_vectors(db, fingerprint, rows, vectors, quiet=quiet)

    def drop_engrams(self, writer: str) -> int:
        """Removes every version that one writer made, with all that lies beside it; how many went."""
        with self._connections.writing() as db:
            before = named(db)
            gone = erasing.drop_engrams(db, writer)
            self._payloads.doom(db, before - named(db))
        self._payloads.sweep()
        return gone

    def drop_vectors(self, *, keep: str, limit: int = 10_000) -> int:
        """Removes at most `limit` vectors of embedders other than `keep`; how many went."""
        with self._connections.writing() as db:
            return settings.drop_vectors(db, keep, limit)

    def finish_erasing(self) -> bool:
        """Writes the file anew where an erase left bytes in it; True when none are left.

        Raises:
            Full: no room for the packed copy.
        """
        return self._scrub(care.ANY_SIZE, self._connections.wait)

    def _scrub(self, most: int | None = None, wait: float = care.SCRUB_WAIT) -> bool:
        if self.read_only:
            return False
        try:
            self._payloads.sweep()
            with self._connections.alone() as db:
                mark = care.unfinished(db)
                if mark is None:
                    return True
                if self.index_folder is not None:
                    shutil.rmtree(self.index_folder, ignore_errors=True)
                if not self._connections.in_memory and not care.scrub(db, self._bytes(), most, wait):
                    return False
            with self._connections.writing() as db:
                care.finished(db, mark)
            return True
        except (Busy, Full, Unavailable):  # what was asked for is done and on disk; only the bytes wait
            return False

    # --- reading

    def events(self, ids: Sequence[str]) -> dict[str, Event]:
        """The events of these ids, in the order asked; unknown ids are absent."""
        with self._connections.snapshot() as db:
            return reading.events(db, ids)

    def erased(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids under which a tombstone stands."""
        with self._connections.snapshot() as db:
            return {
                text_of(id) for (id,) in writing.chosen(db, "select id from tombstones where id in ({})", ids)
            }

    def about(self, targets: Sequence[str]) -> dict[str, list[Event]]:
        """Corrections, rejections, pins and feedback about these ids, oldest first."""
        with self._connections.snapshot() as db:
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
        with self._connections.reading() as db:
            return reading.journal(db, scope, where, kinds, after, limit, newest_first)

    def engrams(self, ids: Sequence[str]) -> dict[str, Engram]:
        """Current versions, in the order asked; unknown ids are absent."""
        if len(ids) == 1:
            return self._one_engram(ids)
        with self._connections.snapshot() as db:
            return reading.engrams(db, ids)

    def _one_engram(self, ids: Sequence[str]) -> dict[str, Engram]:
        """As `engrams`; that there is none is remembered: every search looks for what feedback taught, which mostly is nothing."""
        read: list[dict[str, Engram]] = []

        def look(db: sqlite3.Connection) -> bool:
            read.append(reading.engrams(db, ids))
            return bool(read[0])

        with self._connections.reading() as db:
            there = self._connections.remembered(db, ("engram", ids[0]), lambda: look(db))
            if not there:
                return {}
            return read[0] if read else reading.engrams(db, ids)

    def engrams_at(self, rows: Sequence[Row]) -> list[Engram]:
        """The engram versions of these rows, in the order asked; rows that are gone are left out."""
        with self._connections.reading() as db:
            return reading.engrams_at(db, rows)

    def list_engrams(
        self, scope: Scope, where: Where = EVERYTHING, *, after: int = 0, limit: int = 100
    ) -> list[tuple[Row, Engram]]:
        """Engram versions that hold under `where`, by row, those after row `after`."""
        with self._connections.snapshot() as db:
            return reading.list_engrams(db, scope, where, after, limit)

    def matching(self, scope: Scope, where: Where = EVERYTHING) -> Int64:
        """Rows, ascending, of the engram versions inside the scope that hold under `where`: int64[n]."""
        with self._connections.reading() as db:
            return reading.matching(db, scope, where)

    def version(self, id: str, version: int) -> Engram | None:
        """One version of an engram as it stood; None where there is none."""
        with self._connections.snapshot() as db:
            return reading.version(db, id, version)

    def versions(self, id: str) -> list[Revision]:
        """Every version of an engram, or of all engrams that name this event as source, oldest first."""
        with self._connections.reading() as db:
            return reading.versions(db, id)

    def derived_from(self, ids: Sequence[str], *, with_payload: bool = False) -> list[EngramId]:
        """Engrams whose current version names one of these events or engrams as a source, by row."""
        with self._connections.snapshot() as db:
            return reading.derived_from(db, ids, with_payload)

    def links(self, ids: Sequence[str]) -> list[Link]:
        """Links that start or end at one of these engrams, by the first rows of both ends, the later first."""
        with self._connections.snapshot() as db:
            return reading.links(db, ids)

    def stats(self, scope: Scope | None = None, *, writer: str | None = None) -> Stats:
        """Counts inside the scope; None: the whole store."""
        with self._connections.snapshot() as db:
            return reading.stats(db, scope, self._bytes() + self._payloads.bytes, writer)

    def progress(self, writer: str) -> Progress:
        """How far a writer has come with the journal."""
        with self._connections.reading() as db:
            return self._connections.remembered(db, ("progress", writer), lambda: jobs.progress(db, writer))

    def behind(self, writer: str, *, limit: int = 1000) -> list[tuple[int, Event]]:
        """Journal entries of every kind that a writer has not looked at, in their order."""
        with self._connections.snapshot() as db:
            return reading.behind(db, writer, limit)

    def namespaces(self) -> list[str]:
        """Every path under which something lies, sorted."""
        with self._connections.reading() as db:
            return reading.namespaces(db)

    def first_receipt(self, namespace: str, key: str, digest: str) -> Receipt | None:
        """The receipt that stands under an idempotency key; None where there is none.

        Raises:
            BadSetting: the key stands for something else.
        """
        with self._connections.reading() as db:
            return writing.first_receipt(db, namespace, key, digest)

    def known_sources(self, namespace: str, sources: Sequence[str]) -> set[str]:
        """Which of these `Event.source` values are already in the journal of exactly this namespace."""
        with self._connections.snapshot() as db:
            return reading.known_sources(db, namespace, sources)

    def setting(self, key: str) -> str | None:
        """What holds for the whole store; None where nobody has said."""
        with self._connections.reading() as db:
            return self._connections.remembered(db, ("setting", key), lambda: settings.setting(db, key))

    def settings(self, prefix: str) -> dict[str, str]:
        """The settings whose keys begin so, by key."""
        with self._connections.reading() as db:
            return settings.settings(db, prefix)

    def without_vector(
        self, fingerprint: str, *, after: int = 0, limit: int = 1000
    ) -> list[tuple[Row, Engram]]:
        """Active versions of the whole store, closed ones too, without a vector of this embedder; by row."""
        with self._connections.reading() as db:
            return reading.without_vector(db, fingerprint, after, limit)

    # --- for the index

    def mark(self, scope: Scope | None = None) -> Mark:
        """How far the store has come, whatever the scope: one file counts once; equal when nothing changed."""
        with self._connections.reading() as db:
            return loading.mark(db)

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
        with self._connections.reading() as db:
            return loading.entry_vectors(db, scope, fingerprint, after)

    def closings(self, scope: Scope, *, after: int) -> list[tuple[int, Row, int | None]]:
        """(change number, row, closed_at) of versions closed since.

        closed_at None: the row was erased. `OPEN_END`: the version stands, and its entry has changed.
        """
        with self._connections.reading() as db:
            return loading.closings(db, scope, after)

    # --- care

    def check(self) -> list[Problem]:
        """Everything that is wrong with the file; nothing is changed."""
        with self._connections.snapshot() as db:
            found = care.problems(db)
            try:
                return [*found, *self._payloads.problems(db, datetime.now(UTC))]
            except sqlite3.DatabaseError:
                if found:  # the file is damaged, and that is said already
                    return found
                raise

    def backup(self, path: Path, *, progress: Callable[[int, int], None] | None = None) -> None:
        """Writes a consistent copy while others read and write; `progress` gets (pages copied, pages in all).

        Raises:
            UsageError: the path is the memory itself.
            NotAMemory: something else lies there; it is left alone.
            Full, Unavailable: as their names say.
        """
        with self._connections.snapshot() as db:
            db.execute("select event from position").fetchone()  # from here on, this state
            with self._payloads.copied_to(Path(path), named(db)):
                care.backup(db, self._connections.path, Path(path), progress)

    def vacuum(self) -> None:
        """Packs the file; others may read meanwhile.

        Raises:
            Busy: others kept it locked.
            Full: no room for the packed copy.
        """
        self._payloads.sweep()
        self._payloads.collect(datetime.now(UTC) - GRACE)
        with self._connections.alone() as db:
            mark = care.unfinished(db)
            care.vacuum(db, self.location, self._connections.wait)
            whole = self._connections.in_memory or care.cut_log(db)
        if mark is not None and whole:
            with self._connections.writing() as db:
                care.finished(db, mark)

    def audit(self, *, after: int = 0, limit: int = 100) -> list[Mapping[str, Json]]:
        """Who did what when, oldest first: seq, at, actor, action, namespace, ids, note."""
        with self._connections.reading() as db:
            return auditing.read_audit(db, after, limit)

    def close(self) -> None:
        """Closes every connection; calls after it raise `Unavailable`."""
        self._connections.close()

    def _bytes(self) -> int:
        path = self._connections.path
        if path is None:
            return 0
        beside = (path, path.with_name(path.name + "-wal"))
        return sum(each.stat().st_size for each in beside if each.exists())


def _pending(deletion: Deletion) -> Deletion:
    return Deletion(deletion.events, deletion.engrams, deletion.links, deletion.digest, "pending")
