"""Engrams: long-term memory for LLM agents. One journal, many memories; works offline in one file with no key.

    from engrams import Memory

    with Memory.open() as memory:
        memory.add("Anna moved to Porto in May.", user_id="anna")
        memory.search("Where does Anna live?", user_id="anna")

Importing this package does no work: what needs numpy is loaded when it is first named.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engrams.aio import AsyncMemory
    from engrams.errors import EngramsError, NotFound, UsageError
    from engrams.memory import Memory
    from engrams.recipe import Paper, Recipe
    from engrams.records import (
        Citation,
        Context,
        Deletion,
        Engram,
        Event,
        Hit,
        Link,
        Message,
        Page,
        Price,
        Receipt,
        Revision,
        Stats,
    )

__version__ = "0.1.0"

__all__ = [
    "AsyncMemory",
    "Citation",
    "Context",
    "Deletion",
    "Engram",
    "EngramsError",
    "Event",
    "Hit",
    "Link",
    "Memory",
    "Message",
    "NotFound",
    "Page",
    "Paper",
    "Price",
    "Receipt",
    "Recipe",
    "Revision",
    "Stats",
    "UsageError",
]

_ROOMS = {
    "AsyncMemory": "engrams.aio",
    "EngramsError": "engrams.errors",
    "Memory": "engrams.memory",
    "NotFound": "engrams.errors",
    "Paper": "engrams.recipe",
    "Recipe": "engrams.recipe",
    "UsageError": "engrams.errors",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'engrams' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(_ROOMS.get(name, "engrams.records")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__"})
