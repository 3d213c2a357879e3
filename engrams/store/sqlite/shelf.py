"""Payloads as files beside the database, or in the process: written aside, on disk, then renamed into their place.

    memory.db.blobs/<namespace>/<two digits>/<digest>

`<namespace>` are the first 16 hex digits of the SHA-256 of its path, so that any path makes a folder's name.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from engrams.store.payloads import name_for
from engrams.store.sqlite.opening import FILE_MODE, FOLDER_MODE, room_error

#: Asked after the last chunk what bytes lie under; None: their digest.
Naming = Callable[[], str] | None
#: What the folder beside `memory.db` is called.
SUFFIX = ".blobs"
#: What a file is called until it is whole.
UNFINISHED = ".part"
#: Bytes read or written at once: large enough that system calls cost nothing, small beside any payload worth streaming.
CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Lying:
    """One payload on the shelf; `put_at` in microseconds since 1970."""

    folder: str
    name: str
    bytes: int
    put_at: int


class Shelf(Protocol):
    """Where bytes lie, by folder and name."""

    def put(self, folder: str, chunks: Iterable[bytes], name: Naming) -> str:
        """Keeps bytes; the name they lie under."""
        ...

    def read(self, folder: str, name: str) -> Iterator[bytes] | None:
        """The bytes, unchecked; None where there are none."""
        ...

    def size(self, folder: str, name: str) -> int | None:
        """How many bytes lie there."""
        ...

    def remove(self, folder: str, name: str) -> bool:
        """Removes bytes; False where there were none."""
        ...

    def lying(self) -> Iterator[Lying]:
        """Everything that lies here, unfinished files included (their names end in `.part`)."""
        ...


def folder_of(namespace: str) -> str:
    """The folder of a namespace."""
    return hashlib.sha256(namespace.encode()).hexdigest()[:16]


class Files:
    """A shelf in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, folder: str, chunks: Iterable[bytes], name: Naming) -> str:
        """Keeps bytes; what lay under the name is replaced, and the time it was put is now."""
        home = self.root / folder
        part = home / f"{uuid4().hex}{UNFINISHED}"
        digest = hashlib.sha256()
        try:
            with self._making(home):
                descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE)
                with os.fdopen(descriptor, "wb") as file:
                    for chunk in chunks:
                        digest.update(chunk)
                        file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
                found = name_for(digest.hexdigest(), name)
                target = home / found[:2] / found
                with self._making(target.parent):
                    part.replace(target)
                _sync(target.parent)
        finally:
            part.unlink(missing_ok=True)
        return found

    def read(self, folder: str, name: str) -> Iterator[bytes] | None:
        """The bytes, a chunk at a time; the file is closed after the last, or when the iterator is let go of."""
        try:
            file = self._path(folder, name).open("rb")
        except FileNotFoundError:
            return None
        except OSError as cause:
            raise room_error(cause, self._path(folder, name)) from cause

        def chunks() -> Iterator[bytes]:
            with file:
                while chunk := file.read(CHUNK):
                    yield chunk

        return chunks()

    def size(self, folder: str, name: str) -> int | None:
        """How many bytes lie there; None where there is no such file."""
        try:
            return self._path(folder, name).stat().st_size
        except FileNotFoundError:
            return None

    def remove(self, folder: str, name: str) -> bool:
        """Removes a file, on disk when it returns."""
        path = self._path(folder, name)
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        except OSError as cause:
            raise room_error(cause, path) from cause
        _sync(path.parent)
        return True

    def lying(self) -> Iterator[Lying]:
        """Every file of the shelf, by folder and name."""
        for path in sorted(self.root.glob("*/*")):
            for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                try:
                    found = file.stat()
                except FileNotFoundError:  # somebody's unfinished one took its place, or it was erased
                    continue
                yield Lying(
                    file.relative_to(self.root).parts[0],
                    file.name,
                    found.st_size,
                    found.st_mtime_ns // 1000,
                )

    def _path(self, folder: str, name: str) -> Path:
        home = self.root / folder
        return home / name if name.endswith(UNFINISHED) else home / name[:2] / name

    @contextmanager
    def _making(self, home: Path) -> Iterator[None]:
        """A folder that is there and on disk; what the disk refuses inside the block is said in our words."""
        try:
            if not home.is_dir():
                home.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
                for each in (home, *home.parents):
                    _sync(each)
                    if each == self.root.parent:
                        break
            yield
        except OSError as cause:
            raise room_error(cause, home) from cause


class Memory:
    """A shelf that dies with the process."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], tuple[bytes, int]] = {}

    def put(self, folder: str, chunks: Iterable[bytes], name: Naming) -> str:
        """Keeps bytes."""
        raw = b"".join(chunks)
        found = name_for(hashlib.sha256(raw).hexdigest(), name)
        self._held[folder, found] = (raw, time.time_ns() // 1000)
        return found

    def read(self, folder: str, name: str) -> Iterator[bytes] | None:
        """The bytes, a chunk at a time."""
        found = self._held.get((folder, name))
        if found is None:
            return None
        return (found[0][start : start + CHUNK] for start in range(0, len(found[0]), CHUNK))

    def size(self, folder: str, name: str) -> int | None:
        """How many bytes lie there."""
        found = self._held.get((folder, name))
        return None if found is None else len(found[0])

    def remove(self, folder: str, name: str) -> bool:
        """Forgets bytes."""
        return self._held.pop((folder, name), None) is not None

    def lying(self) -> Iterator[Lying]:
        """Everything that is held, by folder and name."""
        for (folder, name), (raw, at) in sorted(self._held.items()):
            yield Lying(folder, name, len(raw), at)


def take_over(part: Path, file: Path | None) -> None:
    """Gives one file's payloads to another, in place of what it had; None: to nobody."""
    ours = part.with_name(part.name + SUFFIX)
    if file is not None:
        theirs = file.with_name(file.name + SUFFIX)
        shutil.rmtree(theirs, ignore_errors=not theirs.exists())
        if ours.exists():
            ours.replace(theirs)
    elif ours.exists():
        shutil.rmtree(ours)


def _sync(folder: Path) -> None:
    """A folder's entries are on disk: a rename or removal survives a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
