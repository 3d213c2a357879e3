"""Opening a file as a memory: never touches what is none, makes what is not there yet, brings old schemas up to date."""

from __future__ import annotations

import errno
import os
import random
import sqlite3
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from engrams.errors import BadSetting, Corrupt, Full, NewerSchema, NotAMemory, StoreError, Unavailable
from engrams.store.sqlite import conditions
from engrams.store.sqlite.faults import is_locked, primary_code, translated
from engrams.store.sqlite.schema import APPLICATION_ID, CURRENT, MIGRATIONS

#: UPSERT and URI file names are older; 3.31 is the oldest SQLite that distributions of Python 3.11 link.
OLDEST_SQLITE = (3, 31, 0)
#: https://www.sqlite.org/fileformat2.html, section 1.3: the header is 100 bytes, the application id at 68.
HEADER_BYTES, MAGIC, APPLICATION_ID_AT = 100, b"SQLite format 3\0", slice(68, 72)
#: Only the owner reads a memory, unless they say otherwise: SQLite gives the files beside it the same mode.
FILE_MODE, FOLDER_MODE = 0o600, 0o700
#: Prepared statements kept per connection: more than this store has.
STATEMENTS = 256
#: What every connection is told: acknowledged means on disk, deleted means overwritten; 16 MB of pages in memory
#: (SQLite's default is 2) for the upper levels of a large memory's trees; a log cut back to 16 MiB after large writes.
#: Pages of 8 KiB, in files made from now on: a vector of 384 numbers (1.5 KB) then lies in its tree's page, where in
#: SQLite's usual 4 KiB each would take a page of its own beside it and the file would be twice as large.
SETTINGS = (
    "page_size = 8192",
    "foreign_keys = on",
    "synchronous = full",
    "secure_delete = on",
    "cache_size = -16000",
    f"journal_size_limit = {16 * 2**20}",
)
#: Pauses between two tries for a lock, in seconds: first about one short commit, at last well below a person's patience.
FIRST_PAUSE, LONGEST_PAUSE = 0.001, 0.02

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a memory lies and how it may be used."""

    path: Path | None  # None: in memory
    read_only: bool = False
    immutable: bool = False  # nobody can write beside it, so SQLite may read without its lock files

    @property
    def location(self) -> str:
        """What messages and `Store.location` call it."""
        return ":memory:" if self.path is None else str(self.path)

    def connect(self, wait: float) -> sqlite3.Connection:
        """A new connection with every setting this store relies on, and one look into the file."""
        if self.path is None:
            uri = ":memory:"
        else:
            mode = "mode=ro" if self.read_only else "mode=rw"
            uri = f"file:{quote(str(self.path))}?{mode}{'&immutable=1' if self.immutable else ''}"
        db = sqlite3.connect(
            uri,
            uri=True,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=STATEMENTS,
        )

        def prepare() -> None:
            for setting in SETTINGS:
                db.execute(f"pragma {setting}")
            db.execute("pragma schema_version").fetchone()

        try:
            until_free(prepare, wait)
            conditions.register(db)
        except sqlite3.Error:
            db.close()
            raise
        return db


def until_free(act: Callable[[], T], wait: float) -> T:
    """Does something that another connection's lock may refuse, again and again for `wait` seconds."""
    deadline, pause = time.monotonic() + wait, FIRST_PAUSE
    while True:
        try:
            return act()
        except sqlite3.OperationalError as error:
            if not is_locked(error) or time.monotonic() >= deadline:
                raise
        time.sleep(random.uniform(0, pause))
        pause = min(2 * pause, LONGEST_PAUSE)


def open_place(path: str | os.PathLike[str], wait: float) -> tuple[Place, sqlite3.Connection]:
    """Opens or makes the memory at a path and returns where it is and a first connection.

    Raises:
        BadSetting: no usable path.
        NotAMemory: the file is something else; it is left as it is.
        NewerSchema, Corrupt, Unavailable, Full, Busy: as their names say.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        raise Unavailable(f"this Python has SQLite {sqlite3.sqlite_version}; expected {oldest} or later")
    if os.fspath(path) == ":memory:":
        place = Place(None)
        db = place.connect(wait)
        migrate(place, db, wait)
        return place, db
    place = _look(_absolute(path))
    location = place.location
    with translated(location):
        try:
            db = place.connect(wait)
        except sqlite3.OperationalError as error:
            if not place.read_only or primary_code(error) not in (
                sqlite3.SQLITE_CANTOPEN,
                sqlite3.SQLITE_READONLY,
            ):
                raise
            place, db = _without_locks(place, wait)
        try:
            migrate(place, db, wait)
        except BaseException:
            db.close()
            raise
    return place, db


def _absolute(path: str | os.PathLike[str]) -> Path:
    given = os.fspath(path)
    if not isinstance(given, str) or not given.strip() or "\0" in given:
        raise BadSetting("path", path, "the path of a file, or ':memory:'")
    return Path(os.path.abspath(Path(given).expanduser()))  # noqa: PTH100 - resolve() would follow links


def _look(path: Path) -> Place:
    """Makes the file if there is none, else reads its first bytes without SQLite, which could change it."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return _make(path)
    except (OSError, ValueError) as cause:
        raise Unavailable(
            f"{path}: cannot be looked at ({_why(cause)}); check the path and its permissions"
        ) from cause
    if stat.S_ISDIR(found.st_mode):
        raise Unavailable(f"{path}: found a folder; expected a file, for instance {path / 'memory.db'}")
    if not stat.S_ISREG(found.st_mode):
        raise Unavailable(f"{path}: found a device or pipe; expected an ordinary file")
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
    except OSError as cause:
        raise Unavailable(f"{path}: cannot be read ({_why(cause)}); check its permissions") from cause
    writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK | os.X_OK)
    if not header:
        if not writable:
            raise Unavailable(
                f"{path}: found an empty file that this user cannot write; give permission on it and its folder"
            )
        return Place(path)
    if not header.startswith(MAGIC):
        raise NotAMemory(f"{path}: found a file that is no memory and left it alone; choose another path")
    if not holds_a_memory(header):
        raise NotAMemory(
            f"{path}: found another program's SQLite database and left it alone; choose another path"
        )
    return Place(path, read_only=not writable)


def holds_a_memory(header: bytes) -> bool:
    """Whether a file's first bytes are those of a memory."""
    return header.startswith(MAGIC) and int.from_bytes(header[APPLICATION_ID_AT], "big") == APPLICATION_ID


def _make(path: Path) -> Place:
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE))
    except FileExistsError:
        if not path.exists():
            raise Unavailable(f"{path}: found a file where a folder is needed; choose another path") from None
        return _look(path)  # another process made it first
    except OSError as cause:
        raise Unavailable(
            f"{path}: cannot be made ({_why(cause)}); choose a folder that this user may write to"
        ) from cause
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise Unavailable(f"{path.parent}: this user may not write to the folder; choose another")
    return Place(path)


def _without_locks(place: Place, wait: float) -> tuple[Place, sqlite3.Connection]:
    """Reads a file in a folder where SQLite may not make its lock files: sound only while there is no log beside it."""
    assert place.path is not None
    log = place.path.with_name(place.path.name + "-wal")
    if log.exists() and log.stat().st_size > 0:
        raise Unavailable(
            f"{place.location}: the newest writes lie in {log.name}, and reading them needs write permission on the folder; "
            "open it once as a user who may write there, or copy both files elsewhere"
        )
    place = Place(place.path, read_only=True, immutable=True)
    return place, place.connect(wait)


def migrate(place: Place, db: sqlite3.Connection, wait: float) -> None:
    """Brings the schema up to date, one transaction per migration; of several processes one does it.

    Raises:
        NewerSchema: written by a later version.
        Unavailable: an older schema in a file that cannot be written.
        Corrupt: a memory by its first bytes and none by its tables.
    """
    with translated(place.location):
        version = until_free(lambda: _version(db), wait)
        if version > CURRENT:
            raise NewerSchema(
                f"{place.location}: found schema {version}, written by a later version; this one reads up to {CURRENT}: "
                "upgrade engrams (pip install -U engrams)"
            )
        if version == CURRENT:
            _require_tables(place, db)
            if place.path is not None and not place.read_only:
                _use_log(db, wait)
            return
        if place.read_only:
            raise Unavailable(
                f"{place.location}: schema {version} must be brought to {CURRENT}, and the file cannot be written; "
                "open it once as a user who may write it"
            )
        for migration in MIGRATIONS:
            # Exclusive: in the file's first moments there is no log yet, and a reader must not see half of it.
            until_free(lambda: db.execute("begin exclusive"), wait)
            try:
                if _version(db) < migration.version:
                    if _version(db) == 0 and db.execute("select count(*) from sqlite_master").fetchone()[0]:
                        raise Corrupt(
                            f"{place.location}: found tables without a schema number; restore a backup"
                        )
                    migration.apply(db)
                    row = (migration.version, migration.name, time.time_ns() // 1000)
                    db.execute("insert into migrations values (?, ?, ?)", row)
                    db.execute(f"pragma user_version = {migration.version}")
                db.execute("commit")
            except BaseException:
                if db.in_transaction:
                    db.execute("rollback")
                raise
        if place.path is not None:
            _use_log(db, wait)


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("pragma user_version").fetchone()[0])


def _use_log(db: sqlite3.Connection, wait: float) -> None:
    def switch() -> str:
        return str(db.execute("pragma journal_mode = wal").fetchone()[0])

    if until_free(switch, wait) != "wal":
        raise StoreError(
            "SQLite cannot keep a write-ahead log here (a network file system?); use a local disk"
        )


def _require_tables(place: Place, db: sqlite3.Connection) -> None:
    try:
        row = db.execute("select event from position").fetchone()
    except sqlite3.OperationalError as error:
        if primary_code(error) != sqlite3.SQLITE_ERROR:
            raise
        row = None
    if row is None:
        raise Corrupt(f"{place.location}: a table that every memory has is missing; restore a backup")


def room_error(cause: OSError, path: Path) -> StoreError:
    """The error of the house for a failed copy."""
    if cause.errno in (errno.ENOSPC, errno.EDQUOT):
        return Full(f"{path}: no room left on the device; free some space or choose another place")
    return Unavailable(
        f"{path}: cannot be written ({_why(cause)}); choose a place that this user may write to"
    )


def _why(cause: Exception) -> str:
    return getattr(cause, "strerror", None) or str(cause)
