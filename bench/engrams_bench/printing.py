"""Tables for people: plain columns for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engrams_bench.compare import Compared
from engrams_bench.results import Result


def percent(value: float | None) -> str:
    """A share as a percentage with one digit; a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f}"


def span(interval: Sequence[float] | None) -> str:
    """An interval of shares in brackets, as percentages; empty where there is none."""
    return "" if interval is None else f"[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def columns(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Rows as aligned columns: the first `left` to the left, the others to the right. The first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _depths(result: Result) -> str:
    ks = result.settings["ks"]
    rows = [["", *(f"@{k}" for k in ks)]]
    for level in ("turn", "session"):
        for kind in ("recall", "any", "all"):
            held = [result.tables["all"].get(f"{level} {kind}@{k}") for k in ks]
            if all(held):
                rows.append([f"{level} {kind}", *(percent(row["mean"]) for row in held)])
    return columns(rows)


def _intervals(result: Result) -> str:
    rows = [["", "%", "95 % over questions", "over conversations", "n"]]
    for name, row in result.tables["all"].items():
        if " any@" not in name and " all@" not in name:
            rows.append(
                [
                    name,
                    percent(row["mean"]),
                    span(row["questions"]),
                    span(row["conversations"]) or "–",
                    str(row["n"]),
                ]
            )
    return columns(rows)


def _categories(result: Result) -> str:
    shown = [f"{result.data['level']} recall@{k}" for k in result.settings["ks"]]
    rows = [["category", "n", *shown]]
    for kind, row in result.tables["categories"].items():
        rows.append([kind, str(row["n"]), *(percent(row.get(name)) for name in shown)])
    return columns(rows)


def _cost(result: Result) -> str:
    rows = [["cost", "mean", "p50", "p95"]]
    for name, held in result.cost.items():
        if isinstance(held, dict):
            rows.append([name, *(f"{held[part]:,.4g}" for part in ("mean", "p50", "p95"))])
        elif held is not None:
            rows.append([name, f"{held:,}", "", ""])
    return columns(rows)


def abstention(told: dict[str, Any] | None) -> str:
    """One line on whether the memory knows when nothing is there; empty where the run says nothing about it."""
    if told is None:
        return ""
    parts = [f"{told['answerable']} answerable, {told['unanswerable']} not"]
    if told["auroc"] is not None:
        parts.append(f"AUROC of the confidence {told['auroc']:.3f} {span(told['interval'])}")
    if (error := told.get("calibration error")) is not None:
        parts.append(f"calibration error {error:.3f}")
    if said := told["nothing found"]:
        parts.append(
            f"'nothing found': precision {percent(said['precision'])}, recall {percent(said['recall'])}, "
            f"false alarms {percent(said['false_alarms'])}"
        )
    return "abstention: " + "; ".join(parts)


def shown(result: Result) -> str:
    """A whole result as text."""
    data = result.data
    head = (
        f"{result.recipe['name']} ({result.recipe['fingerprint']}) on {data['name']}: {data['questions']:,} questions, "
        f"{data['cases']:,} haystacks, {data['messages']:,} messages"
        + ("" if result.whole else f"; only the first {result.settings['limit']} questions")
    )
    parts = [head]
    if result.tables["all"]:
        parts += [_depths(result), _intervals(result)]
    if result.tables["categories"]:
        parts.append(_categories(result))
    if line := abstention(result.tables["abstention"]):
        parts.append(line)
    parts.append(_cost(result))
    return "\n\n".join(parts) + "\n"


def differences(a: Result, b: Result, told: Sequence[Compared]) -> str:
    """A comparison as text; a star marks what its intervals establish."""
    rows = [
        [
            "measure",
            a.recipe["name"],
            b.recipe["name"],
            "B − A",
            "95 % over questions",
            "over conversations",
            "",
        ]
    ]
    for held in told:
        both = [held.questions] + ([held.conversations] if held.conversations else [])
        rows.append(
            [
                held.measure,
                percent(held.questions.a),
                percent(held.questions.b),
                f"{100 * held.questions.difference:+.1f}",
                span(held.questions.interval),
                span(held.conversations.interval) if held.conversations else "–",
                "*" if all(one.established for one in both) else "",
            ]
        )
    foot = f"{told[0].n} questions of {a.data['name']}. * zero lies outside every interval."
    return f"{columns(rows)}\n\n{foot}\n"
