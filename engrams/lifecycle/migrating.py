"""Moving a memory from one store to another: both directions, cut off and gone on with, verified at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from engrams.errors import NotFound, UsageError
from engrams.store import open_store
from engrams.store.moving import End, Moved, move

if TYPE_CHECKING:
    from engrams.store.postgres.local import LocalServer


def migrate(
    source: str | Path,
    target: str | Path,
    *,
    wait: float = 30.0,
    progress: Callable[[int, int], None] | None = None,
) -> Moved:
    """Copies a whole memory into an empty place; run again after it was cut off, it goes on. The source stays as it is.

    Args:
        source, target: a file or an address such as postgresql://host/database.
        wait: seconds to wait for others' locks.
        progress: called with (events and versions looked at, how many there are).

    Raises:
        NotFound: there is no memory at the source.
        UsageError: both are the same place, or the target holds something else.
        StoreError: a store failed, or they differ afterwards.
    """
    if "://" not in str(source) and not Path(source).expanduser().exists():
        raise NotFound(f"there is no memory at {source}")
    ours = cast(End, open_store(source, wait=wait))
    try:
        theirs = cast(End, open_store(target, wait=wait))
        try:
            if ours.location == theirs.location:
                raise UsageError(f"{ours.location} is both source and target; name two places")
            return move(ours, theirs, progress)
        finally:
            theirs.close()
    finally:
        ours.close()


def local_server(folder: str | Path, port: int) -> LocalServer:
    """A PostgreSQL server of one's own in a folder, not yet started: `with local_server(…) as server: server.url`.

    Raises:
        NeedsExtra: the driver is not installed.
        BadSetting: no such port.
    """
    from importlib.util import find_spec

    from engrams.errors import NeedsExtra

    if find_spec("psycopg") is None or find_spec("psycopg_pool") is None:
        raise NeedsExtra("a PostgreSQL server of one's own", "postgres-server")
    from engrams.store.postgres.local import LocalServer, checked_port

    return LocalServer(folder, port=checked_port(port))


__all__ = ["Moved", "local_server", "migrate"]
