"""The large parts of engrams, beside the database: put first, named by a commit, gone with the last version that names them.

Whether one is needed is asked and acted on under the lock of a writer, so that a commit which names a payload and an
erase or collection which removes it never cross.
"""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

from engrams.errors import Corrupt, NotFound, Unavailable
from engrams.ports import Commit
from engrams.ports.payloads import CACHES, GRACE, Blob
from engrams.records import Problem
from engrams.store.cells import time_cell, time_of
from engrams.store.payloads import NAME, changed, checked, missing, naming, not_put, orphan
from engrams.store.sqlite.cells import text_of
from engrams.store.sqlite.connections import Connections
from engrams.store.sqlite.schema import OPEN
from engrams.store.sqlite.settings import set_setting, settings
from engrams.store.sqlite.shelf import SUFFIX, Files, Lying, Memory, Naming, Shelf, folder_of

#: Settings that name the payloads which an erase left without an engram, until their bytes are gone: folder, then name.
DOOMED = "erase:payload:"

Named = set[tuple[str, str]]


class SqlitePayloads:
    """The payloads of one memory."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        path = connections.path
        self.shelf: Shelf = Memory() if path is None else Files(path.with_name(path.name + SUFFIX))

    def put(self, namespace: str, chunks: Iterable[bytes], *, name: Naming = None) -> str:
        """Keeps bytes; their digest.

        Raises:
            BadSetting: a name that is none.
            Unavailable, Full: they could not be kept; nothing of them was.
        """
        if self._connections.place.read_only:
            raise Unavailable(f"{self._connections.place.location}: open for reading only; nothing was kept")
        return self.shelf.put(folder_of(namespace), chunks, name)

    def open(self, namespace: str, digest: str) -> Iterator[bytes]:
        """The bytes, a chunk at a time, checked at the end.

        Raises:
            NotFound: there are none.
            Corrupt: they are not what was put.
        """
        found = self.shelf.read(folder_of(namespace), digest) if NAME.fullmatch(digest) else None
        if found is None:
            raise NotFound(f"no payload {digest[:80]} in {namespace}")
        return checked(found, digest, self._connections.place.location)

    def size(self, namespace: str, digest: str) -> int | None:
        """How many bytes lie there; None where there are none."""
        return self.shelf.size(folder_of(namespace), digest) if NAME.fullmatch(digest) else None

    def drop(self, namespace: str, digest: str) -> bool:
        """Removes the bytes, whoever names them."""
        return bool(NAME.fullmatch(digest)) and self.shelf.remove(folder_of(namespace), digest)

    def list(self, namespace: str | None = None) -> list[Blob]:
        """Every payload of a namespace, or of all that were ever written to, by namespace and digest."""
        with self._connections.reading() as db:
            paths = _paths(db)
        if namespace is not None:
            paths = {folder_of(namespace): namespace}
        found = [
            Blob(paths[each.folder], each.name, each.bytes, time_of(each.put_at))
            for each in self.shelf.lying()
            if each.folder in paths and NAME.fullmatch(each.name)
        ]
        return sorted(found, key=lambda each: (each.namespace, each.digest))

    def collect(self, before: datetime) -> int:
        """Removes what was put before a time and no engram names, unfinished files included."""
        limit, gone = time_cell(before), 0
        if not any(True for _ in self.shelf.lying()):
            return 0
        with self._connections.writing() as db:
            needed = named(db)
            for each in list(self.shelf.lying()):
                if each.put_at < limit and (each.folder, each.name) not in needed:
                    gone += self.shelf.remove(each.folder, each.name)
        return gone

    @property
    def bytes(self) -> int:
        """How many bytes lie beside the database."""
        return sum(each.bytes for each in self.shelf.lying())

    # --- in the store's own transactions

    def require(self, change: Commit) -> None:
        """Nothing, where every payload that a commit names is here.

        Raises:
            NotFound: one is not.
        """
        for engram, digest in naming(change):
            if self.size(engram.namespace, digest) is None:
                raise not_put(engram, digest)

    def doom(self, db: sqlite3.Connection, gone: Iterable[tuple[str, str]]) -> None:
        """Notes, inside the transaction of an erase, what is to be removed: also after a kill."""
        for folder, name in gone:
            set_setting(db, f"{DOOMED}{folder}:{name}", "")

    def everything(self) -> Named:
        """All that lies here."""
        return {(each.folder, each.name) for each in self.shelf.lying()}

    def sweep(self) -> None:
        """Removes what an erase noted, unless an engram came to name it again."""
        with self._connections.reading() as db:
            if not settings(db, DOOMED):
                return
        with self._connections.writing() as db:
            needed = named(db)
            for key in settings(db, DOOMED):
                folder, _, name = key.removeprefix(DOOMED).partition(":")
                if (folder, name) not in needed:
                    self.shelf.remove(folder, name)
                db.execute("delete from settings where key = ?", (key,))

    def problems(self, db: sqlite3.Connection, now: datetime) -> Iterator[Problem]:
        """What is missing, what was changed, and what nobody names."""
        lying = {(each.folder, each.name): each for each in self.shelf.lying()}
        for path, id, digest in _needed(db):
            if (folder_of(path), digest) not in lying:
                yield missing(digest, id)
        needed, limit = named(db), time_cell(now - GRACE)
        for place, each in lying.items():
            if place in needed:
                yield from self._damage(each)
            elif each.put_at < limit:
                yield orphan(each.name)

    def _damage(self, each: Lying) -> Iterator[Problem]:
        found = self.shelf.read(each.folder, each.name)
        try:
            for _ in () if found is None else checked(found, each.name, self._connections.place.location):
                pass
        except Corrupt:
            yield changed(each.name)

    @contextmanager
    def copied_to(self, target: Path, wanted: Named) -> Iterator[None]:
        """Copies payloads beside another file before the block writes it; after it, what that file does not name goes.

        Where the block fails, only what was copied goes, and an earlier copy stays whole. What is erased meanwhile is
        not copied.
        """
        target = target.expanduser()
        other, made = Files(target.with_name(target.name + SUFFIX)), []
        try:
            for folder, name in sorted(wanted):
                found = self.shelf.read(folder, name)
                if found is not None and other.size(folder, name) is None:
                    other.put(folder, checked(found, name, str(target)), partial(str, name))
                    made.append((folder, name))
            yield
        except BaseException:
            for folder, name in made:
                other.remove(folder, name)
            raise
        for each in list(other.lying()):
            if (each.folder, each.name) not in wanted:
                other.remove(each.folder, each.name)


def named(db: sqlite3.Connection) -> Named:
    """What versions name, whatever their state: (folder, name)."""
    rows = db.execute(
        "select distinct n.path, c.payload from contents c join namespaces n using (ns) where c.payload is not null"
    )
    return {(folder_of(path), _digest(cell)) for path, cell in rows}


def _needed(db: sqlite3.Connection) -> Iterator[tuple[str, str, str]]:
    """Current versions that name a payload which is no cache: (namespace, id, digest)."""
    caches = ", ".join("?" * len(CACHES))
    rows = db.execute(
        "select n.path, e.id, c.payload from contents c join engrams e on e.ns = c.ns and e.row = c.row "
        f"join namespaces n on n.ns = c.ns where c.payload is not null and e.closed_at = ? and e.kind not in ({caches})",
        (OPEN, *CACHES),
    )
    for path, id, cell in rows:
        yield path, text_of(id) or "", _digest(cell)


def _digest(cell: str | bytes) -> str:
    return str(json.loads(text_of(cell) or "[]")[0])


def _paths(db: sqlite3.Connection) -> Mapping[str, str]:
    return {folder_of(path): path for (path,) in db.execute("select path from namespaces")}
