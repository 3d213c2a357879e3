"""Processes are killed in the middle of their work, again and again; docs/faults.md shows the counts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.postgres_server import SERVER

Start = Callable[..., "subprocess.Popen[str]"]

#: Kills of each kind of work. The counts on the page are these; a test compares them.
KILLS = {
    "add": 60,
    "rebuild": 40,
    "renew": 30,
    "consolidate": 30,
    "migrate": 30,
    "migrate-server": 20,
    "erase": 30,
    "restore": 30,
}
#: Kinds of work that derive or move: of these alone there are 200 kills at least.
DERIVING = ("add", "rebuild", "renew", "consolidate", "migrate", "migrate-server")


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(KILLS))
def test_a_kill_at_any_moment_leaves_all_or_nothing(start: Start, tmp_path: Path, kind: str) -> None:
    address = [SERVER.url] if kind == "migrate-server" else []
    process = start("killing", kind, tmp_path, KILLS[kind], *address)
    out, err = process.communicate(timeout=280)
    assert process.returncode == 0, err
    told = json.loads(out)
    assert told["kills"] == KILLS[kind]
    assert told["during"] >= KILLS[kind] // 4  # the kills came while it worked, not before or after
    assert kind != "renew" or told["went_on"] >= KILLS[kind] // 8  # and some of them between two pieces of it


def test_the_counts_on_the_page_are_those_of_the_tests() -> None:
    page = (Path(__file__).parents[2] / "docs" / "faults.md").read_text("utf-8")
    assert sum(KILLS[kind] for kind in DERIVING) >= 200
    for kind, kills in KILLS.items():
        assert f"| `{kind}` | {kills} |" in page
    assert f"{sum(KILLS.values())} kills" in page
