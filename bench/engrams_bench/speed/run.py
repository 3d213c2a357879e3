"""A whole run: systems one after the other on this machine, a result file for each."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from engrams_bench.errors import MalformedResult
from engrams_bench.machine import machine, origin
from engrams_bench.report import SPEED
from engrams_bench.speed.child import command
from engrams_bench.speed.measure import Plan, measure

SCHEMA = 1


def run(
    systems: Sequence[str],
    adapters: Path,
    plan: Plan,
    out: Path,
    told: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Measures systems one after the other and writes `speed-<system>.json` for each; returns the files.

    Raises:
        BenchError: a system that is not known, or whose environment is not there; nothing was measured then.
    """
    words = {system: command(system, adapters) for system in systems}
    out.mkdir(parents=True, exist_ok=True)
    made = []
    for system in systems:
        with tempfile.TemporaryDirectory(prefix="engrams-speed-") as folder:
            found = measure(words[system], Path(folder), plan, _named(system, told))
        result = {"schema": SCHEMA, "system": system, "origin": origin(), "machine": machine(), **found}
        path = out / f"{SPEED}{system}.json"
        path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        told(f"{system}: {found['stopped'] or 'all sizes'}; {path}")
        made.append(path)
    return made


def _named(system: str, told: Callable[[str], None]) -> Callable[[str], None]:
    return lambda line: told(f"{system}: {line}")


def gather(folder: Path, systems: Sequence[str]) -> list[Mapping[str, Any]]:
    """The results of a folder, in the order of `systems`.

    Raises:
        MalformedResult: a file that is no result of a speed run.
    """
    found = []
    for path in folder.glob(f"{SPEED}*.json"):
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            if held["schema"] != SCHEMA or held["system"] not in systems:
                raise MalformedResult(f"{path}: no result that this engrams-bench reads")
        except (OSError, ValueError, KeyError, TypeError) as cause:
            raise MalformedResult(
                f"{path}: no result of a speed run: {type(cause).__name__}: {cause}"
            ) from cause
        found.append(held)
    return sorted(found, key=lambda held: list(systems).index(held["system"]))
