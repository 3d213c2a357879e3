"""The command `engrams-bench kv`: compression policies on the small model, all rows in one run."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from engrams_bench.kv.asking import SEEDS
from engrams_bench.kv.table import MODES
from engrams_bench.machine import machine, origin

OUT = Path("bench/results/kv")


@click.command("kv")
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default=MODES[0],
    show_default=True,
    help="Compressed before any question is known, or for one question.",
)
@click.option(
    "--part", type=click.FloatRange(0, 1, min_open=True), default=1.0, help="A share of the contexts."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Default for whole runs: bench/results/kv.",
)
def kv(mode: str, part: float, out: Path | None) -> None:
    """Compresses caches of a small model by every policy and asks what is left of them. Needs engrams[torch]."""
    told = measure(mode, part)
    for row in told["rows"]:
        right: str = row["right"]
        click.echo(f"{row['policy']:32s} {row['budget']:5.3f}  {right.count('1') / len(right):.3f}")
    folder = out or (OUT if part == 1 and OUT.is_dir() else None)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{mode}.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        click.echo(f"written: {folder}/{mode}.json", err=True)


def measure(mode: str, part: float = 1.0) -> dict[str, Any]:
    """What the result file holds; one thread."""
    import torch

    from engrams_bench.kv import fixture
    from engrams_bench.kv.asking import described, drawn
    from engrams_bench.kv.calibrate import calibrate
    from engrams_bench.kv.compressing import agnostic, aware

    torch.set_num_threads(1)
    began = time.process_time()
    model = fixture.load()
    known = calibrate(model)
    asked = list(drawn(part=part))
    tell = lambda line: click.echo(line, err=True)  # noqa: E731
    rows = (agnostic if mode == MODES[0] else aware)(model, asked, known, tell)
    return {
        "fixture": fixture.made()["sha256"],
        "seeds": list(SEEDS),
        "origin": origin(),
        "machine": machine(),
        "cpu_seconds": round(time.process_time() - began, 1),
        "heads": {"retrieval": known.retrieval, "echo": known.echo, "searched": known.searched},
        **rows,
        "questions": described(asked),
    }
