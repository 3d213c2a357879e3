"""The world of the weights benchmark, its table and its month of use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from engrams_bench.parametric import table
from engrams_bench.parametric.world import KNOWN, VALUES, WORDS, asked, build, ids

from engrams.organise.forms import ChooseForm, Costs

ROOT = Path(__file__).resolve().parents[2]


def test_a_world_is_the_same_for_a_seed_and_edits_a_quarter() -> None:
    world = build(0)
    assert build(0) == world != build(1)
    assert len(world.base) == KNOWN
    for told in world.sessions:
        edits = [fact for fact in told if fact in world.base]
        assert (len(told), len(edits)) == (32, 8)
        assert all(told[fact] != world.base[fact] for fact in edits)
    assert len({fact for told in world.sessions for fact in told}) == 96  # nothing is told twice
    assert len(world.kept) == KNOWN - 24
    assert all(0 <= value < len(VALUES) for value in world.base.values())


def test_words_are_tokens_and_every_way_to_ask_ends_alike() -> None:
    assert len(set(WORDS)) == len(WORDS)
    assert [len(asked((0, 0), way)) for way in range(3)] == [5, 5, 5]
    assert ids("anna nobody") == (WORDS.index("anna"), WORDS.index("<unk>"))


def step(all: float, kept: float, back: list[str]) -> dict[str, Any]:
    return {
        "recall": [all],
        "all": all,
        "in other words": all,
        "kept": kept,
        "drift": 0.01,
        "taken back": back,
    }


def row(name: str, method: str | None, *ends: tuple[float, float]) -> dict[str, Any]:
    seeds = [
        {"seed": seed, "after": [step(1, 1, []), step(*end, ["why"])], "seconds": 4.0, "bytes": 5000}
        for seed, end in enumerate(ends)
    ]
    origin = {"commit": "0123456789", "changed": False}
    return {
        "row": name,
        "method": method,
        "approximation": name == "fpf",
        "seeds": seeds,
        "machine": {"processor": "P"},
        "origin": origin,
    }


def test_the_table_has_means_and_spreads_over_seeds(tmp_path: Path) -> None:
    folder = tmp_path / table.FOLDER
    folder.mkdir()
    for name, one in {
        "b": row("fpf", "fpf", (0.5, 1.0), (1.0, 1.0)),
        "a": row("nothing written", None, (0, 1), (0, 1)),
    }.items():
        (folder / f"{name}.json").write_text(json.dumps(one))
    rows = table.gather(tmp_path)
    assert [one["row"] for one in rows] == ["nothing written", "fpf"]
    lines = table.markdown(rows).splitlines()
    assert lines[2].startswith("| `nothing written` | 0.0 | 0.0 | 0.0 | 100.0 | 0.010 | – | – | – |")
    assert (
        lines[3]
        == "| `fpf`* | 75.0 (50.0–100.0) | 75.0 (50.0–100.0) | 75.0 | 100.0 | 0.010 | 2.0 | 5 | 2 of 4 |"
    )
    assert "from 012345678." in lines[-1]
    assert table.month(tmp_path) is None
    assert table.markdown([]) == "No results yet: `engrams-bench weights` makes them."


def test_the_committed_rows_reach_what_is_to_be_reached_and_the_others_fail() -> None:
    rows = {one["row"]: one for one in table.gather(ROOT / "bench" / "results")}
    assert set(rows) == set(table.ORDER)

    def ends(name: str, figure: str) -> list[float]:
        return [one["after"][-1][figure] for one in rows[name]["seeds"]]

    assert min(ends("session-lora", "all")) >= table.RECALL
    assert min(ends("session-lora", "kept")) >= table.KEPT
    for name in ("full-fine-tuning", "one-lora"):
        assert max(ends(name, "all")) < table.RECALL
        assert max(ends(name, "kept")) < table.KEPT


def test_a_month_under_the_rule_costs_less_than_text_alone() -> None:
    pytest.importorskip("torch")
    from engrams_bench.parametric.month import ACTIVE, DAYS, MEMORIES, plan, ways

    tokens, days, corrected = plan(0)
    assert (len(tokens), len(days)) == (MEMORIES, DAYS)
    assert all(len(set(used)) <= ACTIVE for used in days)
    assert sum(map(len, corrected.values())) == 10
    costs = Costs(read=0.25, load=0.015, wear=0.5, train=400, block_bytes=8000, adapter_bytes=1e6, rent=20)
    text, block, adapter, rule = ways(costs, ChooseForm(), 0)
    assert text.tokens == sum(tokens[at] for used in days for at in used)
    assert text.use == pytest.approx(text.tokens * 0.25)
    assert (text.make, text.moves, text.megabytes) == (0, 0, 0)
    assert rule.use + rule.make < text.use / 5
    assert rule.tokens < text.tokens / 5
    assert rule.megabytes < min(block.megabytes, adapter.megabytes)  # what rests goes back to text
    assert max(day["adapter"] for day in rule.forms) > 0  # cheap to train here: what is used most becomes one
    assert ways(costs, ChooseForm(), 0)[3] == rule
