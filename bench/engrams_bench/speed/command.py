"""The command `engrams-bench speed`."""

from __future__ import annotations

from pathlib import Path

import click

from engrams_bench.speed.child import SYSTEMS
from engrams_bench.speed.measure import Plan
from engrams_bench.speed.run import run
from engrams_bench.speed.table import TITLES

DEFAULT = Plan()


@click.command()
@click.option(
    "--system",
    "-s",
    "systems",
    multiple=True,
    type=click.Choice(list(SYSTEMS)),
    help="Repeat for several. Default: all.",
)
@click.option(
    "--size",
    "-n",
    "sizes",
    multiple=True,
    type=click.IntRange(10),
    help="Memories; repeat. Default: 1000 to 1000000.",
)
@click.option(
    "--searches", type=click.IntRange(2), default=DEFAULT.searches, show_default=True, help="For each size."
)
@click.option(
    "--adds", type=click.IntRange(1), default=DEFAULT.adds, show_default=True, help="For each size."
)
@click.option(
    "--seconds",
    type=click.FloatRange(1),
    default=DEFAULT.seconds,
    show_default=True,
    help="On the wall, for each system: it stops where it then is.",
)
@click.option("--seed", type=int, default=DEFAULT.seed, show_default=True)
@click.option(
    "--adapters",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path("bench/peers"),
    show_default=True,
    help="Where the adapters lie; their `setup` makes the peers' environments.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("bench/results"),
    show_default=True,
)
def speed(
    systems: tuple[str, ...],
    sizes: tuple[int, ...],
    searches: int,
    adds: int,
    seconds: float,
    seed: int,
    adapters: Path,
    out: Path,
) -> None:
    """Measures speed and growth of Engrams and of other stores, one after the other, with the same texts."""
    plan = Plan(tuple(sorted(set(sizes))) or DEFAULT.sizes, searches, adds, seconds, seed=seed)
    chosen = [system for system in TITLES if system in (systems or SYSTEMS)]
    run(chosen, adapters.resolve(), plan, out, lambda line: click.echo(line, err=True))
