"""The commands `engrams-bench ablate` and `engrams-bench confidence`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from engrams import Memory
from engrams_bench import ablation, confidence
from engrams_bench.datasets import find
from engrams_bench.folder import data_folder
from engrams_bench.report import ABLATION, CONFIDENCE
from engrams_bench.settings import Settings


def _asked(command: Callable[..., None]) -> Callable[..., None]:
    """The options that both commands have."""
    for option in (
        click.option(
            "--out",
            type=click.Path(path_type=Path, file_okay=False),
            default=Path("bench/results"),
            show_default=True,
            help="The folder of the result files.",
        ),
        click.option("--limit", type=click.IntRange(1), help="Only the first so many haystacks: a trial."),
        click.option(
            "--vectors", type=click.Path(path_type=Path, dir_okay=False), help="A file of kept vectors."
        ),
        click.option("--embedder", default="none", show_default=True, help="As `Memory.open` takes it."),
        click.option(
            "--folder", type=click.Path(path_type=Path, file_okay=False), help="Where data sets lie."
        ),
        click.option(
            "--data", "-d", "sets", multiple=True, default=("locomo", "longmemeval"), show_default=True
        ),
    ):
        command = option(command)
    return command


@click.command()
@_asked
def ablate(
    sets: tuple[str, ...],
    folder: Path | None,
    embedder: str,
    vectors: Path | None,
    limit: int | None,
    out: Path,
) -> None:
    """What each signal of the house recipe is worth: asks without it, and with it alone."""
    for data in [data for name in sets for data in find(name)]:
        settings = Settings(embedder=embedder, vectors=vectors, limit=limit)
        result = ablation.measure(data, data_folder(folder), settings, lambda _: None)
        place = out / f"{ABLATION}{data.name}-{result['recipe']['name']}.json"
        ablation.write(result, place)
        click.echo(f"written: {place}", err=True)


@click.command("confidence")
@_asked
def confident(
    sets: tuple[str, ...],
    folder: Path | None,
    embedder: str,
    vectors: Path | None,
    limit: int | None,
    out: Path,
) -> None:
    """How sure the house recipe is of questions with an answer, without one, and about something else."""
    for data in [data for name in sets for data in find(name)]:
        settings = Settings(embedder=embedder, vectors=vectors, limit=limit)
        recipe = Memory.catalogue()["engrams"]
        result = confidence.measure(recipe, data, data_folder(folder), settings, lambda _: None)
        place = out / f"{CONFIDENCE}{data.name}-{result['recipe']['name']}.json"
        confidence.write(result, place)
        click.echo(f"written: {place}", err=True)
