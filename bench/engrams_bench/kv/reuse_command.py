"""The command `engrams-bench kv-reuse`."""

from __future__ import annotations

from pathlib import Path

import click

from engrams_bench.kv.reuse_table import FIRST_TOKEN, ROWS, quality, speed

RESULTS = Path("bench/results/kv")


@click.command("kv-reuse")
@click.option("--contexts", type=click.IntRange(min=1), help="Contexts of each of three draws. Default: 40.")
@click.option(
    "--only", type=click.Choice(("answers", "time")), help="Only what is answered, or only the time."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Default for whole runs: bench/results/kv.",
)
def kv_reuse(contexts: int | None, only: str | None, out: Path | None) -> None:
    """Chunks read alone and composed in every way: what a small model answers, and the time to the first token. Needs engrams[torch]."""
    from engrams_bench.kv import first_token, fixture, reusing

    def tell(line: str) -> None:
        click.echo(line, err=True)

    folder = out or (RESULTS if contexts is None and RESULTS.is_dir() else None)
    if only != "time":
        told = reusing.measure(fixture.load(), count=contexts or reusing.CONTEXTS, tell=tell)
        click.echo(quality(told))
        if folder is not None:
            reusing.write(told, folder / ROWS)
    if only != "answers":
        timed = first_token.measure(tell=tell)
        click.echo(speed(timed))
        if folder is not None:
            reusing.write(timed, folder / FIRST_TOKEN)
