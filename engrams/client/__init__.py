"""The typed client of the REST server: the calls of `Memory` with the same arguments, records and errors.

    from engrams.client import Client

    with Client("http://127.0.0.1:8765") as memory:
        memory.add("Anna moved to Porto in May.", user_id="anna")
        memory.search("Where does Anna live?", user_id="anna")

Needs the extra `client`. Importing this does no work: what speaks HTTP is loaded when a client is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engrams.client.asynchronous import AsyncClient
    from engrams.client.synchronous import Client

__all__ = ["AsyncClient", "Client"]

_ROOMS = {"AsyncClient": "engrams.client.asynchronous", "Client": "engrams.client.synchronous"}


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module 'engrams.client' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_ROOMS[name]), name)
