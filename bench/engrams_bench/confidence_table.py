"""The table and the pictures of docs/confidence.md, from the committed results of `engrams-bench confidence`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engrams_bench.confidence import ELSEWHERE, KINDS, NO_ANSWER, THRESHOLDS
from engrams_bench.datasets import DATASETS
from engrams_bench.report import CONFIDENCE
from engrams_bench.svg import Axis, Line, Picture

ENDS = (0.0, 1.0)


def gather(folder: Path) -> list[Mapping[str, Any]]:
    """The results of `engrams-bench confidence` in a folder, by data set as the catalogue orders them."""
    held = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(f"{CONFIDENCE}*.json"))
    ]
    order = list(DATASETS)
    return sorted(held, key=lambda one: (order.index(one["data"]["name"]), len(one["recipe"]["name"])))


def markdown(results: Sequence[Mapping[str, Any]]) -> str:
    """One table: a row for each set with and without an embedder."""
    if not results:
        return "No results yet: `engrams-bench confidence` makes them."
    heads = ["looked at", "questions", "AUROC: without an answer", "AUROC: about something else"]
    heads += ["calibration error", *(f"silent below {least:g}" for least in THRESHOLDS)]
    lines = [f"| {' | '.join(heads)} |", f"|---|{'--:|' * (len(heads) - 1)}"]
    for one in results:
        told = one["tables"]
        cells = [
            f"{one['data']['name']}, `{one['recipe']['name']}`",
            " / ".join(f"{told['questions'][kind]:,}" for kind in KINDS),
            *(_area(told, kind) for kind in (NO_ANSWER, ELSEWHERE)),
            f"{told['calibration error']:.2f}",
            *(_silent(told["silent"][f"{least:g}"]) for least in THRESHOLDS),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    commits = dict.fromkeys(str(one["origin"]["commit"])[:9] for one in results)
    lines += [
        "",
        "Questions, and the share of them for which the memory is silent below a threshold: with an answer / without one / "
        "about something else. Brackets: 95 % bootstrap intervals. The calibration error is at even odds. Made by "
        f"`engrams-bench confidence` from {', '.join(commits)}.",
    ]
    return "\n".join(lines)


def _area(told: Mapping[str, Any], kind: str) -> str:
    area, interval = told["auroc"][kind], told["interval"][kind]
    if area is None:
        return "–"
    return f"{area:.2f}" + (f" ({interval[0]:.2f}–{interval[1]:.2f})" if interval else "")


def _silent(shares: Mapping[str, float]) -> str:
    return " / ".join(f"{shares[kind]:.0%}" if kind in shares else "–" for kind in KINDS)


def pictures(results: Sequence[Mapping[str, Any]]) -> list[Picture]:
    """A reliability diagram for each data set: on its diagonal a confidence of 0.7 means that 7 in 10 have an answer."""
    made = []
    for name in dict.fromkeys(str(one["data"]["name"]) for one in results):
        lines = [Line("", ((0.0, 0.0), (1.0, 1.0)), dashed=True, dots=False)]
        for one in results:
            if one["data"]["name"] == name:
                points = one["tables"]["reliability"]
                told = tuple((point["confidence"], point["answerable"]) for point in points)
                lines.append(Line(one["recipe"]["name"], told))
        made.append(
            Picture(
                f"{name}-reliability",
                f"{name}: how often there is an answer, at even odds",
                Axis("confidence", ends=ENDS),
                Axis("share of questions that have an answer", ends=ENDS),
                tuple(lines),
            )
        )
    return made
