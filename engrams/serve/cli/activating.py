"""Commands about blocks of a model's cache: what can be done with them, which lie in a memory, what it does to a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

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


@command
@click.option("--model", required=True, metavar="FOLDER", help="A causal language model, on this machine.")
@click.option(
    "--text", required=True, metavar="FILE", help="A text; token ids where the folder has no tokenizer."
)
@click.option(
    "--budget",
    "budgets",
    type=float,
    multiple=True,
    metavar="SHARE",
    help="Share of the entries that may stay; repeat for more; 0.5 and 0.25.",
)
@click.option("--only", metavar="A,B", help="Names, joined by commas; see: engrams kv policies")
def bench(call: Call, /, model: str, text: str, budgets: tuple[float, ...], only: str | None) -> None:
    """What compression and reuse do to a model and a text of yours: bytes, how alike it goes on, seconds.

    The model reads the last quarter of the text behind the full cache of the rest, and behind smaller and composed ones.
    """
    from engrams.memory import bench_policies

    names = [name.strip() for name in (only or "").split(",") if name.strip()]
    with call.out.progress("Measuring") as progress:
        found = bench_policies(model, text, budgets=budgets or (0.5, 0.25), only=names, progress=progress)
    if call.out.as_json:
        call.out.json(found)
        return
    rows = [
        (
            row["kind"],
            row["name"],
            "" if row["budget"] is None else row["budget"],
            "" if row["bytes"] is None else size(row["bytes"]),
            *(
                "" if row[key] is None else f"{row[key]:.3f}"
                for key in ("same", "loss", "recomputed", "seconds")
            ),
            row["refused"],
        )
        for row in found
    ]
    heads = ("kind", "name", "budget", "bytes", "same", "loss", "recomputed", "seconds", "refused")
    call.out.table(heads, rows, right=heads[2:8])


def _figures(measured: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in measured.items()) or "not measured"


def _milliseconds(value: object) -> str:
    return "" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)


kv = Group(
    name="kv",
    commands=[policies, list_, bench],
    help="Blocks of a model's cache: what a model computed for texts, kept beside them.",
)
