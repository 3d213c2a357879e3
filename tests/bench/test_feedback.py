"""The measurement of learning from use, on a conversation of four questions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from engrams_bench.cases import Case, DataSet, Question, Session, Turn
from engrams_bench.datasets import DATASETS
from engrams_bench.errors import BenchError
from engrams_bench.feedback import Settings, measure, table, write

from engrams import Memory, Message

SAID = {
    "a": "I adopted a grey cat yesterday.",
    "b": "The cat food is empty.",
    "c": "My sister has a cat called Tom.",
    "d": "We drove to Braga by train.",
}
ASKED = {
    "a": "Which cat did I adopt?",
    "b": "Which food is empty?",
    "c": "Who is Tom?",
    "d": "Who drove to Braga?",
}
SMALL = Settings(steps=(1, 3), seeds=1, wrong=(0.0, 1.0), shown=3, ks=(1, 2))


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """The conversation as a data set; its one file only has to be there."""
    (tmp_path / "pets.json").write_text("{}", encoding="utf-8")
    turns = tuple(Turn(id, Message("user", text)) for id, text in SAID.items())
    questions = tuple(Question(f"q{id}", text, "single", (id,)) for id, text in ASKED.items())
    case = Case("pets", (Session("one", turns),), (*questions, Question("none", "Who?", "single")))
    return replace(
        DATASETS["locomo"], name="pets", files=("pets.json",), load=lambda paths: iter([case]), folder=None
    )


def measured(data: DataSet, folder: Path, settings: Settings = SMALL) -> dict[str, Any]:
    return measure(Memory.catalogue()["engrams"], data, folder, settings, lambda line: None)


def test_it_can_be_made_again_and_holds_no_text(data: DataSet, tmp_path: Path) -> None:
    result = measured(data, tmp_path)
    rows = result["rows"]
    assert rows == measured(data, tmp_path)["rows"]
    assert [(r["wrong"], r["questions with feedback"]) for r in rows] == [(0, 1), (0, 3), (1, 1), (1, 3)]
    assert [r["verdicts"] for r in rows] == [1, 3, 1, 3]
    assert (result["conversations"], result["held out"]) == (1, 1)
    for row in rows:
        held = row["recall@2"]
        assert held["difference"] == pytest.approx(held["after"] - held["before"])
    write(result, tmp_path / "out" / "feedback-pets.json")
    kept = (tmp_path / "out" / "feedback-pets.json").read_text("utf-8")
    assert json.loads(kept)["rows"] == rows
    assert not any(text in kept for text in (*SAID.values(), *ASKED.values()))
    assert len(table(result).splitlines()) == 2 + len(rows)


def test_too_few_questions_are_said(data: DataSet, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="more than 4 questions"):
        measured(data, tmp_path, replace(SMALL, steps=(4,)))
