"""`engrams demo`: what a stranger sees first, and that it is true."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engrams.serve.cli.demo import BUDGET, CORRECTION, KINDS, SHOWN
from engrams.serve.cli.stage import program as program_name

Engrams = Callable[..., Any]

SAMPLES = Path(__file__).parents[2] / "engrams" / "samples"


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    questions: dict[str, Any] = json.loads((SAMPLES / "demo_questions.json").read_text(encoding="utf-8"))
    return questions


def test_one_question_of_each_kind_is_shown(known: dict[str, Any]) -> None:
    shown = [q for q in known["questions"] if q["id"] in SHOWN]
    assert sorted(q["category"] for q in shown) == sorted(KINDS)


def test_the_demo_shows_import_contexts_history_and_deletion(
    engrams: Engrams, known: dict[str, Any], database: Path
) -> None:
    answer = engrams("demo", "--json")
    assert answer.code == 0, answer.err
    told = answer.json
    lines = (SAMPLES / "demo.jsonl").read_text(encoding="utf-8").splitlines()
    assert told["import"]["messages"] == len(lines)
    assert told["import"]["sessions"] == len({json.loads(line)["session"] for line in lines})
    assert [q["question"] for q in told["questions"]] == [
        q["question"] for q in known["questions"] if q["id"] in SHOWN
    ]
    assert all(q["tokens"] <= BUDGET and q["citations"] for q in told["questions"] if q["found"])
    assert told["count"]["asked"] == sum(bool(q["gold"]) for q in known["questions"])
    assert 0 <= told["count"]["complete"] <= told["count"]["some"] <= told["count"]["asked"]
    assert [(v["version"], v["change"]) for v in told["history"]] == [(1, "ADD"), (2, "UPDATE")]
    assert told["history"][1]["content"] == CORRECTION
    assert told["deletion"]["still_found"] is False
    assert len(told["deletion"]["events"]) == 1
    assert not database.exists()


def test_in_a_pipe_the_demo_is_plain_and_its_commands_can_be_pasted(
    engrams: Engrams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = engrams("demo", "--keep", "demo.db")
    assert shown.code == 0, shown.err
    assert "\x1b" not in shown.out
    assert [line for line in shown.lines if line.startswith("== ")] == [
        "== 1. A history comes in",
        "== 2. Questions, months later",
        "== 3. A fact changes",
        "== 4. Forgetting",
        "== 5. Your turn",
    ]
    import shlex

    commands = [shlex.split(line) for line in shown.lines if line.startswith("  ") and "--db demo.db" in line]
    assert len(commands) == 4
    for command in commands:
        answer = engrams(*command[1:])
        assert (answer.code, bool(answer.out)) == (0, True), command
    assert engrams("demo", "--keep", "demo.db").code == 2


def test_the_demo_on_somebodys_own_file(engrams: Engrams, tmp_path: Path) -> None:
    file = tmp_path / "chat.md"
    file.write_text(
        "".join(
            f"**Ann:** Then I asked Priya about boat number {n}.\n\n**Ben:** Good.\n\n" for n in range(5)
        ),
        encoding="utf-8",
    )
    for given in ((file,), ("--file", file)):
        told = engrams("demo", *given, "--json").json
        assert (told["import"]["format"], told["import"]["messages"]) == ("markdown", 10)
        assert told["speakers"] == {"Ann": 5, "Ben": 5}
        assert told["questions"][0]["question"] == "What do you know about Priya?"
        assert "Priya" in told["questions"][0]["context"]
    asked = engrams("demo", file, "--ask", "which boat was it?", "--ask", "who said good?", "--json").json
    assert [q["question"] for q in asked["questions"]] == ["which boat was it?", "who said good?"]
    plain = engrams("demo", file)
    assert plain.code == 0
    assert re.search(r"^Often named: Priya\.$", plain.out, re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("nowhere.json",), 3, "nowhere.json"),
        (("--ask", " "), 2, "--ask"),
        (("--keep", "."), 2, "is there already"),
    ],
)
def test_what_the_demo_cannot_do(engrams: Engrams, arguments: tuple[str, ...], code: int, says: str) -> None:
    answer = engrams("demo", *arguments)
    assert answer.code == code
    assert says in answer.err


def test_commands_name_the_program_as_the_shell_finds_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = tmp_path / "venv" / "bin" / "engrams"
    made.parent.mkdir(parents=True)
    made.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(made.parent))
    monkeypatch.setattr("sys.argv", [str(made)])
    assert program_name() == "engrams"
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(tmp_path)
    assert program_name() == "venv/bin/engrams"
    monkeypatch.chdir(made.parent)
    assert program_name() == "./engrams"
