"""The rows of the table: one list, in which every reference recipe stands, and the house without one of its signals."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from engrams_bench import cli as command
from engrams_bench.cli import SETS, cli
from engrams_bench.datasets import DATASETS
from engrams_bench.errors import BenchError
from engrams_bench.report import gather
from engrams_bench.rows import Row, recipe_of, rows_of, without
from engrams_bench.settings import Settings

from engrams import Memory
from engrams.recipes.engrams import SUM

HERE = Path(__file__).parents[2]


def names(data: str) -> list[str]:
    """What the files of a data set's rows are called."""
    rows = rows_of(DATASETS[data])
    return [f"{data}-{Settings(embedder=row.embedder).row(recipe_of(row))}" for row in rows]


def test_every_recipe_that_needs_no_language_model_has_its_row_over_every_set() -> None:
    for data in SETS:
        held = {row.recipe for row in rows_of(DATASETS[data])}
        assert {"none", "bm25", "dense", "hybrid-rrf", "full-context", "engrams"} <= held
        assert held <= set(Memory.catalogue())
        assert f"{data}-engrams+minilm" in names(data)
    assert "musique-engrams-without-graph+minilm" in names("musique")


def test_every_committed_result_is_one_of_the_rows() -> None:
    rows = {name for data in SETS for name in names(data)}
    assert {result.name for result in gather(HERE / "bench" / "results")} <= rows


def test_a_signal_left_out_is_left_out_wherever_it_is_summed() -> None:
    house = Memory.catalogue()["engrams"]
    less = without(house, ["words nearby", "graph"])
    assert less.name == "engrams-without-words-nearby-graph"
    card, whole = less.card(), house.card()
    assert "('words nearby'" in whole and "('graph'" in whole
    assert "('words nearby'" not in card and "('graph'" not in card
    assert card.count("('speaker', 1.0)") == whole.count("('speaker', 1.0)") > 1
    assert without(house, []) is house
    assert dict(SUM.dialogue)["words nearby"], "the house's own sum is as it was"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (Row("engram"), "unknown recipe 'engram'"),
        (Row("engrams", without=("smell",)), "no signal smell in the sum; there are words nearby"),
        (Row("bm25", without=("graph",)), "not of bm25"),
    ],
)
def test_a_row_that_cannot_be_says_why(row: Row, told: str) -> None:
    with pytest.raises(BenchError, match=told):
        recipe_of(row)


def test_a_run_without_a_recipe_runs_the_rows_that_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []

    def noted(recipe: object, data: object, folder: object, how: Settings, told: object) -> object:
        ran.append(how.row(recipe))  # type: ignore[arg-type]
        raise BenchError("noted")

    monkeypatch.setattr(command, "run_one", noted)
    (tmp_path / "sample-none.json").write_text("{}")
    (tmp_path / "sample-bm25.json").write_text("{}")
    call = ["run", "--data", "sample", "--out", str(tmp_path), "--quiet"]
    assert str(CliRunner().invoke(cli, [*call, "--missing"]).exception) == "noted"
    assert str(CliRunner().invoke(cli, call).exception) == "noted"
    assert ran == ["dense", "none"]


def test_what_changes_a_recipe_needs_one() -> None:
    done = CliRunner().invoke(cli, ["run", "--data", "sample", "--without", "graph"])
    assert "name one with --recipe" in str(done.exception)
