"""The command `engrams-bench policy`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click

from engrams_bench.datasets import find
from engrams_bench.folder import data_folder, require
from engrams_bench.measures.intervals import SEED
from engrams_bench.policies.measure import Bench, Settings, measure, write
from engrams_bench.policies.rollouts import asked_of
from engrams_bench.policies.seams import SEAMS, seam_of
from engrams_bench.policies.table import markdown
from engrams_bench.vectors import kept_vectors


@click.command()
@click.option(
    "--recipe", "-r", "name", default=next(iter(SEAMS)), show_default=True, help=f"One of {', '.join(SEAMS)}."
)
@click.option(
    "--data", "-d", "sets", default="sample", show_default=True, help="A data set with conversations."
)
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Where data sets lie.")
@click.option(
    "--price", "prices", type=click.FloatRange(0), multiple=True, default=Settings().prices, show_default=True,
    help="What keeping all statements costs, in recall.",
)  # fmt: skip
@click.option(
    "--rollouts",
    type=click.IntRange(1),
    default=Settings().rollouts,
    show_default=True,
    help="How often a conversation is written in each round.",
)
@click.option(
    "--rounds",
    type=click.IntRange(1),
    default=Settings().rounds,
    show_default=True,
    help="The first is that of the untrained policy; each other goes on from what was learnt before.",
)
@click.option(
    "--draws",
    type=click.IntRange(1),
    default=Settings().draws,
    show_default=True,
    help="Over how many draws of a policy that draws its scores are averaged.",
)
@click.option("--seed", type=click.IntRange(0), default=SEED, show_default=True)
@click.option("--embedder", default="none", show_default=True, help="As `Memory.open` takes it.")
@click.option("--vectors", type=click.Path(path_type=Path, dir_okay=False), help="A file of kept vectors.")
@click.option("--limit", type=click.IntRange(2), help="Only the first so many conversations: a trial.")
@click.option(
    "--save", type=click.Path(path_type=Path, dir_okay=False),
    help="Train on all conversations at the first price, and write the weights for policy='trained:FILE'; nothing is measured.",
)  # fmt: skip
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The result file. Default: bench/results/policies.",
)
def policy(
    name: str,
    sets: str,
    folder: Path | None,
    prices: tuple[float, ...],
    rollouts: int,
    rounds: int,
    draws: int,
    seed: int,
    embedder: str,
    vectors: Path | None,
    limit: int | None,
    save: Path | None,
    out: Path | None,
) -> None:
    """Trains what a recipe keeps, and shows it on conversations it was not trained on."""
    seam, (data, *_), where = seam_of(name), find(sets), data_folder(folder)
    how = Settings(prices=prices, rollouts=rollouts, rounds=rounds, draws=draws, seed=seed)

    def told(line: str) -> None:
        click.echo(line, err=True)

    with kept_vectors(embedder, vectors) as kept, nullcontext() if kept is None else kept.bulk():
        if save is not None:
            cases = [case for case in data.load(require(data, where)) if asked_of(case)][:limit]
            bench = Bench(seam, cases, kept or embedder, how, told)
            weights = bench.trained(cases, prices[0], len(cases))
            learnt = dict(zip(bench.names, (round(w, 5) for w in weights.tolist()), strict=True))
            write({"features": seam.linear.features.name, "weights": learnt, "learnt from": data.name}, save)
            click.echo(f"written: {save}", err=True)
            return
        result = measure(seam, data, where, kept or embedder, how, told, limit)
    click.echo(markdown([result]))
    place = out or (
        Path("bench/results/policies") / f"{data.name}-{name}.json"
        if limit is None and Path("bench/results").is_dir()
        else None
    )
    if place is not None:
        write(result, place)
        click.echo(f"written: {place}", err=True)
