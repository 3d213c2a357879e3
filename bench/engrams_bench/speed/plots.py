"""Growth as pictures: cost against size, a line for each system."""

from __future__ import annotations

from collections.abc import Sequence

from engrams_bench.speed.table import MEASURES, OURS, TITLES, Measure, Result
from engrams_bench.svg import Axis, Line, Picture

DRAWN = ("search-user", "search-all", "add", "bulk", "first", "rss", "disk")


def pictures(results: Sequence[Result]) -> list[Picture]:
    """One for each measure that grows."""
    if not results:
        return []
    return [_growth(results, measure) for measure in MEASURES if measure.name in DRAWN]


def _growth(results: Sequence[Result], measure: Measure) -> Picture:
    lines = []
    for result in results:
        points = [(row["memories"], measure.of(row)) for row in result["sizes"]]
        known = tuple((float(size), value) for size, value in points if value is not None)
        if known:
            lines.append(Line(TITLES[result["system"]], known, dashed=result["system"] not in OURS))
    title, _, unit = measure.title.partition(", p50")[0].rpartition(", ")
    return Picture(
        f"speed-{measure.name}",
        title or unit,
        Axis("memories in the store", log=True),
        Axis(unit, log=True),
        tuple(lines),
    )
