"""`engrams-bench load`: starts a server as users do, loads it, stops it, and looks for every acknowledged memory."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import numpy as np

from engrams import Memory
from engrams_bench.errors import BenchError
from engrams_bench.load.drive import Log, drive
from engrams_bench.machine import machine, origin

SCHEMA = 1
RESULT = Path("bench/results/load-rest.json")
#: The program that serves, as the console script runs it.
PROGRAM = (sys.executable, "-c", "import sys; from engrams.serve.cli import main; sys.exit(main())")
#: Memories on one page when what is there is counted.
PAGE = 10_000


def begin(db: Path | str, *options: str) -> tuple[subprocess.Popen[str], tuple[str, int]]:
    """A server of its own over a file; gives the process and its place once it listens.

    Raises:
        BenchError: it did not start.
    """
    server = subprocess.Popen(
        [*PROGRAM, "serve", "--db", str(db), "--port", "0", "--quiet", *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "ENGRAMS_EMBEDDER": "none"},
    )
    assert server.stdout is not None
    line = server.stdout.readline()
    if not line.startswith("http"):
        server.kill()
        raise BenchError(f"the server ended with {server.wait()} before it served")
    url = urlsplit(line.strip())
    return server, (str(url.hostname), int(url.port or 0))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, by /proc."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def missing(db: Path | str, acknowledged: dict[str, list[str]]) -> list[str]:
    """What was acknowledged and is not in the file."""
    lost: list[str] = []
    with Memory.open(db, embedder="none") as memory:
        for name, ids in acknowledged.items():
            there: set[str] = set()
            cursor = None
            while True:
                page = memory.log(user_id=name, limit=PAGE, cursor=cursor)
                there |= {event.id for event in page}
                cursor = page.next
                if cursor is None:
                    break
            lost += [id for id in ids if id not in there]
    return lost


def milliseconds(seconds: list[float]) -> dict[str, float]:
    """How long answers took: p50, p95, p99 and the longest, in milliseconds."""
    held = np.array(seconds) * 1e3
    found = {f"p{q}": round(float(np.percentile(held, q)), 2) for q in (50, 95, 99)}
    return {**found, "longest": round(float(held.max()), 2), "count": len(seconds)}


def run(clients: int, seconds: float, seed: int, folder: Path) -> dict[str, Any]:
    """One whole run over a file in the folder; the result as it is written."""
    db = folder / "load.db"
    server, place = begin(db)
    busy = os.getloadavg()[0]
    try:
        used, began = cpu_seconds(server.pid), time.perf_counter()
        log: Log = asyncio.run(drive(place, clients, seconds, seed))
        wall = time.perf_counter() - began
        used = cpu_seconds(server.pid) - used
        server.send_signal(signal.SIGTERM)
        code = server.wait()
    finally:
        server.kill()
        server.communicate()
    answered = len(log.adds) + len(log.searches)
    acknowledged = sum(map(len, log.acknowledged.values()))
    return {
        "schema": SCHEMA,
        "origin": origin(),
        "machine": machine(),
        "settings": {"clients": clients, "seconds": seconds, "seed": seed, "workers": 1, "embedder": "none"},
        "requests per second": round(answered / wall, 1),
        "add ms": milliseconds(log.adds),
        "search ms": milliseconds(log.searches),
        "server CPU seconds": round(used, 2),
        "server CPU ms per request": round(used * 1e3 / answered, 3),
        "processes that ran before": round(busy, 1),
        "cores the server kept busy": round(used / wall, 2),
        "acknowledged": acknowledged,
        "lost": missing(db, log.acknowledged),
        "errors": log.errors,
        "exit code": code,
        "file bytes": db.stat().st_size,
    }


@click.command()
@click.option("--clients", type=click.IntRange(1), default=50, show_default=True, help="Connections at once.")
@click.option(
    "--seconds", type=click.FloatRange(1), default=60.0, show_default=True, help="How long they ask."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of what they say and ask.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the result goes; else the committed ones, for runs of a minute or more.",
)
def load(clients: int, seconds: float, seed: int, out: Path | None) -> None:
    """Loads a REST server of its own: adds and searches mixed, every acknowledged memory looked for afterwards.

    Ends with 1 where anything failed or was lost.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = run(clients, seconds, seed, Path(folder))
    target = out or (RESULT if seconds >= 60 and RESULT.parent.is_dir() else None)
    text = json.dumps(result, indent=1)
    if target is not None:
        target.write_text(text + "\n", encoding="utf-8")
    click.echo(text)
    if result["errors"] or result["lost"] or result["exit code"]:
        raise BenchError(f"{len(result['errors'])} requests failed, {len(result['lost'])} memories were lost")
