"""The small model's questions, its digest, and the tables of compression."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest
from engrams_bench.errors import MalformedResult
from engrams_bench.kv import fixture, tasks
from engrams_bench.kv.asking import QUESTIONS, SEEDS, described, drawn
from engrams_bench.kv.table import gap, markdown, pictures, share


def test_an_answer_is_found_by_following_references() -> None:
    rng, depths = Random(5), set()
    for _ in range(40):
        sample = tasks.facts(rng)
        assert len(sample.tokens()) == 97
        tag_at = {chunk[0] - tasks.TAG: place for place, chunk in enumerate(sample.chunks)}
        for question in sample.questions:
            place, depth = question.chunk, 0
            told = sample.chunks[place]
            assert told[told.index(question.attribute) + 1] == question.value
            while sample.chunks[place][1] >= tasks.REFERENCE:
                place, depth = tag_at[sample.chunks[place][1] - tasks.REFERENCE], depth + 1
            assert (sample.chunks[place][1], depth) == (question.entity, question.depth)
            depths.add(depth)
    assert depths == {0, 1, 2}


def test_nobody_can_tell_twins_apart_without_following() -> None:
    rng = Random(6)
    for _ in range(40):
        deep = [question for question in tasks.facts(rng).questions if question.depth]
        for question in deep:
            (twin,) = [q for q in deep if q.attribute == question.attribute and q is not question]
            assert twin.entity != question.entity and twin.value != question.value


def test_pairs_and_lines_have_one_answer_each() -> None:
    for make, count in ((tasks.recall, tasks.PAIRS), (tasks.retrieval, tasks.LINES)):
        sample = make(Random(7))
        assert len({(q.entity, q.attribute) for q in sample.questions}) == len(sample.questions) == count


def test_questions_of_training_come_again() -> None:
    rng = Random(8)
    asked = tasks.drawn(rng, tasks.recall(rng), 60)
    assert len(asked) == 60 and len(set(asked)) < 60


def test_more_than_four_hundred_questions_in_three_draws() -> None:
    asked = list(drawn())
    assert {one.seed for one in asked} == set(SEEDS) and len(SEEDS) == 3
    assert len(described(asked)) == QUESTIONS * len(asked) >= 400
    assert list(drawn()) == asked


def test_the_weights_are_those_that_the_script_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = fixture.made()
    assert len(fixture.checked()) == told["bytes"] < 1_000_000
    assert min(told["accuracy"].values()) >= 0.97
    spoilt = bytearray(fixture.WEIGHTS.read_bytes())
    spoilt[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(spoilt)
    monkeypatch.setattr(fixture, "WEIGHTS", tmp_path / "model.safetensors")
    with pytest.raises(MalformedResult, match="sha256"):
        fixture.checked()


def row(policy: str, budget: float, right: str, kept: float | None = None) -> dict[str, Any]:
    return {
        "policy": policy,
        "budget": budget,
        "kept": kept or budget,
        "memory": 10.0,
        "disk": 1234.5,
        "right": right,
    }


def told(**other: Any) -> dict[str, Any]:
    machine, origin = {"processor": "a processor"}, {"commit": "0123456789abcdef"}
    about = {"fixture": "f", "seeds": [1], "machine": machine, "origin": origin, "cpu_seconds": 3.0}
    rows = [row("full", 1.0, "1111")]
    for policy, half, quarter in (
        ("random", "1100", "0000"),
        ("snapkv", "1111", "1110"),
        ("streaming", "0001", "0000"),
    ):
        rows += [row(policy, 0.5, half), row(policy, 0.25, quarter)]
    rows.append(row("think", 0.75, "1111", 0.74))
    questions = [{"seed": 1, "context": n // 2, "task": "facts", "depth": 0} for n in range(4)]
    before = {**about, "rows": rows, "questions": questions}
    return {"before": before, "aware": None, "kvpress": None, **other}


def test_a_table_puts_the_best_first_and_says_how_far_it_is_from_a_draw() -> None:
    page = markdown(told())
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    assert lines[0] == "| `snapkv` | tokens | 100.0 | 75.0 | +75.0 (+50.0 to +100.0) | 1,234 |"
    assert "| `streaming` | tokens, by place |" in page
    assert "| `think` | 74.0 % | 100.0 |" in page
    assert "4 questions" in page and "012345678" in page
    assert markdown(None).startswith("No results yet")


def test_a_difference_is_of_the_same_questions() -> None:
    a, b = row("a", 0.5, "1110"), row("b", 0.5, "1000")
    assert share(a) == 0.75
    assert gap(a, b, [1, 1, 2, 2]).difference == 0.5


def test_kvpress_stands_in_the_table_only_with_the_same_model() -> None:
    other = {
        "fixture": "f",
        "failed": {"YPress": "RuntimeError: ..."},
        "versions": {"kvpress": "0.5", "transformers": "5.2"},
        "rows": [row("XPress", b, "1110") for b in (0.5, 0.25)],
    }
    page = markdown(told(kvpress=other))
    assert "`XPress`" in page and "`YPress`" in page and "+25.0" in page
    assert "`XPress`" not in markdown(told(kvpress={**other, "fixture": "another"}))


def test_the_picture_ends_at_the_full_cache() -> None:
    (picture,) = pictures(told())
    assert picture.name == "kv-compression"
    assert all(line.points[-1] == (100.0, 100.0) for line in picture.lines)
    assert pictures(None) == []
