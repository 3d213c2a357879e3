"""What the room of activation memory offers, for the doors: its names and its measurements. The room itself needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from engrams.errors import NeedsExtra
from engrams.records import Json


def policies() -> list[Mapping[str, Json]]:
    """A card for each compression policy and way of reuse: the work behind `Memory.policies`."""
    return list(_room("listing", "Memory.policies").cards())


def _room(name: str, what: str) -> ModuleType:
    """A module of the room kv.

    Raises:
        NeedsExtra: torch or transformers is not installed.
    """
    from importlib import import_module

    try:
        return import_module(f"engrams.kv.{name}")
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] == "engrams":
            raise
        raise NeedsExtra(what, "torch") from missing
