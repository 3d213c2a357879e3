"""Pictures of the committed results: recall by k, recall against its tokens, reliability. Needs the extra `plots`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from engrams_bench.errors import BenchError
from engrams_bench.measures.recall import recall_at
from engrams_bench.results import Result

SIZE = (6.4, 4.0)  # inches: half a page wide
ROW_OF_NO_RANKING = ("none", "full-context")  # recall by k says nothing of them


def curve(result: Result, ks: Sequence[int]) -> list[float]:
    """Mean recall at each k, over answerable questions with gold, at the level the data set is judged by."""
    level = "sessions" if result.data["level"] == "session" else "turns"
    held = [
        getattr(outcome, level) for outcome in result.outcomes if outcome.counts and getattr(outcome, level)
    ]
    return [sum(recall_at(ranks, k) for ranks in held) / len(held) for k in ks]


def pyplot() -> Any:
    """matplotlib.pyplot, set to draw the same picture from the same results.

    Raises:
        BenchError: matplotlib is not installed.
    """
    try:
        matplotlib = import_module("matplotlib")
    except ModuleNotFoundError as cause:
        raise BenchError("plots need matplotlib: pip install 'engrams-bench[plots]'") from cause
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "engrams"  # the same picture from the same results
    return import_module("matplotlib.pyplot")


def draw(results: Sequence[Result], folder: Path) -> list[Path]:
    """Two SVG files for each data set, three where confidence can be judged; returns their paths.

    Raises:
        BenchError: matplotlib is not installed.
    """
    drawing = pyplot()
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name in dict.fromkeys(result.data["name"] for result in results):
        members = [result for result in results if result.data["name"] == name]
        made += [_by_k(drawing, name, members, folder), _by_tokens(drawing, name, members, folder)]
        told = [r for r in members if (r.tables["abstention"] or {}).get("reliability")]
        if told:
            made.append(_reliability(drawing, name, told, folder))
    return made


def _by_k(drawing: Any, name: str, members: Sequence[Result], folder: Path) -> Path:
    figure, axes = drawing.subplots(figsize=SIZE, layout="constrained")
    for result in members:
        if result.recipe["name"] not in ROW_OF_NO_RANKING:
            ks = range(1, result.settings["depth"] + 1)
            axes.plot(ks, [100 * held for held in curve(result, ks)], label=result.recipe["name"])
    axes.set(
        xscale="log", ylim=(0, 100), xlabel="k", ylabel=f"{members[0].data['level']} recall@k, %", title=name
    )
    return kept(drawing, figure, axes, folder / f"{name}-recall-by-k.svg")


def _by_tokens(drawing: Any, name: str, members: Sequence[Result], folder: Path) -> Path:
    figure, axes = drawing.subplots(figsize=SIZE, layout="constrained")
    for result in members:
        tokens, told = result.cost.get("context tokens"), result.tables["all"].get("context recall")
        if tokens and told and tokens["mean"]:
            axes.plot(tokens["mean"], 100 * told["mean"], "o", label=result.recipe["name"])
    axes.set(
        xscale="log",
        ylim=(0, 102),
        xlabel="tokens of the context, mean",
        ylabel="evidence in it, %",
        title=name,
    )
    return kept(drawing, figure, axes, folder / f"{name}-recall-by-tokens.svg")


def _reliability(drawing: Any, name: str, members: Sequence[Result], folder: Path) -> Path:
    """Against the diagonal, on which a confidence of 0.7 means that seven questions in ten have an answer."""
    figure, axes = drawing.subplots(figsize=SIZE, layout="constrained")
    axes.plot([0, 1], [0, 1], ":", color="grey")
    for result in members:
        points = result.tables["abstention"]["reliability"]
        axes.plot(
            [p["confidence"] for p in points],
            [p["answerable"] for p in points],
            "o-",
            label=result.recipe["name"],
        )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="answerable, share", title=name)
    return kept(drawing, figure, axes, folder / f"{name}-reliability.svg")


def kept(drawing: Any, figure: Any, axes: Any, path: Path) -> Path:
    """Finishes a picture and writes it."""
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend()
    figure.savefig(path, metadata={"Date": None})
    drawing.close(figure)
    return path
