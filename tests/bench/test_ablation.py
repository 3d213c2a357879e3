"""What a signal is worth: the same questions without it, on the same memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from engrams_bench import ablation
from engrams_bench.ablation import compared, measure, variants
from engrams_bench.ablation_table import gather, graph, markdown
from engrams_bench.asking import Costs, fill
from engrams_bench.cases import Case
from engrams_bench.cli import cli
from engrams_bench.datasets import DATASETS
from engrams_bench.report import BEGIN, insert
from engrams_bench.report import gather as gather_runs
from engrams_bench.settings import Settings

from engrams import Memory
from engrams.recipes.engrams import SUM
from tests.bench.test_results import outcomes, result

HERE = Path(__file__).parents[2]


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


def test_what_the_graph_adds_is_told_beside_its_own_base() -> None:
    base = result("engrams-without-graph+minilm", outcomes((1, 7), (2,), (None,), (4,)))
    whole = result("engrams+minilm", outcomes((1, 2), (2,), (3,), (4,)))
    runs = [replace(one, settings={"ks": [5, 10], "limit": None}) for one in (base, whole)]
    told = graph(runs)
    assert told.splitlines()[-1].startswith("| locomo, `engrams+minilm` | 4 | 62.5 | 100.0 | +37.5 (")
    assert graph(runs[:1]) == ""


def test_the_page_shows_the_weights_that_the_recipe_has() -> None:
    shown: dict[str, tuple[str, str]] = {}
    before, _, _ = (HERE / "docs" / "recall.md").read_text().partition(BEGIN)
    for line in before.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 4:
            shown[cells[0].strip("`")] = (cells[2], cells[3])
    dialogue, notes = dict(SUM.dialogue), dict(SUM.notes)
    told = {
        name: tuple(
            f"{held[name]:g}".replace("-", "−") if name in held else "–" for held in (dialogue, notes)
        )
        for name in dialogue | notes
    }
    assert shown == told


def test_the_committed_page_is_what_the_committed_results_say() -> None:
    page, folder = HERE / "docs" / "recall.md", HERE / "bench" / "results"
    results = gather(folder)
    assert results and BEGIN in page.read_text()
    assert insert(page, markdown(results, gather_runs(folder)), check=True) is False
