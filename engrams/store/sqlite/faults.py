"""SQLite's errors in our words: what happened, and what to do."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from engrams.errors import BadSetting, Busy, Corrupt, EngramsError, Full, StoreError, Unavailable


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code (the low byte of the extended one), 0 where Python itself raised the error."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def is_locked(error: sqlite3.Error) -> bool:
    """Whether another connection stands in the way for a moment."""
    return primary_code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)


def unreadable(error: ValueError, location: str) -> Corrupt:
    """The error of the house for a cell that holds no text or no JSON any more."""
    return Corrupt(
        f"{location}: a record is damaged ({error}); `engrams doctor` says where; restore a backup"
    )


def in_our_words(error: sqlite3.Error, location: str) -> EngramsError:
    """The error of the house for one of SQLite's."""
    code = primary_code(error)
    if is_locked(error):
        return Busy(
            f"{location}: another process holds the lock ({error}); try again, or open with a longer wait"
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return Corrupt(
            f"{location}: the file is damaged ({error}); `engrams doctor` says where; restore a backup"
        )
    if "Could not decode to UTF-8" in str(error):  # raised by Python, without a code
        return unreadable(ValueError("text is no UTF-8"), location)
    if code == sqlite3.SQLITE_FULL:
        return Full(
            f"{location}: no room left on the device ({error}); nothing of this write was kept; free some space"
        )
    if code == sqlite3.SQLITE_READONLY:
        return Unavailable(
            f"{location}: cannot be written ({error}); give this user write permission on the file and its folder"
        )
    if code == sqlite3.SQLITE_IOERR:
        return Unavailable(
            f"{location}: the disk refused ({error}); look at device, quota and file size limit; nothing was kept"
        )
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return Unavailable(f"{location}: cannot be opened ({error}); check the path and its permissions")
    if code == sqlite3.SQLITE_TOOBIG:
        return BadSetting("content", "text", "at most about a billion bytes of text in one record")
    return StoreError(
        f"{location}: SQLite refused ({type(error).__name__}: {error}); `engrams doctor` checks the file"
    )


@contextmanager
def translated(location: str) -> Iterator[None]:
    """Raises what SQLite raises, and what damaged cells raise, as errors of the house."""
    try:
        yield
    except (sqlite3.Error, ValueError) as error:
        ours = translation(error, location)
        if ours is None:
            raise
        raise ours from error


def translation(error: BaseException | None, location: str) -> EngramsError | None:
    """The error of the house for what SQLite or a damaged cell raised; None for anything else."""
    if isinstance(error, sqlite3.Error):
        return in_our_words(error, location)
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)):
        return unreadable(error, location)
    return None
