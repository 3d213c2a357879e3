"""PostgreSQL's errors in our words: what happened, and what to do."""

from __future__ import annotations

import psycopg
from psycopg import errors as pg
from psycopg_pool import PoolClosed, PoolTimeout

from engrams.errors import BadSetting, Busy, Corrupt, Denied, EngramsError, Full, StoreError, Unavailable

#: A transaction that met one of these is begun again: nothing of it was kept.
AGAIN = (pg.SerializationFailure, pg.DeadlockDetected)
#: The server is there and not yet, or no longer, taking work; the connection is gone with it.
_GONE = (pg.AdminShutdown, pg.CrashShutdown, pg.CannotConnectNow)
#: What libpq says where a name or password was wrong: it gives no code for failures while connecting.
_REFUSED = (
    "password",
    "authentication",
    "no pg_hba.conf entry",
    "role ",
    "not permitted to log in",
    "permission",
)


def is_gone(error: psycopg.Error) -> bool:
    """Whether the connection is lost, so that another one may do."""
    if isinstance(error, _GONE):
        return True
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and error.sqlstate is None


def in_our_words(error: psycopg.Error, location: str) -> EngramsError:
    """The error of the house for one of PostgreSQL's."""
    said = str(error).strip().split("\n")[0]
    if isinstance(error, PoolClosed):
        return Unavailable(f"{location}: this memory was closed; open it again")
    if isinstance(error, PoolTimeout):
        return Unavailable(
            f"{location}: no connection within the wait; the server cannot be reached, or its connections are all taken"
        )
    if isinstance(error, (*AGAIN, pg.LockNotAvailable, pg.QueryCanceled)):
        return Busy(
            f"{location}: others were writing the same ({said}); try again, or open with a longer wait"
        )
    if isinstance(error, pg.InsufficientPrivilege):
        return Denied(f"{location}: this user lacks a right ({said}); see docs/postgres.md, Rights")
    if isinstance(error, pg.DiskFull | pg.OutOfMemory | pg.ConfigurationLimitExceeded):
        return Full(
            f"{location}: the server is out of room ({said}); nothing of this write was kept; free some space"
        )
    if isinstance(error, pg.DataCorrupted | pg.IndexCorrupted):
        return Corrupt(f"{location}: the server found damaged pages ({said}); restore a backup")
    if isinstance(error, pg.ReadOnlySqlTransaction):
        return Unavailable(f"{location}: this server takes no writes (a standby?); connect to the primary")
    if isinstance(error, pg.ProgramLimitExceeded):
        return BadSetting("content", "text", f"less in one record: {said}")
    if isinstance(error, pg.UndefinedTable | pg.UndefinedColumn | pg.InvalidSchemaName):
        return Corrupt(f"{location}: a table that every memory has is missing ({said}); restore a backup")
    if is_gone(error):
        return Unavailable(
            f"{location}: the connection was lost ({said}); a write under way may or may not be kept: look, or repeat it "
            "with an idempotency key"
        )
    return StoreError(f"{location}: PostgreSQL refused ({type(error).__name__}: {said})")


def while_connecting(error: psycopg.Error, location: str) -> EngramsError:
    """The error of the house for a connection that did not come about."""
    said = " ".join(str(error).split())
    if 'database "' in said and "does not exist" in said:
        return Unavailable(f"{location}: there is no such database; make it with: createdb NAME")
    if any(word in said for word in _REFUSED):
        return Denied(
            f"{location}: the server refused this user ({_last(said)}); check name, password and pg_hba.conf"
        )
    return Unavailable(
        f"{location}: the server cannot be reached ({_last(said)}); is it running, and are host and port right?"
    )


def _last(said: str) -> str:
    """The server's own words: what comes after the places libpq tried."""
    return said.rsplit("FATAL: ", 1)[-1].strip()[:300]
