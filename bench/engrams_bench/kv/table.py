"""The tables and the picture of docs/kv.md on compression, from the committed results of `engrams-bench kv`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engrams_bench.kv.names import BUDGETS, STRUCTURAL
from engrams_bench.measures.paired import Difference, paired
from engrams_bench.printing import percent
from engrams_bench.svg import Axis, Line, Picture

#: How a cache is compressed, and so the names of the two result files.
MODES = ("before", "aware")
BEGIN = "<!-- engrams-bench kv: begin. Made by `engrams-bench report`; change the results, not this. -->"
Row = Mapping[str, Any]
#: What each row works on, where it is not single tokens of a head.
KINDS = {
    "think": "channels",
    "delta": "work only",
    "retrieval-heads": "whole heads",
    "rlkv": "whole heads",
    "razor-attention": "whole heads",
    "razor-attention, no stand-in": "whole heads",
    "task-kv": "whole heads",
}
#: Rows that stand in the picture: all would hide each other.
DRAWN = ("random", "streaming", "snapkv", "expected-attention", "cake", "h2o, nothing recent", "rlkv")


def gather(folder: Path) -> Mapping[str, Any] | None:
    """Our rows, with those of kvpress on the same questions under `kvpress`, if they are there."""
    paths = {mode: folder / f"{mode}.json" for mode in (*MODES, "kvpress")}
    if not paths[MODES[0]].is_file():
        return None
    told = {
        mode: json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
        for mode, path in paths.items()
    }
    return told


def share(row: Row) -> float:
    """Right answers over questions."""
    right: str = row["right"]
    return right.count("1") / len(right)


def gap(row: Row, other: Row, contexts: Sequence[Any]) -> Difference:
    """A row less another, question by question, contexts drawn anew as a whole."""
    a, b = ([float(one) for one in told["right"]] for told in (other, row))
    return paired(a, b, contexts)


def markdown(told: Mapping[str, Any] | None) -> str:
    """Four tables and what they say."""
    if told is None:
        return "No results yet: `engrams-bench kv` makes them."
    first, second = told["before"], told["aware"]
    contexts = [(question["seed"], question["context"]) for question in first["questions"]]
    before = first["rows"]
    parts = [
        f"**Compressed before any question is known** ({len(contexts)} questions, several to each cache; full cache "
        f"{percent(share(before[0]))} %):",
        _before(before, contexts),
        "Channels of keys and work saved, each by its own cost:",
        _by_cost(before),
        _turns(second["rows"], second["later"]) if second else "",
        _kvpress(told, contexts),
        _made([one for one in (first, second) if one]),
    ]
    return "\n\n".join(part for part in parts if part)


def _pick(rows: Sequence[Row], policy: str, budget: float) -> Row | None:
    return next((row for row in rows if row["policy"] == policy and row["budget"] == budget), None)


def _before(rows: Sequence[Row], contexts: Sequence[Any]) -> str:
    head = [
        "policy",
        "drops",
        *(f"{percent(b)} % kept" for b in BUDGETS),
        "over random at 25 %",
        "bytes at 25 %",
    ]
    lines = [head, ["---", "---", *("--:" for _ in head[2:])]]
    low = BUDGETS[-1]
    lot = _pick(rows, "random", low)
    names = dict.fromkeys(
        row["policy"] for row in rows if row["budget"] in BUDGETS and row["policy"] != "delta"
    )
    for name in sorted(names, key=lambda name: -_share_at(rows, name, low)):
        row = _pick(rows, name, low)
        if row is None or lot is None:
            continue
        told = gap(row, lot, contexts)
        kind = KINDS.get(name, "tokens" + (", by place" if name in STRUCTURAL else ""))
        difference = "–" if name == "random" else _signed(told)
        lines.append(
            [
                f"`{name}`",
                kind,
                *(percent(_share_at(rows, name, b)) for b in BUDGETS),
                difference,
                f"{row['disk']:,.0f}",
            ]
        )
    return _table(lines)


def _share_at(rows: Sequence[Row], policy: str, budget: float) -> float:
    row = _pick(rows, policy, budget)
    return share(row) if row is not None else 0.0


def _signed(told: Difference) -> str:
    low, high = (100 * end for end in told.interval)
    return f"{100 * told.difference:+.1f} ({low:+.1f} to {high:+.1f})"


def _by_cost(rows: Sequence[Row]) -> str:
    lines = [["policy", "numbers kept, or places attended to", "right"], ["---", "--:", "--:"]]
    lines += [
        [f"`{row['policy']}`", f"{percent(row['kept'])} %", percent(share(row))]
        for row in rows
        if row["policy"] in ("think", "delta")
    ]
    return _table(lines)


def _turns(own: Sequence[Row], later: Sequence[Row]) -> str:
    head = [
        "policy",
        *(f"its question, {percent(b)} %" for b in BUDGETS),
        *(f"the others, {percent(b)} %" for b in BUDGETS),
    ]
    lines = [head, ["---", *("--:" for _ in head[1:])]]
    for name in dict.fromkeys(row["policy"] for row in own):
        others = [_pick(later, name, b) for b in BUDGETS]
        cells = [percent(_share_at(own, name, b)) for b in BUDGETS]
        lines.append([f"`{name}`", *cells, *(percent(share(row)) if row else "–" for row in others)])
    asked = len(own[0]["right"])
    return (
        f"**Compressed for one question** and asked it, then asked the others, as in a conversation of several turns "
        f"({asked} questions):\n\n{_table(lines)}"
    )


def _kvpress(told: Mapping[str, Any], contexts: Sequence[Any]) -> str:
    other = told["kvpress"]
    if other is None or other["fixture"] != told["before"]["fixture"]:
        return ""
    lines = [["kvpress", *(f"{percent(b)} % kept" for b in BUDGETS)], ["---", *("--:" for _ in BUDGETS)]]
    names = dict.fromkeys(row["policy"] for row in other["rows"])
    for name in sorted(names, key=lambda name: -_share_at(other["rows"], name, BUDGETS[-1])):
        lines.append([f"`{name}`", *(percent(_share_at(other["rows"], name, b)) for b in BUDGETS)])
    said = []
    for budget in BUDGETS:
        theirs = _best(other["rows"], budget)
        ours = [row for row in told["before"]["rows"] if row["policy"] not in KINDS]
        for what, row in (
            ("of ours", _best(told["before"]["rows"], budget)),
            ("of our scores of tokens", _best(ours, budget)),
        ):
            said.append(
                f"- at {percent(budget)} % the best {what} (`{row['policy']}`) less the best of theirs "
                f"(`{theirs['policy']}`): {_signed(gap(row, theirs, contexts))} points"
            )
    if other["failed"]:
        said.append(f"- did not run: {', '.join(f'`{name}`' for name in other['failed'])}")
    versions = other["versions"]
    return (
        f"kvpress {versions['kvpress']} with transformers {versions['transformers']}, same model, contexts and questions, "
        f"compressed before the question:\n\n{_table(lines)}\n\n" + "\n".join(said)
    )


def _best(rows: Sequence[Row], budget: float) -> Row:
    return max((row for row in rows if row["budget"] == budget), key=share)


def _made(files: Sequence[Mapping[str, Any]]) -> str:
    told, machine = files[0], files[0]["machine"]
    seconds = sum(one["cpu_seconds"] for one in files)
    return (
        f"Right answers in percent; brackets: 95 % intervals of the paired bootstrap over contexts, seeds "
        f"{', '.join(str(seed) for seed in told['seeds'])}. Bytes of a file in float16. Made by `engrams-bench kv` from "
        f"{str(told['origin']['commit'])[:9]} on {machine['processor']}, one thread, {seconds:.0f} CPU seconds."
    )


def _table(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def pictures(told: Mapping[str, Any] | None) -> list[Picture]:
    """Right answers by what is kept."""
    if told is None:
        return []
    rows = told["before"]["rows"]
    full = 100 * share(rows[0])
    lines = []
    for name in DRAWN:
        points = sorted((100 * row["kept"], 100 * share(row)) for row in rows if row["policy"] == name)
        lines.append(Line(name, (*points, (100.0, full)), dashed=name in ("random", *STRUCTURAL)))
    return [
        Picture(
            "kv-compression",
            "Small model: what is answered behind a compressed cache",
            Axis("numbers kept, %", ends=(0.0, 100.0)),
            Axis("right answers, %", ends=(0.0, 100.0)),
            tuple(lines),
        )
    ]
