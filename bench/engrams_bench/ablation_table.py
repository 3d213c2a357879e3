"""The tables of docs/recall.md: what each signal is worth, with and without an embedder, from the committed results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engrams_bench.ablation import TOGETHER
from engrams_bench.compare import compare
from engrams_bench.datasets import DATASETS
from engrams_bench.report import ABLATION
from engrams_bench.results import Result

SHORT = {
    "turn recall@5": "R@5",
    "turn recall@10": "R@10",
    "turn recall@100": "R@100",
    "session recall@5": "session R@5",
    "session recall@10": "session R@10",
}
#: What stands in the table of a set judged by turns, and by sessions.
COLUMNS = {
    "turn": ("turn recall@5", "turn recall@10", "turn recall@100"),
    "session": ("session recall@5", "turn recall@5", "turn recall@10"),
}
WITHOUT_GRAPH = "-without-graph"
ROUNDS_TO_NOTHING = 0.0005  # of a difference: less than half of the last digit shown

Ablation = Mapping[str, Any]


def gather(folder: Path) -> list[Ablation]:
    """The results of `engrams-bench ablate` in a folder, by data set as the catalogue orders them."""
    held = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(f"{ABLATION}*.json"))]
    order = list(DATASETS)
    return sorted(held, key=lambda one: (order.index(one["data"]["name"]), one["recipe"]["name"]))


def markdown(results: Sequence[Ablation], runs: Sequence[Result] = ()) -> str:
    """One table for each embedder, the sets side by side, and what the graph adds among documents."""
    if not results:
        return "No results yet: `engrams-bench ablate` makes them."
    parts = [told] if (told := graph(runs)) else []
    for name in sorted({one["recipe"]["name"] for one in results}, key=len):
        parts.append(_table(name, [one for one in results if one["recipe"]["name"] == name]))
    commits = dict.fromkeys(str(one["origin"]["commit"])[:9] for one in results)
    parts.append(
        "Percentages; below the first row the difference in points that leaving the signal out makes, with its 95 % "
        "interval where that does not hold 0 (paired bootstrap over questions); in the last rows what a signal finds "
        f"with no other beside it. Made by `engrams-bench ablate` from {', '.join(commits)}."
    )
    return "\n\n".join(parts)


def graph(runs: Sequence[Result]) -> str:
    """What the graph adds to its own base, from the rows with and without it; empty where there are none."""
    held = {run.name: run for run in runs}
    lines = []
    for run in runs:
        base = held.get(run.name.replace("engrams", f"engrams{WITHOUT_GRAPH}", 1))
        if base is None or base is run:
            continue
        told = {one.measure: one.questions for one in compare(base, run)}
        cells = []
        for measure in ("turn recall@5", "turn recall@10"):
            gap = told[measure]
            low, high = gap.interval
            cells += [f"{100 * gap.a:.1f}", f"{100 * gap.b:.1f}"]
            cells.append(f"{100 * gap.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})")
        name = f"{run.data['name']}, `{run.recipe['name']}`"
        lines.append(f"| {name} | {len([o for o in run.outcomes if o.counts]):,} | {' | '.join(cells)} |")
    if not lines:
        return ""
    heads = "| The graph, on | questions | R@5 without | with it | gain | R@10 without | with it | gain |"
    return "\n".join([heads, f"|---{'|--:' * 7}|", *lines])


def _table(name: str, members: Sequence[Ablation]) -> str:
    columns = [(one, measure) for one in members for measure in COLUMNS[DATASETS[one["data"]["name"]].level]]
    heads = [
        f"`{name}`",
        *(f"{one['data']['name']} {SHORT[measure]}" for one, measure in columns),
    ]
    sizes = ", ".join(f"{one['data']['name']} {one['questions']:,} questions" for one in members)
    lines = [f"{sizes}:", "", f"| {' | '.join(heads)} |", f"|---{'|--:' * len(columns)}|"]
    keys = dict.fromkeys((row["kind"], row["name"]) for one in members for row in one["rows"])
    for kind, signal in keys:
        cells = [_cell(one, kind, signal, measure) for one, measure in columns]
        title = {
            "all": "**whole**",
            "without": f"without {_quoted(signal)}",
            "alone": f"{_quoted(signal)} alone",
        }
        lines.append(f"| {title[kind]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _quoted(signal: str) -> str:
    """A signal by its name in the recipe stands in code, several together in words."""
    return signal if signal in TOGETHER else f"`{signal}`"


def _cell(one: Ablation, kind: str, signal: str, measure: str) -> str:
    row = next((row for row in one["rows"] if (row["kind"], row["name"]) == (kind, signal)), None)
    if row is None or measure not in row:
        return "–"
    held = row[measure]
    if kind == "all":
        return f"**{100 * held['mean']:.1f}**"
    if kind == "alone":
        return f"{100 * held['mean']:.1f}"
    if abs(held["difference"]) < ROUNDS_TO_NOTHING:
        return "0.0"
    low, high = held["interval"]
    told = f"{100 * held['difference']:+.1f}"
    return f"**{told}** ({100 * low:+.1f} to {100 * high:+.1f})" if low > 0 or high < 0 else told
