"""What the room of activation memory offers, for the doors: its names and its measurements. The room itself needs torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

from engrams.errors import NeedsExtra
from engrams.records import Json


def policies() -> list[Mapping[str, Json]]:
    """A card for each compression policy and way of reuse: the work behind `Memory.policies`."""
    return list(_room("listing", "Memory.policies").cards())


def bench_policies(
    model: str | Path,
    text: str | Path,
    *,
    budgets: Sequence[float] = (0.5, 0.25),
    only: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> list[Mapping[str, Json]]:
    """What policies and ways of reuse do to a model (a local folder) and a text file: a row of figures each.

    Raises:
        NeedsExtra: the extra `torch` is not installed.
        NotFound, BadSetting: no such model or text; a budget out of range; a name that is none.
    """
    room = _room("trial", "engrams kv bench")
    found, tokens = room.load(model, text)
    rows = room.trial(found, tokens, budgets=budgets, only=only, progress=progress)
    return [asdict(row) for row in rows]


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
