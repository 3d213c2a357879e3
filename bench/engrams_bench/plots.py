"""Pictures of the committed results: recall by k, recall against what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from engrams_bench.errors import Drifted
from engrams_bench.measures.recall import recall_at
from engrams_bench.results import Result
from engrams_bench.svg import Axis, Line, Picture

ROW_OF_NO_RANKING = ("none", "full-context")  # recall by k says nothing of them
#: Where recall by k is looked at: every one where the curve bends, fewer where it is nearly straight.
DEPTHS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 30, 40, 50, 70, 100)
K = 10  # at which cost is set against recall

PERCENT = (0.0, 100.0)


def curve(result: Result, ks: Sequence[int]) -> list[float]:
    """Mean recall at each k, over answerable questions with gold, at the level the data set is judged by."""
    level = "sessions" if result.data["level"] == "session" else "turns"
    held = [
        getattr(outcome, level) for outcome in result.outcomes if outcome.counts and getattr(outcome, level)
    ]
    return [sum(recall_at(ranks, k) for ranks in held) / len(held) for k in ks]


def pictures(results: Sequence[Result]) -> list[Picture]:
    """Three for each data set."""
    made = []
    for name in dict.fromkeys(result.data["name"] for result in results):
        members = [result for result in results if result.data["name"] == name]
        ranked = [result for result in members if result.recipe["name"] not in ROW_OF_NO_RANKING]
        if ranked:
            made += [_by_k(name, ranked), _by_cost(name, ranked)]
        made.append(_by_tokens(name, members))
    return [picture for picture in made if any(line.points for line in picture.lines)]


def _by_k(name: str, members: Sequence[Result]) -> Picture:
    lines = []
    for result in members:
        ks = [k for k in DEPTHS if k <= result.settings["depth"]]
        points = tuple(zip(ks, (100 * held for held in curve(result, ks)), strict=True))
        lines.append(Line(result.recipe["name"], points, dots=False, dashed=not _ours(result)))
    level = members[0].data["level"]
    return Picture(
        f"{name}-recall-by-k",
        f"{name}: {level}s found among the first k",
        Axis("k", log=True),
        Axis(f"{level} recall@k, %", ends=PERCENT),
        tuple(lines),
    )


def _by_cost(name: str, members: Sequence[Result]) -> Picture:
    lines = []
    for result in members:
        price = result.cost.get("search ms")
        points = ((float(price["p50"]), 100 * curve(result, [K])[0]),) if price else ()
        lines.append(Line(result.recipe["name"], points, joined=False))
    level = members[0].data["level"]
    return Picture(
        f"{name}-recall-by-cost",
        f"{name}: what a search costs and finds",
        Axis("CPU milliseconds of one search, median", log=True),
        Axis(f"{level} recall@{K}, %", ends=PERCENT),
        tuple(lines),
    )


def _by_tokens(name: str, members: Sequence[Result]) -> Picture:
    lines = []
    for result in members:
        tokens, told = result.cost.get("context tokens"), result.tables["all"].get("context recall")
        if tokens and told and tokens["mean"]:
            points = ((float(tokens["mean"]), 100 * told["mean"]),)
            lines.append(Line(result.recipe["name"], points, joined=False))
    return Picture(
        f"{name}-recall-by-tokens",
        f"{name}: what a context costs and holds",
        Axis("tokens of the context, mean", log=True),
        Axis("evidence in it, %", ends=PERCENT),
        tuple(lines),
    )


def _ours(result: Result) -> bool:
    return str(result.recipe["name"]).startswith("engrams")


def draw(made: Iterable[Picture], folder: Path, check: bool = False) -> list[Path]:
    """Writes the pictures as SVG files into a folder; returns their paths.

    Raises:
        Drifted: with `check`, a file is not what the results say, or is not there; nothing is written.
    """
    paths = []
    if not check:
        folder.mkdir(parents=True, exist_ok=True)
    for picture in made:
        path, text = folder / f"{picture.name}.svg", picture.svg()
        if check and (not path.is_file() or path.read_text(encoding="utf-8") != text):
            raise Drifted(f"{path}: not what the results say; run `engrams-bench plot {folder}`")
        if not check:
            path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths
