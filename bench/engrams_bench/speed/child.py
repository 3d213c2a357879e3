"""A driven process: requests as JSON lines to an adapter of `bench/peers`, in the environment of its store."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from engrams_bench.errors import BenchError
from engrams_bench.machine import THREADS

PLACE = "ENGRAMS_BENCH_PEERS"
#: Systems by name: adapter, its arguments, and the environment it needs (None: this one).
SYSTEMS: Mapping[str, tuple[str, tuple[str, ...], str | None]] = {
    "engrams": ("drive_engrams.py", ("words",), None),
    "engrams-vectors": ("drive_engrams.py", ("vectors",), None),
    "engrams-house": ("drive_engrams.py", ("house",), None),
    "mem0": ("drive_mem0.py", (), "mem0"),
    "chroma": ("drive_chroma.py", (), "chroma"),
    "langgraph": ("drive_langgraph.py", (), "langgraph"),
    "txtai": ("drive_txtai.py", (), "txtai"),
}


class Failed(BenchError):
    """The store raised, or its process ended; the message is what it said."""


class TimeUp(BenchError):
    """The process did not answer in the time it was given."""


class Cost(NamedTuple):
    """Milliseconds of one request: of the processor and of the clock on the wall."""

    cpu: float
    wall: float


def environments(folder: Path) -> Path:
    """Where the peers' environments lie: what the variable says, else `.venv-peers` of the checkout."""
    return Path(os.environ.get(PLACE) or folder.parent.parent / ".venv-peers")


def command(system: str, folder: Path) -> list[str]:
    """How a system's adapter, of the adapters in `folder`, is run.

    Raises:
        BenchError: no such system, or its environment is not there; says how to make it.
    """
    if system not in SYSTEMS:
        raise BenchError(f"unknown system {system!r}; known: {', '.join(SYSTEMS)}")
    adapter, arguments, environment = SYSTEMS[system]
    if not (folder / adapter).is_file():
        raise BenchError(f"no adapter {folder / adapter}; run from a checkout, or name its bench/peers")
    python = sys.executable
    if environment is not None:
        python = str(environments(folder) / environment / "bin" / "python")
        if not Path(python).exists():
            raise BenchError(f"no environment for {system}: make it with {folder / 'setup'} {environment}")
    return [python, str(folder / adapter), *arguments]


class Child:
    """One process over one store; ends with the block."""

    def __init__(self, words: list[str], log: Path) -> None:
        quiet = dict.fromkeys(THREADS, "1") | {"TOKENIZERS_PARALLELISM": "false"}
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **quiet},
        )
        self._ready = selectors.DefaultSelector()
        assert self._process.stdout is not None
        self._ready.register(self._process.stdout, selectors.EVENT_READ)

    def ask(self, what: str, seconds: float = 600.0, **more: Any) -> dict[str, Any]:
        """Sends one request and returns its answer.

        Raises:
            Failed: the store raised, or the process ended.
            TimeUp: no answer in `seconds`.
        """
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps({"do": what, **more}).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError as cause:
            raise Failed(f"{what}: the process ended with {process.wait()}") from cause
        if not self._ready.select(seconds):
            raise TimeUp(f"{what}: no answer in {seconds:.0f} s")
        line = process.stdout.readline()
        if not line:
            raise Failed(f"{what}: the process ended with {process.wait()}")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise Failed(f"{what}: {told['error']}")
        return told

    def cost(self, what: str, seconds: float = 600.0, **more: Any) -> Cost:
        """What one request cost."""
        told = self.ask(what, seconds, **more)
        return Cost(told["cpu_ms"], told["wall_ms"])

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ready.close()
        if error is not None:
            self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait()
        self._log.close()
