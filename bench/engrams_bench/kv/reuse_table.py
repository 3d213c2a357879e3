"""What `reusing` and `first_token` measured, as tables of docs/kv.md and as figures of `engrams kv policies`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engrams_bench.measures.paired import paired

BEGIN = (
    "<!-- engrams-bench kv-reuse: begin. Made by `engrams-bench report`; change the results, not this. -->"
)
ROWS, FIRST_TOKEN = "reuse.json", "first-token.json"
FULL = "full prefill"
#: The row that stands for a way of reuse where there is room for one.
STANDS_FOR: Mapping[str, str] = {
    "cacheblend": "cacheblend 0.25",
    "cache-craft": "cache-craft, alpha 1",
    "edge": "edge 0.15",
    "stalest-chunks": "stalest 3 chunks by their last third",
    "given-chunks": "the chunks that refer to others, given",
    "concatenate": "plain concatenation",
    "re-rotate": "re-rotated, nothing computed",
    "random": "random, as dear as cacheblend 0.25",
}


def markdown(folder: Path) -> str:
    """Both tables, from the result files in `folder`."""
    rows, first = (folder / ROWS, folder / FIRST_TOKEN)
    if not rows.is_file() or not first.is_file():
        return "No results yet: `engrams-bench kv-reuse` makes them."
    told, timed = (json.loads(path.read_text(encoding="utf-8")) for path in (rows, first))
    return "\n\n".join((quality(told), _made(told), speed(timed), _timed(timed)))


def quality(found: Mapping[str, Any]) -> str:
    """A row for each way: token-layers computed, right answers by how many chunks they need, the distance to a full prefill.

    The distance is over the questions that need several chunks, with the 95 % interval of the paired bootstrap over contexts.
    """
    lines = [
        "| way | token-layers computed | own chunk | two chunks | three chunks | several chunks, less a full prefill |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    depths = [question["depth"] for question in found["questions"]]
    deep = [at for at, depth in enumerate(depths) if depth]
    contexts = [found["questions"][at]["context"] for at in deep]
    full = _row(found, FULL)["right"]
    for row in found["rows"]:
        told = row["right"]
        cells = " | ".join(f"{100 * _right(told, depths, (depth,)):.1f}" for depth in (0, 1, 2))
        gap = "–"
        if row["way"] != FULL:
            by_lot = paired([float(full[at]) for at in deep], [float(told[at]) for at in deep], contexts)
            low, high = (100 * end for end in by_lot.interval)
            gap = f"{100 * by_lot.difference:+.1f} ({low:+.1f} to {high:+.1f})"
        lines.append(f"| {row['way']} | {100 * row['share']:.0f} % | {cells} | {gap} |")
    return "\n".join(lines)


def speed(found: Mapping[str, Any]) -> str:
    """A row for each way: how many times faster than a full prefill at each depth, and what share it computed there."""
    depths = found["depths"]
    heads = " | ".join(f"{depth['layers']} layers" for depth in depths)
    lines = [f"| first token behind | {heads} |", f"|---|{'--:|' * len(depths)}"]
    for at, row in enumerate(depths[0]["rows"]):
        cells = [
            f"{held['seconds']:.2f} s"
            if row["way"] == FULL
            else f"{held['times']:.1f} × ({100 * held['share']:.0f} %)"
            for held in (depth["rows"][at] for depth in depths)
        ]
        lines.append(f"| {row['way']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def figures(found: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """For each way of reuse: the share of token-layers computed, and of right answers that need several chunks."""
    depths = [question["depth"] for question in found["questions"]]
    return {
        name: {
            "token_layers": _row(found, way)["share"],
            "right_across_chunks": round(_right(_row(found, way)["right"], depths, (1, 2)), 4),
        }
        for name, way in STANDS_FOR.items()
    }


def _row(found: Mapping[str, Any], way: str) -> Mapping[str, Any]:
    row: Mapping[str, Any] = next(row for row in found["rows"] if row["way"] == way)
    return row


def _right(told: str, depths: Sequence[int], wanted: Sequence[int]) -> float:
    held = [answer == "1" for answer, depth in zip(told, depths, strict=True) if depth in wanted]
    return sum(held) / len(held)


def _made(found: Mapping[str, Any]) -> str:
    settings, machine = found["settings"], found["machine"]
    return (
        f"Right answers in percent, {settings['questions']} questions, seeds {', '.join(map(str, settings['seeds']))}; brackets: 95 % "
        f"intervals of the paired bootstrap over contexts. Made by `engrams-bench kv-reuse` from {str(found['origin']['commit'])[:9]} on "
        f"{machine['processor']}, one thread, {found['cpu_seconds']:.0f} CPU seconds."
    )


def _timed(found: Mapping[str, Any]) -> str:
    told = found["settings"]
    return (
        "How many times faster than a full prefill, and in brackets the token-layers computed anew: "
        f"{told['chunks']} chunks, {told['tokens']:,} tokens, a question of {told['question']}, width {told['width']}, random "
        "weights (time does not depend on them); blocks are loaded from disk each time. CPU seconds of one thread, median "
        f"of {told['repeats']} rounds, {found['machine']['processor']}."
    )
