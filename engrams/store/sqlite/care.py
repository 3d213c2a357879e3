"""Upkeep: checking, copying, packing."""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from engrams.errors import Busy, NotAMemory, UsageError
from engrams.records import Problem
from engrams.store.rules import finding
from engrams.store.sqlite.auditing import broken_seals
from engrams.store.sqlite.cells import text_of
from engrams.store.sqlite.faults import in_our_words, is_locked
from engrams.store.sqlite.opening import FILE_MODE, HEADER_BYTES, holds_a_memory, room_error
from engrams.store.sqlite.schema import CURRENT, MIGRATIONS, OPEN
from engrams.store.sqlite.settings import set_setting, setting

#: Pages copied between two calls of `progress`.
PAGES_AT_ONCE = 512
#: Largest file, in bytes, that an erase writes anew at once: about a quarter of a second. Larger ones wait for `vacuum`.
MOST_REWRITTEN = 32 * 2**20
#: For a caller who said that the file is to be written anew, however large.
ANY_SIZE = 2**63
#: The setting that notes an erase whose bytes may still lie in the file.
UNFINISHED = "erase:unfinished"
#: Seconds an erase waits for others who read the old state.
SCRUB_WAIT = 1.0

_RESTORE = "restore the latest backup, or export what can be read and restore that into a new file"
_REBUILD = "rebuild the engrams from the journal"

#: What must not exist: (what is wrong, what mends it, a query of names).
_ORPHANS: tuple[tuple[str, str, str], ...] = (
    (
        "engram without contents",
        _REBUILD,
        "select id from engrams e where not exists (select 1 from contents where row = e.row and ns = e.ns)",
    ),
    (
        "contents without an engram",
        _REBUILD,
        "select row from contents c where not exists (select 1 from engrams where ns = c.ns and row = c.row)",
    ),
    (
        "vector without an engram",
        _REBUILD,
        "select row from vectors v where not exists (select 1 from engrams where ns = v.ns and row = v.row)",
    ),
    (
        "engram with more than one current version",
        _REBUILD,
        f"select id from engrams where closed_at = {OPEN} group by id having count(*) > 1",
    ),
    (
        "index entry whose terms and counts differ in number",
        _REBUILD,
        "select id from engrams where length(terms) <> 4 * length(counts) or length(pieces) % 2 <> 0",
    ),
    (
        "engram whose source is gone",
        _REBUILD,
        "select e.id from sources s join contents c on c.row = s.row join engrams e on e.ns = c.ns and e.row = c.row "
        "where not exists (select 1 from events where id = s.source) "
        "and not exists (select 1 from engrams where id = s.source)",
    ),
    (
        "link with an end that is gone",
        _REBUILD,
        "select source || ' -> ' || target from links l where not exists (select 1 from engrams where id = l.source) "
        "or not exists (select 1 from engrams where id = l.target)",
    ),
    (
        "event that cannot be read (its metadata or attachments are no JSON)",
        _RESTORE,
        "select id from events where (typeof(metadata) = 'text' and not json_valid(metadata)) "
        "or (typeof(attachments) = 'text' and not json_valid(attachments))",
    ),
    (
        "engram that cannot be read (its metadata, keys or payload are no JSON)",
        _REBUILD,
        "select e.id from contents c join engrams e on e.ns = c.ns and e.row = c.row "
        "where (typeof(c.metadata) = 'text' and not json_valid(c.metadata)) "
        "or (typeof(c.keys) = 'text' and not json_valid(c.keys)) "
        "or (typeof(c.payload) = 'text' and not json_valid(c.payload))",
    ),
    (
        "erased event that is still in the journal",
        "erase it again",
        "select id from events where id in (select id from tombstones)",
    ),
)


def problems(db: sqlite3.Connection) -> list[Problem]:
    """Everything that is wrong with the file; nothing is changed."""
    try:
        return list(_problems(db))
    except sqlite3.DatabaseError as error:
        if is_locked(error):
            raise
        return [Problem(f"the file is damaged: {error}", _RESTORE)]


def _problems(db: sqlite3.Connection) -> Iterator[Problem]:
    found = [str(row[0]) for row in db.execute("pragma quick_check(20)")]
    if found != ["ok"]:
        for line in found:
            yield Problem(f"the file is damaged: {line}", _RESTORE)
        return  # queries over damaged pages say nothing reliable
    broken = db.execute("pragma foreign_key_check").fetchall()
    if broken:
        tables = ", ".join(sorted({str(row[0]) for row in broken}))
        yield Problem(f"{len(broken)} rows point at nothing, in {tables}", _REBUILD)
    for what, mend, query in _ORPHANS:
        names = [str(text_of(row[0])) for row in db.execute(query)]
        if names:
            yield finding(what, mend, names)
    event, engram = db.execute("select event, engram from position").fetchone()
    last_event, last_row = db.execute(
        "select (select max(seq) from events), (select max(row) from contents)"
    ).fetchone()
    if (last_event or 0) > event or (last_row or 0) > engram:
        yield Problem("the counters are behind the rows", _RESTORE)
    for seal in broken_seals(db):
        yield Problem(
            seal, "the record of who did what cannot be trusted from there on; compare with a backup"
        )
    ran = [tuple(row) for row in db.execute("select version, name from migrations order by version")]
    if ran != [(m.version, m.name) for m in MIGRATIONS if m.version <= CURRENT]:
        yield Problem(f"the migrations on record are {ran}", _RESTORE)


def backup(
    db: sqlite3.Connection, source: Path | None, target: Path, progress: Callable[[int, int], None] | None
) -> None:
    """Copies one consistent state to a new file, or in place of an earlier backup.

    The copy is made beside the target and takes its place when it is whole and on disk. `progress` is called with
    (pages copied, pages in all).

    Raises:
        UsageError: the target is the memory itself.
        NotAMemory: something else lies at the target; it is left alone.
        Full, Unavailable: as their names say.
    """
    target = Path(os.path.abspath(target.expanduser()))  # noqa: PTH100 - resolve() would follow links
    if source is not None and target.exists() and target.samefile(source):
        raise UsageError(f"{target}: found the memory itself; choose another file for its backup")
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        if target.exists():
            with target.open("rb") as file:
                header = file.read(HEADER_BYTES)
            if header and not holds_a_memory(header):
                raise NotAMemory(
                    f"{target}: found a file that is no memory and left it alone; choose another path"
                )
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, FILE_MODE))
        _copy(db, part, progress)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as cause:
        raise room_error(cause, target) from cause
    finally:
        for left in (part, part.with_name(part.name + "-journal")):
            left.unlink(missing_ok=True)


def _copy(db: sqlite3.Connection, part: Path, progress: Callable[[int, int], None] | None) -> None:
    copy = sqlite3.connect(part, isolation_level=None)
    try:

        def report(_status: int, remaining: int, total: int) -> None:
            if progress is not None:
                progress(total - remaining, total)

        db.backup(copy, pages=PAGES_AT_ONCE, progress=report)
        # One plain file, whatever the original keeps beside itself.
        copy.execute("pragma journal_mode = delete")
    except sqlite3.Error as error:
        raise in_our_words(error, str(part)) from error
    finally:
        copy.close()


def vacuum(db: sqlite3.Connection, location: str, wait: float) -> None:
    """Packs the file and cuts its log back.

    Raises:
        Busy: others kept reading or writing all the time.
        Full: a packed copy did not fit beside the file.
    """
    db.execute(f"pragma busy_timeout = {int(wait * 1000)}")
    try:
        db.execute("vacuum")
        cut_log(db)
    except sqlite3.OperationalError as error:
        if is_locked(error):
            raise Busy(f"{location}: others are using the memory; try again when it is quiet") from error
        raise
    finally:
        db.execute("pragma busy_timeout = 0")


def mark_unfinished(db: sqlite3.Connection, at: int) -> None:
    """Notes, inside the transaction of an erase, that its bytes are still to be removed: also after a kill."""
    number = db.execute("select audit from position").fetchone()[0]
    set_setting(db, UNFINISHED, f"{number} {at}")


def unfinished(db: sqlite3.Connection) -> str | None:
    """The note of the last erase whose bytes may be left; None where none are."""
    return setting(db, UNFINISHED)


def finished(db: sqlite3.Connection, mark: str) -> None:
    """Takes the note away inside an open transaction, unless a later erase wrote another."""
    db.execute("delete from settings where key = ? and value = ?", (UNFINISHED, mark))


def scrub(db: sqlite3.Connection, size: int, most: int | None = None, wait: float = SCRUB_WAIT) -> bool:
    """Leaves no byte of what was deleted, in the file or its log; False where some may be left.

    `secure_delete` overwrites deleted cells, but not the copies that lie in the unused part of a page after its tree
    was balanced: those go when the file is written anew.
    """
    db.execute(f"pragma busy_timeout = {int(wait * 1000)}")
    try:
        fits = size <= (MOST_REWRITTEN if most is None else most)
        if fits:
            db.execute("vacuum")
        return cut_log(db) and fits
    finally:
        db.execute("pragma busy_timeout = 0")


def cut_log(db: sqlite3.Connection) -> bool:
    """Moves the log into the file and empties it; False where a reader still needs it."""
    busy, *_ = db.execute("pragma wal_checkpoint(truncate)").fetchone()
    return not busy
