"""Activation memory: what a model computed for a text, kept, moved, composed and compressed. Needs the extra `torch`.

Everything here works on models of `transformers` with rotary positions, through the public interface of their caches. Importing
this does no work; the names are loaded when they are asked for.
"""

from __future__ import annotations

from typing import Any

from engrams.errors import NeedsExtra

#: Where each public name lives.
_HOMES = {
    "ActivationMemory": "engrams.kv.activation",
    "Block": "engrams.kv.block",
    "Composed": "engrams.kv.composing",
    "Rotary": "engrams.kv.rotary",
    "fingerprint": "engrams.kv.fingerprint",
}


def __getattr__(name: str) -> Any:
    """A public name.

    Raises:
        NeedsExtra: torch or transformers is not installed.
        AttributeError: no such name.
    """
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    try:
        return getattr(import_module(_HOMES[name]), name)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] == "engrams":
            raise
        raise NeedsExtra(f"activation memory ({name})", "torch") from missing


def __dir__() -> list[str]:
    return sorted(_HOMES)
