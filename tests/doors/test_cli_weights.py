"""The commands of parametric memory, from the lessons of a file to forgetting them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engrams import Memory
from engrams.errors import BadSetting
from engrams.serve.cli.door import run

MODEL = str(Path(__file__).resolve().parents[1] / "fixtures" / "weights")
LESSONS = [
    {
        "asked": ["tell anna city is", "city of anna is"],
        "answer": "oslo",
        "otherwise": ["anna whose city is"],
    },
    {"asked": "tell boris pet is", "answer": "tiger"},
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("day.jsonl").write_text("\n".join(map(json.dumps, LESSONS)) + "\n", encoding="utf-8")
    return tmp_path


def told(capsys: pytest.CaptureFixture[str], *words: str) -> object:
    capsys.readouterr()
    code = run(["weights", *words, "--json"])
    out = capsys.readouterr().out
    return code, json.loads(out) if out.strip() else None


def test_sessions_are_written_listed_checked_and_forgotten(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ("--model", MODEL, "--db", "m.db")
    code, verdicts = told(capsys, "write", "monday", "day.jsonl", *at)  # type: ignore[misc]
    assert (code, verdicts[0]["kept"], verdicts[0]["reliability"], verdicts[0]["generality"]) == (
        0,
        True,
        1.0,
        1.0,
    )
    _, sessions = told(capsys, "list", *at)  # type: ignore[misc]
    assert [(one["name"], one["lessons"], len(one["sources"])) for one in sessions] == [("monday", 2, 2)]
    assert told(capsys, "check", "monday", *at) == (0, verdicts)
    with Memory.open("m.db") as memory:
        assert memory.weights(MODEL).ask("anna whose city is", 1) == "oslo"
        (handle,) = memory.context("anna city").weights
        assert handle.tokens == 12
        before = memory.weights(MODEL).ask("tell boris pet is", 1)
        assert before == "tiger"
    assert told(capsys, "forget", "monday", *at) == (0, {"forgotten": "monday"})
    with Memory.open("m.db") as memory:
        assert memory.weights(MODEL).ask("tell boris pet is", 1) != "tiger"
        assert len(memory.log()) == 2  # what was said stays
    code, _ = told(capsys, "forget", "monday", *at)  # type: ignore[misc]
    assert code == 3


def test_a_write_that_is_taken_back_ends_with_1(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("reserve.jsonl").write_text('{"text": "rain falls river flows"}', encoding="utf-8")
    code, verdicts = told(  # type: ignore[misc]
        capsys, "write", "day", "day.jsonl", "--model", MODEL, "--db", "m.db", "--method", "one-lora",
        "--reserve", "reserve.jsonl", "--drift", "0",
    )  # fmt: skip
    assert (code, verdicts[0]["kept"]) == (1, False)
    assert verdicts[0]["why"][0].startswith("drift")
    assert told(capsys, "list", "--model", MODEL, "--db", "m.db", "--method", "one-lora") == (0, [])


def test_methods_are_listed_with_paper_and_formula(capsys: pytest.CaptureFixture[str]) -> None:
    _, cards = told(capsys, "methods")  # type: ignore[misc]
    assert {
        "i-lora",
        "wise",
        "mlp-memory",
        "mac",
        "fpf",
        "sema",
        "second-me",
        "hierarchical-memory",
        "sparse-mezo",
    } <= {one["name"] for one in cards}
    assert all(one["paper"] and one["formula"] and one["differs"] for one in cards)
    page = (Path(__file__).resolve().parents[2] / "docs" / "weights.md").read_text("utf-8")
    assert [one["name"] for one in cards if f"`{one['name']}`" not in page] == []


def test_what_is_no_lesson_or_no_model_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.jsonl").write_text('{"asked": ["x"]}\n', encoding="utf-8")
    for words, code in (
        (("write", "s", "bad.jsonl", "--model", MODEL, "--db", "m.db"), 2),
        (("write", "s", "day.jsonl", "--model", str(place), "--db", "m.db"), 2),
        (("write", "s", "day.jsonl", "--model", MODEL, "--db", "m.db", "--method", "lorra"), 2),
    ):
        assert run(["weights", *words]) == code
    with Memory.open(":memory:") as memory, pytest.raises(BadSetting, match="limits"):
        memory.weights(MODEL, limits={"speed": 1})
