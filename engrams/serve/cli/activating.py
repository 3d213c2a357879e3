"""Commands about blocks of a model's cache: what can be done with them, and which lie in a memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engrams.serve.cli.call import Call, command
from engrams.serve.cli.commands import Group
from engrams.serve.cli.output import size, when


@command
def policies(call: Call, /) -> None:
    """Compression policies and ways of reuse: kind, name, paper, and what was measured of it on the fixture model."""
    from engrams.memory import Memory

    found = Memory.policies()
    if call.out.as_json:
        call.out.json(found)
        return
    rows = [
        (
            card["kind"],
            card["name"],
            _figures(card["measured"]),
            card["paper"] or "a row of reference, or ours",
        )
        for card in found
    ]
    call.out.table(("kind", "name", "measured", "paper"), rows)


@command
def list_(call: Call, /) -> None:
    """The blocks of a namespace: id, tokens, layers, bytes, milliseconds saved, model, when, text."""
    with call.memory() as memory:
        found = memory.payloads("kv-block", **call.scopes())
    if call.out.as_json:
        call.out.json(found)
        return
    rows = [
        (
            engram.id,
            engram.metadata.get("tokens", 0),
            engram.metadata.get("layers", 0),
            size(engram.payload.bytes) if engram.payload else "dropped",
            _milliseconds(engram.metadata.get("milliseconds_saved")),
            str(engram.metadata.get("fingerprint", ""))[:12],
            when(engram.recorded_at),
            engram.content,
        )
        for engram in found
    ]
    heads = ("id", "tokens", "layers", "bytes", "saves ms", "model", "made", "text")
    call.out.table(heads, rows, right=("tokens", "layers", "bytes", "saves ms"))


def _figures(measured: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in measured.items()) or "not measured"


def _milliseconds(value: object) -> str:
    return "" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)


kv = Group(
    name="kv",
    commands=[policies, list_],
    help="Blocks of a model's cache: what a model computed for texts, kept beside them.",
)
