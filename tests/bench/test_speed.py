"""The speed benchmark: the protocol on a store of our own, sizes and stops, tables that admit what is behind."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from engrams_bench.cli import cli
from engrams_bench.errors import BenchError, MalformedResult
from engrams_bench.report import gather as gather_recall
from engrams_bench.speed.child import SYSTEMS, Child, Failed, TimeUp, command
from engrams_bench.speed.measure import Plan, measure
from engrams_bench.speed.run import gather
from engrams_bench.speed.table import MEASURES, TITLES, figure, markdown, verdict
from engrams_bench.speed.texts import LONGEST, SHORTEST, messages, questions

PEERS = Path(__file__).parents[2] / "bench" / "peers"

FAKE = """
import sys, json, pathlib
sys.path.insert(0, {peers!r})
import protocol

class Fake(protocol.Driver):
    notes = ("forgets nothing",)
    def version(self): return "1.0"
    def open(self, folder):
        self.place = pathlib.Path(folder) / "held.json"
        self.held = json.loads(self.place.read_text()) if self.place.exists() else []
    def add(self, user, text):
        print("a store that talks on its standard output")
        self.held.append([user, text])
    def search(self, user, query, k):
        if user is None: raise NotImplementedError("within a user only")
        words = set(query.strip("?").split())
        mine = [t for u, t in self.held if u == user]
        return sorted(mine, key=lambda t: -len(words & set(t.split())))[:k]
    def close(self): self.place.write_text(json.dumps(self.held))
    def add_many(self, items):
        if len(self.held) >= {most}: raise MemoryError("full")
        super().add_many(items)
protocol.serve(Fake())
"""


@pytest.fixture
def fake(tmp_path: Path) -> list[str]:
    """The command of a store that lists what it holds."""
    return _fake(tmp_path, most=10**9)


def _fake(folder: Path, most: int) -> list[str]:
    script = folder / "fake.py"
    script.write_text(FAKE.format(peers=str(PEERS), most=most), encoding="utf-8")
    return [sys.executable, str(script)]


def test_a_driven_store_answers_line_by_line(fake: list[str], tmp_path: Path) -> None:
    with Child(fake, tmp_path / "log") as child:
        child.cost("open", folder=str(tmp_path))
        child.cost("add_many", items=[["u0", "a red fox"], ["u1", "a blue cat"]])
        added = child.cost("add", user="u0", text="a green dog")
        assert added.cpu >= 0 and added.wall > 0
        found = child.ask("search", user="u0", query="What about green?", k=1)
        assert found["texts"] == ["a green dog"]
        about = child.ask("about")
        assert (about["version"], about["notes"]) == ("1.0", ["forgets nothing"])
        with pytest.raises(Failed, match="within a user only"):
            child.ask("search", user=None, query="x", k=1)
        with pytest.raises(Failed, match="unknown request"):
            child.ask("dance")
        child.cost("close")
    assert "a store that talks" in (tmp_path / "log").read_text()
    with Child(fake, tmp_path / "log") as again:
        again.cost("open", folder=str(tmp_path))
        assert again.ask("search", user="u1", query="blue", k=5)["texts"] == ["a blue cat"]


def test_a_process_that_ends_or_hangs_is_told_apart(tmp_path: Path) -> None:
    with (
        Child([sys.executable, "-c", "raise SystemExit(3)"], tmp_path / "log") as child,
        pytest.raises(Failed, match="3"),
    ):
        child.ask("about")
    with Child([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path / "log") as child:  # fmt: skip
        with pytest.raises(TimeUp):
            child.ask("about", seconds=0.1)
        child._process.kill()


@pytest.mark.slow
def test_every_size_is_measured(fake: list[str], tmp_path: Path) -> None:
    plan = Plan(sizes=(20, 40), searches=4, adds=3, seconds=3000)
    found = measure(fake, tmp_path / "run", plan)
    assert found["stopped"] is None
    assert [row["memories"] for row in found["sizes"]] == [20, 40]
    for row in found["sizes"]:
        assert row["bulk"]["count"] == 20
        assert row["add"]["count"] == 3 and row["search user"]["count"] == 3
        assert row["search user"]["hits"] == 10
        assert "within a user only" in row["search all"]["error"]
        assert row["disk"] > 0
    assert found["about"]["notes"] == ["forgets nothing"]


@pytest.mark.slow
def test_a_system_that_gets_no_further_says_where_it_stopped(tmp_path: Path) -> None:
    words = _fake(tmp_path, most=1000)
    found = measure(words, tmp_path / "run", Plan(sizes=(10, 4000), searches=2, adds=1, seconds=300))
    assert [row["memories"] for row in found["sizes"]] == [10]
    assert found["stopped"].startswith("beyond 10 memories (had 10): add_many: MemoryError: full")


def test_texts_are_the_same_from_the_same_seed() -> None:
    first, again, other = list(messages(50, 1)), list(messages(50, 1)), list(messages(50, 2))
    assert first == again != other
    assert all(SHORTEST <= len(text.split()) <= LONGEST for text in first)
    asked = questions(first, 5)
    assert asked == questions(first, 5)
    words = set(" ".join(first).split())
    assert all(set(question.strip("?").split()[2:]) <= words for question in asked)


def test_every_adapter_speaks_the_protocol() -> None:
    assert {name for name, _, _ in SYSTEMS.values()} == {path.name for path in PEERS.glob("drive_*.py")}
    assert set(TITLES) == set(SYSTEMS)
    for _, _, environment in SYSTEMS.values():
        assert environment is None or (PEERS / f"{environment}.txt").read_text().strip()


def test_a_peer_without_its_environment_says_how_to_make_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ENGRAMS_BENCH_PEERS", str(tmp_path))
    with pytest.raises(BenchError, match="setup mem0"):
        command("mem0", PEERS)
    with pytest.raises(BenchError, match="known: engrams"):
        command("memory9", PEERS)


@pytest.mark.slow
def test_engrams_runs_through_the_command(tmp_path: Path) -> None:
    words = ["speed", "-s", "engrams", "-s", "engrams-vectors", "-n", "30", "--searches", "3", "--adds", "2"]
    done = CliRunner().invoke(
        cli, [*words, "--adapters", str(PEERS), "--out", str(tmp_path)], catch_exceptions=False
    )
    assert done.exit_code == 0
    held = gather(tmp_path, list(TITLES))
    assert [result["system"] for result in held] == ["engrams", "engrams-vectors"]
    assert all(result["sizes"][0]["search all"]["hits"] == 10 and not result["stopped"] for result in held)
    assert "Search in all memories" in markdown(held)
    assert gather_recall(tmp_path) == []


def row(memories: int, milliseconds: float) -> dict[str, Any]:
    cost = {"p50": milliseconds, "p95": 2 * milliseconds}
    return {
        "memories": memories,
        "bulk": {"per memory": milliseconds},
        "add": cost,
        "search user": cost,
        "search all": cost,
        "cold start": {"open": 1, "first search": 1},
        "rss": 1e6,
        "disk": 2e6,
    }


def result(system: str, *rows: dict[str, Any], stopped: str | None = None) -> dict[str, Any]:
    return {
        "schema": 1,
        "system": system,
        "about": {"version": "1", "notes": []},
        "sizes": list(rows),
        "stopped": stopped,
        "plan": {"searches": 1, "adds": 1, "seconds": 1, "seed": 0},
        "origin": {"commit": "abcdef0123", "version": "0", "changed": False},
        "machine": {"processor": "a", "cores": 1, "python": "3"},
    }


def test_tables_say_what_is_behind_and_why() -> None:
    held = [
        result("engrams-vectors", row(10, 2.0), row(100, 2.0), row(1000, 2.0)),
        result("chroma", row(10, 1.0), row(100, 2.1), stopped="beyond 100 memories: too slow"),
        result("mem0", row(10, 9.0), row(100, 9.0)),
    ]
    search = MEASURES[0]
    assert verdict(held, search, 10) == "behind chroma, 2.0 times"
    assert verdict(held, search, 100) == "like chroma"
    assert verdict(held, search, 1000) == "no peer got here"
    assert verdict(held[:1] + held[2:], search, 10) == "ahead, 4.5 times"
    said = markdown(held)
    assert "| 10 | 2.0 / 4.0 | 9.0 / 18.0 |" not in said  # columns stand in the order given
    assert "| 10 | 2 / 4 | 1 / 2 | 9 / 18.0 | behind chroma, 2.0 times |" in said
    assert "Where it is behind: " in said and "stopped beyond 100 memories: too slow" in said
    assert (figure(None), figure(0.0512), figure(12.34), figure(1234.5)) == ("–", "0.051", "12.3", "1,234")


def test_a_file_that_is_no_speed_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "speed-x.json").write_text(json.dumps({"schema": 9}))
    with pytest.raises(MalformedResult, match=r"speed-x\.json"):
        gather(tmp_path, list(TITLES))


def test_what_a_store_prints_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PEERS))
    import protocol  # type: ignore[import-not-found]

    out = io.StringIO()
    protocol.serve(protocol.Driver(), io.StringIO('{"do": "open", "folder": "x"}\n{"do": "close"}\n'), out)
    first, last = map(json.loads, out.getvalue().splitlines())
    assert first["error"].startswith("NotImplementedError") and "cpu_ms" in last
