"""What a signal is worth: the same questions without it, on the same memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from engrams_bench import ablation
from engrams_bench.ablation import compared, measure, variants
from engrams_bench.ablation_table import gather, markdown
from engrams_bench.asking import Costs, fill
from engrams_bench.cases import Case
from engrams_bench.cli import cli
from engrams_bench.datasets import DATASETS
from engrams_bench.run import Settings

from engrams import Memory
from engrams.recipes.engrams import SUM
from tests.bench.test_results import outcomes


def test_every_signal_that_weighs_something_is_left_out_once() -> None:
    named = {(one.kind, one.name) for one in variants(DATASETS["locomo"], embedder=True)}
    assert {name for kind, name in named if kind == "without"} >= {name for name, _ in SUM.dialogue}
    bare = {one.name for one in variants(DATASETS["locomo"], embedder=False)}
    assert not bare & {"dense", "dense nearby", "dense session", "vectors"}
    assert ("without", "graph") in {(o.kind, o.name) for o in variants(DATASETS["2wiki"], embedder=False)}
    cards = [one.recipe.fingerprint() for one in variants(DATASETS["locomo"], embedder=True)]
    assert len(set(cards)) == len(cards)


def test_differences_are_paired_by_hand() -> None:
    row = compared(outcomes((1, 7), (2,), (6,), (4,)), outcomes((1, 2), (9,), (6,), (4,)))
    five = row["turn recall@5"]
    assert five["mean"] == pytest.approx((1 + 0 + 0 + 1) / 4)
    assert five["difference"] == pytest.approx((0.5 - 1 + 0 + 0) / 4)
    assert five["interval"][0] < five["difference"] < five["interval"][1]
    assert row["turn recall@10"]["interval"] == [0.0, 0.0], "among ten each question finds the same"


def test_a_haystack_is_filled_once_and_asked_by_every_variant(
    own_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled: list[str] = []

    def noted(memory: Memory, case: Case, costs: Costs) -> dict[str, str]:
        filled.append(case.id)
        return fill(memory, case, costs)

    monkeypatch.setattr(ablation, "fill", noted)
    data = DATASETS["locomo"]
    told = measure(data, own_data, Settings(limit=1), lambda _: None)
    assert len(filled) == told["cases"] == 1
    rows = {(row["kind"], row["name"]): row for row in told["rows"]}
    assert rows["all", ""]["turn recall@5"]["difference"] == 0
    assert len(rows) == len(variants(data, embedder=False))
    whole = rows["all", ""]["turn recall@5"]["mean"]
    for row in rows.values():
        five = row["turn recall@5"]
        assert five["difference"] == pytest.approx(five["mean"] - whole, abs=2e-5)


def test_the_command_writes_what_the_table_reads(own_data: Path, tmp_path: Path) -> None:
    command = ["ablate", "-d", "locomo", "--folder", str(own_data), "--limit", "1", "--out", str(tmp_path)]
    assert CliRunner().invoke(cli, command, catch_exceptions=False).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["ablation-locomo-engrams.json"]
    table = markdown(gather(tmp_path))
    for part in (
        "**whole**",
        "without `speaker`",
        "without any date",
        "`meaning nearby` alone",
        "locomo R@100",
    ):
        assert part in table
