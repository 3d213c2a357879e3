"""Where things lie: the choice of a store by path or address."""

from __future__ import annotations

import os
from importlib.util import find_spec

from engrams.errors import NeedsExtra, UnknownName
from engrams.ports import Store

#: Addresses of stores that are servers, and the extra each needs.
_SERVERS = {"postgresql": "postgres", "postgres": "postgres"}


def open_store(path_or_url: str | os.PathLike[str], *, wait: float = 30.0) -> Store:
    """Opens the store at a file path, at ":memory:", or at an address such as postgresql://host/name.

    `wait` is how many seconds a call waits for another's lock.

    Raises:
        NeedsExtra: the address is of a store whose extra is not installed.
        UnknownName: an address of no kind known here.
        UsageError, StoreError: as the store's own `open` says.
    """
    given = os.fspath(path_or_url)
    scheme, separator, _ = given.partition("://") if isinstance(given, str) else ("", "", "")
    if separator:
        if scheme in _SERVERS:
            if find_spec("psycopg") is None or find_spec("psycopg_pool") is None:
                raise NeedsExtra(f"a memory at {scheme}://", _SERVERS[scheme])
            from engrams.store.postgres import PostgresStore

            return PostgresStore.open(given, wait=wait)
        raise UnknownName("kind of store", scheme, [*_SERVERS, "a file path", ":memory:"])
    from engrams.store.sqlite import SqliteStore

    return SqliteStore.open(path_or_url, wait=wait)
