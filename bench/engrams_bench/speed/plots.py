"""Growth as pictures: cost against size, a line for each system. Needs the extra `plots`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engrams_bench.plots import kept, pyplot
from engrams_bench.speed.table import MEASURES, OURS, TITLES, Measure, Result

SIZE = (6.4, 4.0)  # inches: half a page wide
DRAWN = ("search-user", "search-all", "add", "bulk", "first", "rss", "disk")


def draw(results: Sequence[Result], folder: Path) -> list[Path]:
    """One SVG file for each measure that grows; returns their paths.

    Raises:
        BenchError: matplotlib is not installed.
    """
    if not results:
        return []
    drawing = pyplot()
    folder.mkdir(parents=True, exist_ok=True)
    return [_growth(drawing, results, measure, folder) for measure in MEASURES if measure.name in DRAWN]


def _growth(drawing: Any, results: Sequence[Result], measure: Measure, folder: Path) -> Path:
    figure, axes = drawing.subplots(figsize=SIZE, layout="constrained")
    for result in results:
        points = [(row["memories"], measure.of(row)) for row in result["sizes"]]
        known = [(size, value) for size, value in points if value is not None]
        if known:
            style = "o-" if result["system"] in OURS else "s--"
            axes.plot(*zip(*known, strict=True), style, label=TITLES[result["system"]], markersize=4)
    axes.set(
        xscale="log", yscale="log", xlabel="memories in the store", title=measure.title.partition(", p50")[0]
    )
    return kept(drawing, figure, axes, folder / f"speed-{measure.name}.svg")
