"""The connections of one open store: one that writes, a stock of those that read, nothing carried through a fork."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar, cast

from engrams.errors import Busy, Unavailable
from engrams.store.sqlite.faults import translated, translation
from engrams.store.sqlite.opening import open_place, until_free

Made = TypeVar("Made")

#: Idle reading connections kept open.
MOST_IDLE = 8

#: Small things remembered of each connection, see `Connections.remembered`.
MOST_REMEMBERED = 1_000

#: Connections that a fork brought along. Using or closing them would break the parent's locks
#: (https://www.sqlite.org/howtocorrupt.html, section 2.6), so they are kept and never touched again.
_inherited: list[sqlite3.Connection] = []


class Connections:
    """Hands out connections to any thread of any process.

    In memory there is one connection for everything, used by one thread at a time.
    """

    def __init__(self, path: str | os.PathLike[str], wait: float) -> None:
        self.wait = wait
        self.place, first = open_place(path, wait)
        self._closed = False
        self._begin_anew(first)

    def _begin_anew(self, writer: sqlite3.Connection | None) -> None:
        self._pid = os.getpid()
        self._writing = threading.RLock()
        self._writer = writer
        self._idle: deque[sqlite3.Connection] = deque()
        self._open: list[sqlite3.Connection] = [] if writer is None else [writer]
        self._remembered: dict[sqlite3.Connection, tuple[object, dict[Hashable, object]]] = {}
        self._finalizer = weakref.finalize(self, _close_all, self._open, self._pid)

    @property
    def in_memory(self) -> bool:
        return self.place.path is None

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection to read with; every row must be fetched inside the block."""
        self._require_open()
        return self._reading_in_memory() if self.in_memory else _Reading(self)

    @contextmanager
    def _reading_in_memory(self) -> Iterator[sqlite3.Connection]:
        with self._lock(), translated(self.place.location):
            yield self._writer_now()

    def _take(self) -> sqlite3.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect_reader()

    def _give_back(self, db: sqlite3.Connection) -> None:
        if db.in_transaction:
            db.execute("rollback")
        if self._closed or len(self._idle) >= MOST_IDLE:
            self._drop(db)
        else:
            self._idle.append(db)

    def remembered(self, db: sqlite3.Connection, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` reads with a reading connection, from the first call with `key` since anything was committed.

        For the small things that every search asks and nobody changes for long: a look at whether somebody committed touches no
        page of the file. No text of a memory may be remembered so: an erase would leave it here.
        """
        if self.in_memory:  # one connection, and its own commits do not count
            return make()
        # Looked at first: what is read after it is as new or newer, and read again when this is seen to be old.
        version = db.execute("pragma data_version").fetchone()[0]
        at, held = self._remembered.get(db, (None, {}))
        if at != version or len(held) >= MOST_REMEMBERED:
            held = {}
            self._remembered[db] = (version, held)
        if key not in held:
            held[key] = make()
        return cast("Made", held[key])

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """As `reading`, with every statement of the block seeing the same state."""
        with self.reading() as db:
            if not self.in_memory:
                db.execute("begin")
            yield db

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: committed at the end of the block, rolled back by whatever leaves it early."""
        with self._lock(), translated(self.place.location):
            db = self._writer_now()
            until_free(lambda: db.execute("begin immediate"), self.wait)
            try:
                yield db
                db.execute("commit")
            except BaseException:
                if db.in_transaction:
                    db.execute("rollback")
                raise

    @contextmanager
    def alone(self) -> Iterator[sqlite3.Connection]:
        """The writing connection outside any transaction, for upkeep."""
        with self._lock(), translated(self.place.location):
            yield self._writer_now()

    def close(self) -> None:
        """Closes every connection; a second call does nothing."""
        if self._closed:
            return
        self._after_fork()
        self._closed = True
        with self._lock():
            while self._idle:
                self._drop(self._idle.pop())
            if self._writer is not None:
                self._drop(self._writer)
                self._writer = None
        self._finalizer.detach()

    @contextmanager
    def _lock(self) -> Iterator[None]:
        self._after_fork()
        if not self._writing.acquire(timeout=self.wait):
            raise Busy(
                f"{self.place.location}: another thread wrote for {self.wait:g} s; try again, or open with a longer wait"
            )
        try:
            yield
        finally:
            self._writing.release()

    def _writer_now(self) -> sqlite3.Connection:
        self._require_open()
        if self.place.read_only:
            raise Unavailable(
                f"{self.place.location}: the file or its folder cannot be written by this user, so it is open for "
                "reading only; give write permission, or copy it elsewhere"
            )
        if self._writer is None:
            self._writer = self.place.connect(self.wait)
            self._open.append(self._writer)
        return self._writer

    def _connect_reader(self) -> sqlite3.Connection:
        with translated(self.place.location):
            db = self.place.connect(self.wait)
            db.execute(f"pragma busy_timeout = {int(self.wait * 1000)}")
            db.execute("pragma query_only = on")
        self._open.append(db)
        return db

    def _drop(self, db: sqlite3.Connection) -> None:
        self._open.remove(db)
        self._remembered.pop(db, None)
        db.close()

    def _require_open(self) -> None:
        self._after_fork()
        if self._closed:
            raise Unavailable(f"{self.place.location}: this memory was closed; open it again")

    def _after_fork(self) -> None:
        if self._pid == os.getpid():
            return
        self._finalizer.detach()
        if self.in_memory:  # a copy of the parent's, and no file to share
            self._begin_anew(self._writer)
            return
        _inherited.extend(self._open)
        self._begin_anew(None)

    @property
    def path(self) -> Path | None:
        return self.place.path


class _Reading:
    """A connection of the stock, for one block. No generator: a search opens four, and these take a quarter of the time."""

    __slots__ = ("_db", "_of")

    def __init__(self, of: Connections) -> None:
        self._of = of

    def __enter__(self) -> sqlite3.Connection:
        self._db = self._of._take()
        return self._db

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._of._give_back(self._db)
        ours = None if error is None else translation(error, self._of.place.location)
        if ours is not None:
            raise ours from error


def _close_all(connections: list[sqlite3.Connection], pid: int) -> None:
    if pid != os.getpid():
        _inherited.extend(connections)
        return
    for db in connections:
        db.close()
