"""What a coding agent waits for: each hook as a process of its own, wall and CPU time, over a session of ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click

from engrams import Memory
from engrams_bench.machine import machine, origin

FILE = "hooks.json"
#: A turn: what the person asks, commands with their output, edits, the answer. About 12 kB, as test runs print.
_OUTPUT = "tests/test_shop.py::test_an_order_is_kept PASSED [ 12%]\n" * 40
_COMMANDS = 4
NAMESPACE = "code/bench"


def _turn(number: int) -> list[Mapping[str, Any]]:
    at = "2026-03-01T10:00:00Z"

    def line(role: str, *content: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"type": role, "timestamp": at, "message": {"role": role, "content": list(content)}}

    lines = [
        line("user", {"type": "text", "text": f"Always keep order {number} in the shop, and fix what fails."})
    ]
    for i in range(_COMMANDS):
        id = f"t{number}-{i}"
        tool = {
            "type": "tool_use",
            "id": id,
            "name": "Bash",
            "input": {"command": f"pytest tests/test_{i}.py"},
        }
        came = {"type": "tool_result", "tool_use_id": id, "content": _OUTPUT, "is_error": i == 0}
        lines += [line("assistant", tool), line("user", came)]
    return [
        *lines,
        line("assistant", {"type": "text", "text": f"Order {number} is kept because it is written first."}),
    ]


def _timed(command: list[str], message: Mapping[str, Any]) -> tuple[float, float, str]:
    """Wall and CPU milliseconds of one hook, and what it printed."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin
    assert process.stdout
    process.stdin.write(json.dumps(message).encode())
    process.stdin.close()
    said = process.stdout.read()
    process.stdout.close()
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    return wall * 1000, (used.ru_utime + used.ru_stime) * 1000, said.decode()


def _spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    at = [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95)]
    return {"p50": round(at[0], 1), "p95": round(at[1], 1), "max": round(ordered[-1], 1)}


def measure(times: int, sizes: tuple[int, ...], progress: Callable[[str], None]) -> dict[str, Any]:
    """The figures of each hook, run `times` times; a session start for each size of the project's journal, in messages."""
    found: dict[str, Any] = {}

    def keep(name: str, command: list[str], message: Callable[[int], Mapping[str, Any]]) -> None:
        runs = [_timed(command, message(i)) for i in range(times)]
        letters = sorted(len(said) for _, _, said in runs)
        found[name] = {
            "wall_ms": _spread([wall for wall, _, _ in runs]),
            "cpu_ms": _spread([cpu for _, cpu, _ in runs]),
            "letters_said": letters[len(letters) // 2],
        }
        progress(f"{name}: wall {found[name]['wall_ms']}, CPU {found[name]['cpu_ms']} ms")

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "memory.db"
        command = [
            sys.executable,
            "-m",
            "engrams.serve.hooks",
            "run",
            "--db",
            str(place),
            "--namespace",
            NAMESPACE,
        ]
        keep("python alone", [sys.executable, "-c", "pass"], lambda i: {})
        keep(
            "UserPromptSubmit",
            command,
            lambda i: _message("UserPromptSubmit", f"p{i}", prompt="Keep the order."),
        )
        for name, turns in (("Stop, one turn", 1), ("Stop, 100 turns at once", 100)):
            path = Path(folder) / f"{turns}.jsonl"
            path.write_text(
                "".join(json.dumps(x) + "\n" for n in range(turns) for x in _turn(n)), encoding="utf-8"
            )
            size = path.stat().st_size
            keep(name, command, partial(_stopped, path))
            found[name]["transcript_bytes"] = size
        for size in sizes:
            place = Path(folder) / f"{size}.db"
            with Memory.open(place, embedder="none") as memory:
                memory.add_many((_said(i) for i in range(size)), namespace=NAMESPACE)
            command[command.index("--db") + 1] = str(place)
            keep(
                f"SessionStart, {size:,} messages",
                command,
                lambda i: _message("SessionStart", f"n{i}", source="startup"),
            )
    return found


def _said(number: int) -> Mapping[str, Any]:
    role = ("user", "assistant")[number % 2]
    return {
        "role": role,
        "content": f"We use order {number} of the shop, never the one before.",
        "session": f"s{number // 20}",
    }


def _stopped(transcript: Path, number: int) -> Mapping[str, Any]:
    return _message("Stop", f"{transcript.stem}-{number}", transcript_path=str(transcript))


def _scheduler() -> str | None:
    """Whether others on the machine had to wait ("fifo", as `chrt -f` runs it) or took turns; None where nobody says."""
    if not hasattr(os, "sched_getscheduler"):
        return None
    names = {os.SCHED_OTHER: "other", os.SCHED_FIFO: "fifo", os.SCHED_RR: "rr"}
    return names.get(os.sched_getscheduler(0))


def _message(event: str, session: str, **more: str) -> Mapping[str, Any]:
    return {"hook_event_name": event, "session_id": session, "cwd": "/", **more}


@click.command("hooks")
@click.option("--times", default=40, show_default=True, help="How often each hook runs.")
@click.option("--sizes", default="1000,10000", show_default=True, help="Messages in the project's journal.")
@click.option("--results", default="bench/results", show_default=True, type=click.Path(path_type=Path))
def hooks(times: int, sizes: str, results: Path) -> None:
    """Measures what a coding agent waits for at each hook; writes hooks.json."""
    load = os.getloadavg()[0]
    found = measure(times, tuple(int(s) for s in sizes.split(",")), click.echo)
    told = {
        "what": "each hook as a process of its own; wall and CPU milliseconds",
        "settings": {"times": times, "sizes": sizes},
        "origin": origin(),
        "machine": {**machine(), "load_average_before": round(load, 2), "scheduler": _scheduler()},
        "hooks": found,
    }
    results.mkdir(parents=True, exist_ok=True)
    (results / FILE).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
