"""The command `engrams-bench weights`."""

from __future__ import annotations

from pathlib import Path

import click

from engrams_bench.parametric.table import FOLDER, ORDER

RESULTS = Path("bench/results")


@click.command("weights")
@click.option(
    "--row", "-r", "rows", multiple=True, type=click.Choice(ORDER), help="Only these rows; all by default."
)
@click.option("--seed", "-s", "seeds", multiple=True, type=int, default=(0, 1, 2), show_default=True)
@click.option("--month", is_flag=True, help="Only the month of use: what moving between forms saves.")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=RESULTS / FOLDER, show_default=True
)
def weights(rows: tuple[str, ...], seeds: tuple[int, ...], month: bool, out: Path) -> None:
    """Memory in weights: what each method knows of three sessions, what the model lost, what it took. Needs the extra torch."""
    if month:
        from engrams_bench.parametric.month import write

        for row in write(out)["rows"]:
            click.echo(f"{row['name']}: {row['tokens']:,.0f} tokens, {row['use'] + row['make']:,.0f} ms")
        return
    from engrams_bench.parametric.run import run

    run(rows, seeds, out, click.echo)
