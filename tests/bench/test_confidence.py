"""Confidence at even odds: the figures by hand, foreign questions, and the page that shows them."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from engrams_bench.cases import Case, Question, Session, Turn
from engrams_bench.cli import cli
from engrams_bench.confidence import foreign, people, tables
from engrams_bench.confidence_table import gather, markdown, pictures
from engrams_bench.report import BEGIN, insert

from engrams import Message

HERE = Path(__file__).parents[2]


def told(*held: tuple[str, float]) -> list[dict[str, object]]:
    """Rows as a result has them, from kinds and confidences."""
    return [{"kind": kind, "confidence": sure} for kind, sure in held]


def test_at_even_odds_by_hand() -> None:
    rows = told(("answer", 0.9), ("answer", 0.85), ("answer", 0.25), ("no answer", 0.25), ("foreign", 0.05))
    found = tables(rows)
    assert found["questions"] == {"answer": 3, "no answer": 1, "foreign": 1}
    assert found["auroc"] == {"no answer": pytest.approx(2.5 / 3, abs=1e-5), "foreign": 1.0}
    assert found["silent"]["0.14"] == {"answer": 0, "no answer": 0, "foreign": 1}
    assert found["silent"]["0.3"]["answer"] == pytest.approx(1 / 3, abs=1e-5)
    # Each question with an answer weighs 1/6, each without a quarter.
    low, middle, eight, nine = found["reliability"]
    assert (low["answerable"], low["weight"]) == (0, 0.25)
    assert middle["answerable"] == pytest.approx((1 / 6) / (1 / 6 + 1 / 4), abs=1e-5)
    assert (eight["confidence"], nine["confidence"]) == (0.85, 0.9)
    gap = 0.25 * 0.05 + (5 / 12) * (0.4 - 0.25) + (1 / 6) * (1 - 0.85) + (1 / 6) * (1 - 0.9)
    assert found["calibration error"] == pytest.approx(gap, abs=1e-4)


def test_with_one_kind_without_an_answer_it_weighs_a_half() -> None:
    found = tables(told(("answer", 0.95), ("foreign", 0.95), ("foreign", 0.95)))
    (only,) = found["reliability"]
    assert only == {"confidence": 0.95, "answerable": 0.5, "weight": 1.0}
    assert found["auroc"] == {"no answer": None, "foreign": 0.5}


def test_a_foreign_question_names_those_who_speak_here() -> None:
    at = datetime(2024, 3, 1, tzinfo=UTC)
    turns = (
        Turn("1", Message("user", "Hello", speaker="Ines")),
        Turn("2", Message("user", "Hi", speaker="Jonas")),
    )
    own = Question("own", "Who greets?", "kind", ("1",), asked_at=at)
    case = Case("c", (Session("s", turns),), (own,))
    assert people(case) == ["Ines", "Jonas"]
    other = Question("q", "What did Anna tell Ben's sister, Annabel?", "kind", ("7",), ("s7",))
    (asked,) = foreign(case, [(["Anna", "Ben"], other)], random.Random(1))
    assert asked.text == "What did Ines tell Jonas's sister, Annabel?"
    assert (asked.abstain, asked.turns, asked.sessions, asked.asked_at) == (True, (), (), at)


def test_the_command_writes_what_the_page_shows(own_data: Path, tmp_path: Path) -> None:
    command = ["confidence", "-d", "locomo", "--folder", str(own_data), "--out", str(tmp_path)]
    assert CliRunner().invoke(cli, command, catch_exceptions=False).exit_code == 0
    (held,) = gather(tmp_path)
    assert {row["kind"] for row in held["rows"]} == {"answer", "no answer", "foreign"}
    assert all(set(row) == {"id", "case", "kind", "confidence"} for row in held["rows"]), "ids, never texts"
    assert "locomo, `engrams`" in markdown([held])
    (picture,) = pictures([held])
    assert (picture.name, [line.name for line in picture.lines]) == ("locomo-reliability", ["", "engrams"])


def test_the_committed_page_is_what_the_committed_results_say() -> None:
    page, results = HERE / "docs" / "confidence.md", gather(HERE / "bench" / "results")
    assert results and BEGIN in page.read_text()
    assert insert(page, markdown(results), check=True) is False
