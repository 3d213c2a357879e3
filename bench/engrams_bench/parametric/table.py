"""The table and the pictures of docs/weights.md, from the committed results of `engrams-bench weights`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engrams_bench.svg import Axis, Line, Picture

#: Where the results lie, below the folder of results; and the file of the month among them.
FOLDER, MONTH = "weights", "month.json"
ORDER = (
    *("nothing written", "session-lora", "fpf", "hierarchical-memory", "i-lora", "i-lora, ema 0.98", "mac"),
    *("mlp-memory", "mlp-memory, lam 0.75", "second-me", "sema", "sparse-mezo", "wise", "wise, merged"),
    *(
        "full-fine-tuning",
        "one-lora",
        "one-lora, replay",
        "merged-lora",
        "merged-lora, linear",
        "merged-lora, cat",
    ),
)
#: The rows whose way over the sessions is drawn: ours, what fails, and what lies between. More lines nobody can tell apart.
DRAWN = (
    "session-lora",
    "i-lora, ema 0.98",
    "sema",
    "wise",
    "one-lora, replay",
    "one-lora",
    "full-fine-tuning",
)
#: To reach on this model, as the table says.
RECALL, KEPT = 0.95, 0.98


def gather(folder: Path) -> list[Mapping[str, Any]]:
    """The rows in a folder of results, in the order of the table."""
    found = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in sorted((folder / FOLDER).glob("*.json"))
        if path.name != MONTH
    ]
    return sorted(found, key=lambda one: ORDER.index(one["row"]))


def month(folder: Path) -> Mapping[str, Any] | None:
    """The result of the month of use; None where it is not there."""
    path = folder / FOLDER / MONTH
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _mean(row: Mapping[str, Any], read: Callable[[Mapping[str, Any]], float | None]) -> float | None:
    held = [value for one in row["seeds"] if (value := read(one)) is not None]
    return sum(held) / len(held) if held else None


def _spread(row: Mapping[str, Any], name: str) -> str:
    """The mean over seeds, with the least and the most where they differ."""
    held = [one["after"][-1][name] for one in row["seeds"]]
    mean = f"{100 * sum(held) / len(held):.1f}"
    low, high = (f"{100 * value:.1f}" for value in (min(held), max(held)))
    return mean if low == high else f"{mean} ({low}–{high})"


def markdown(rows: Sequence[Mapping[str, Any]], used: Mapping[str, Any] | None = None) -> str:
    """One table of the rows, and one of the month where there is one."""
    if not rows:
        return "No results yet: `engrams-bench weights` makes them."
    heads = (
        "row",
        "recall",
        "in other words",
        "first session",
        "base kept",
        "drift",
        "write s",
        "kB",
        "taken back",
    )
    lines = [f"| {' | '.join(heads)} |", f"|---|{'--:|' * (len(heads) - 1)}"]
    seeds = sorted({one["seed"] for row in rows for one in row["seeds"]})
    for row in rows:
        last = [one["after"][-1] for one in row["seeds"]]
        fewer = "" if len(last) == len(seeds) else f" ({len(last)} seeds)"
        back = sum(bool(step["taken back"]) for one in row["seeds"] for step in one["after"])
        writes = sum(len(one["after"]) for one in row["seeds"])
        nothing = row["method"] is None
        cells = (
            f"`{row['row']}`" + ("*" if row["approximation"] else "") + fewer,
            _spread(row, "all"),
            _spread(row, "in other words"),
            f"{100 * sum(one['recall'][0] for one in last) / len(last):.1f}",
            _spread(row, "kept"),
            f"{sum(one['drift'] for one in last) / len(last):.3f}",
            "–" if nothing else f"{_mean(row, lambda one: one['seconds'] / len(one['after'])):.1f}",
            "–" if nothing else f"{(_mean(row, lambda one: one['bytes']) or 0) / 1e3:,.0f}",
            "–" if nothing else f"{back} of {writes}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    commits = list(dict.fromkeys(str(row["origin"]["commit"])[:9] for row in rows))
    made_from = commits[0] if len(commits) == 1 else f"{commits[0]} and {len(commits) - 1} commits beside it"
    lines += [
        "",
        f"Means over seeds {', '.join(map(str, seeds))} (least and most in brackets), after the last of three sessions: percent of "
        "questions of all sessions answered right, asked as written and in words that were never trained on; of the first "
        "session alone; of the model's own facts that nobody changed; drift in nats a token on unrelated text; processor "
        "seconds a write and bytes of all parts; writes that the default limits take back. * an approximation of the paper. "
        f"Made by `engrams-bench weights` on {rows[0]['machine']['processor']}, one thread, from {made_from}.",
    ]
    if used is not None:
        lines += ["", *_month(used)]
    return "\n".join(lines)


def _month(used: Mapping[str, Any]) -> list[str]:
    heads = (
        "forms",
        "tokens read",
        "saved",
        "ms to use",
        "ms to make",
        "ms in all",
        "saved",
        "MB at the end",
        "moves",
    )
    lines = [f"| {' | '.join(heads)} |", f"|---|{'--:|' * (len(heads) - 1)}"]
    base = used["rows"][0]
    for row in used["rows"]:
        lines.append(
            f"| {row['name']} | {row['tokens']:,.0f} | {_saved(base, row, 'tokens')} | {row['use']:,.0f} | {row['make']:,.0f} | "
            f"{row['use'] + row['make']:,.0f} | {_saved(base, row, 'use', 'make')} | {row['megabytes']:,.1f} | {row['moves']} |"
        )
    costs = used["costs"]
    lines += [
        "",
        f"A simulated month: {used['memories']} memories of {used['tokens'][0]} to {used['tokens'][1]} tokens, {used['uses']:,} uses "
        f"that are shared out by Zipf's law and change hands in the middle, {used['corrected']} corrections, moved once a day. "
        f"What the forms cost was measured on {used['model']}, one thread of {used['machine']['processor']}: "
        f"{costs['read']:.3f} ms to read a token, {costs['load']:.4f} to load one of a block, {costs['wear']:.2f} to put an adapter "
        f"on, {costs['train']:,.0f} to train one.",
    ]
    return lines


def _saved(base: Mapping[str, Any], row: Mapping[str, Any], *names: str) -> str:
    before, now = (sum(float(one[name]) for name in names) for one in (base, row))
    return "–" if row is base else f"{100 * (1 - now / before):.0f} %"


def pictures(rows: Sequence[Mapping[str, Any]]) -> list[Picture]:
    """What is known against what was lost, and both on the way over the sessions."""
    if not rows:
        return []
    told = [row for row in rows if row["method"] is not None]
    share = Axis("questions of all sessions answered right, %", ends=(0.0, 100.0))
    kept = Axis("the model's own facts kept, %", ends=(0.0, 100.0))
    points = [
        Line(row["row"], ((_last(row, "kept"), _last(row, "all")),), joined=False)
        for row in told
        if row["row"] in DRAWN
    ]
    others = tuple((_last(row, "kept"), _last(row, "all")) for row in told if row["row"] not in DRAWN)
    made = [
        Picture(
            "weights-recall-by-kept",
            "What is known of three sessions, and what was lost for it (grey: the other rows)",
            kept,
            share,
            (Line("", others, joined=False), *points),
        )
    ]
    for name, title, axis in (
        ("kept", "The model's own facts, session after session", kept),
        ("all", "All sessions so far, session after session", share),
    ):
        lines = [
            Line(row["row"], tuple((float(n), value) for n, value in enumerate(_way(row, name), 1)))
            for row in told
            if row["row"] in DRAWN
        ]
        made.append(
            Picture(
                f"weights-{name}-by-session",
                title,
                Axis("sessions written", ends=(1.0, 3.0)),
                axis,
                tuple(lines),
            )
        )
    return made


def _last(row: Mapping[str, Any], name: str) -> float:
    return _way(row, name)[-1]


def _way(row: Mapping[str, Any], name: str) -> list[float]:
    """Percent after each session, mean over seeds."""
    ways = [[100.0 * step[name] for step in one["after"]] for one in row["seeds"]]
    return [sum(values) / len(values) for values in zip(*ways, strict=True)]
