"""Many recipes side by side: what holds when all pairs are looked at, from results or from runs, with a reader and a judge over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from engrams_bench.cli import cli
from engrams_bench.comparing import measured, pairs
from engrams_bench.datasets import DATASETS
from engrams_bench.errors import BenchError, NotComparable
from engrams_bench.measures.together import chance, holm, resampled
from engrams_bench.quality.judging import NOT_SAID, Posed, posed, wrong_answers
from engrams_bench.results import write

from engrams.models.scripted import ScriptedServer
from engrams.models.scripted_wire import Heard, Said
from engrams.schemas import smallest
from tests.bench.test_results import outcomes, result


def test_holm_by_hand() -> None:
    # 0.01 × 4; 0.02 × 3; 0.03 × 2; 0.04 × 1 is below the one before it and takes its place
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_chance_counts_the_smaller_side_twice_and_is_never_nothing() -> None:
    assert chance(np.array([1.0, 1.0, 1.0, -1.0])) == pytest.approx(2 * 2 / 5)
    assert chance(np.ones(99)) == pytest.approx(2 / 100)
    assert chance(np.zeros(9)) == 1.0, "what is the same everywhere differs nowhere"


def test_all_rows_are_drawn_alike_and_means_come_back() -> None:
    scores = [[0.0, 1.0, 1.0, 0.0], [1.0, 2.0, 2.0, 1.0]]
    means = resampled(scores, resamples=200)
    assert means.shape == (200, 2)
    assert np.allclose(means[:, 1] - means[:, 0], 1.0), "the second is one more on every question"
    assert means[:, 0].std() > 0 and means[:, 0].mean() == pytest.approx(0.5, abs=0.05)
    whole = resampled(scores, ["a", "a", "b", "b"], resamples=200)
    assert set(np.round(whole[:, 0], 6)) == {0.5}, "both conversations have the same mean"


def test_a_difference_holds_only_beside_all_others() -> None:
    """Alone it would be told at p < 0.05; among many that differ by chance it is not."""
    clear = outcomes(*[(1,)] * 30)
    worse = outcomes(*[(1,)] * 23, *[(9,)] * 7)
    found = pairs(["a", "b"], measured([result("a", worse), result("b", clear)], ["turn recall@5"]))
    assert [(pair.a, pair.b, round(pair.difference, 4), pair.n) for pair in found] == [("a", "b", 0.2333, 30)]
    assert found[0].adjusted == found[0].p and found[0].established
    one = outcomes(*[(1,)] * 26, *[(9,)] * 4)
    many = measured([result(str(n), worse if n else one) for n in range(9)], ["turn recall@5"])
    chances = {(pair.a, pair.b): pair for pair in pairs([str(n) for n in range(9)], many)}
    assert chances["1", "2"].p == 1.0
    assert chances["0", "1"].adjusted > chances["0", "1"].p
    assert not any(pair.established for pair in chances.values())


def test_what_ranks_nothing_is_compared_by_its_contexts_alone() -> None:
    rows = [result("full-context"), result("house")]
    told = pairs(["full-context", "house"], measured(rows, ["turn recall@5", "context recall"]))
    assert [pair.measure for pair in told] == ["context recall"]


def test_a_measure_that_is_not_there_is_named() -> None:
    with pytest.raises(NotComparable, match="turn recall@1"):
        measured([result("a"), result("b")], ["turn recall@7"])
    with pytest.raises(NotComparable, match="questions with gold"):
        measured([result("a"), replace(result("b"), outcomes=outcomes((1,)))])


def compare(*arguments: str) -> str:
    done = CliRunner().invoke(cli, ["compare", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_committed_rows_are_compared_without_running_anything(tmp_path: Path) -> None:
    told = outcomes((1,), (2,), (4,), (None,))
    for name, held in (("bm25", outcomes((1, 7), (2,), (None,), (4,))), ("mem0-no-model", told)):
        place = tmp_path if name == "bm25" else tmp_path / "recipes"
        write(result(name, held), place / f"locomo-{name}.json")
    shown = compare("--results", str(tmp_path), "--recipes", "bm25,mem0", "--data", "locomo",
                    "--measure", "turn recall@5", "--out", str(tmp_path / "told.json"))  # fmt: skip
    assert "mem0-no-model" in shown and "p (Holm)" in shown
    (pair,) = json.loads((tmp_path / "told.json").read_text())["pairs"]
    assert (pair["a"], pair["b"], pair["n"], pair["established"]) == ("bm25", "mem0-no-model", 4, False)
    assert pair["difference"] == pytest.approx(0.75 - 0.625)
    with pytest.raises(BenchError, match="there are bm25, mem0-no-model"):
        compare("--results", str(tmp_path), "--recipes", "bm25,dense", "--data", "locomo")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--recipes", "bm25"], "at least two"),
        (["--recipes", "bm25,bm25"], "each once"),
        (["--recipes", "bm25,mem0"], "--models none"),
        (["--recipes", "bm25,none", "--judge", "none"], "--reader"),
        (["--recipes", "bm25,none", "--results", ".", "--reader", "none"], "runs nothing"),
    ],
)
def test_what_cannot_be_compared_says_what_would_work(arguments: list[str], told: str) -> None:
    with pytest.raises(BenchError, match=told):
        compare(*arguments)


# --- answers and verdicts


def test_wrong_answers_are_right_for_other_questions_of_the_same_kind() -> None:
    asked = [
        Posed("1", "c", "day", "When?", "8 May"),
        Posed("2", "c", "day", "When then?", "9 June"),
        Posed("3", "c", "day", "And?", "on 8 May 2023"),
        Posed("4", "c", "name", "Who?", "Ada"),
        Posed("5", "c", "none", "What?", NOT_SAID),
        Posed("6", "c", "none", "Which?", NOT_SAID),
    ]
    drawn = {question.id: wrong for question, wrong in wrong_answers(asked)}
    assert drawn["1"] == "9 June", "8 May 2023 holds 8 May"
    assert drawn["2"] in ("8 May", "on 8 May 2023")
    assert drawn["3"] == "9 June"
    assert set(drawn) == {"1", "2", "3"}, "nothing else is right of the others' kind"
    assert wrong_answers(asked) == wrong_answers(asked)


def test_every_set_says_what_is_right(own_data: Path) -> None:
    found = {}
    for name in ("locomo", "longmemeval", "memdaily", "musique", "hotpotqa", "2wiki"):
        data = DATASETS[name]
        paths = sorted(path for pattern in data.files for path in own_data.glob(pattern))
        found[name] = {one.id: one.reference for one in posed(data.load(paths))}
    assert all(found.values()), found
    assert found["locomo"]["own-1:0"] == "8 May 2023"
    assert found["locomo"]["own-1:4"] == NOT_SAID, "the answer that is told there misleads"


def block(text: str, name: str) -> str:
    """What stands in a block of a request."""
    after = text.split(f"<<<{name} ", 1)
    return after[1].split("\n", 1)[1].rsplit(f" {name}>>>", 1)[0].rsplit("\n", 1)[0] if after[1:] else ""


def reads_aloud(heard: Heard) -> Said:
    """A reader that reads its memory out, or says that nothing is there; a judge that looks for the reference in the answer."""
    if "REFERENCE" in heard.last:
        right = block(heard.last, "REFERENCE").casefold() in block(heard.last, "ANSWER").casefold()
        return Said(json.dumps({"right": right}))
    if "QUESTION" in heard.last and "MEMORY" in heard.last:
        memory = block(heard.last, "MEMORY")
        return Said(NOT_SAID if "Nothing about this was found" in memory else memory)
    return Said(json.dumps(smallest(heard.schema or {"type": "object"})))


def says_yes(heard: Heard) -> Said:
    """A judge to whom everything is right."""
    return Said(json.dumps({"right": True})) if "REFERENCE" in heard.last else reads_aloud(heard)


@pytest.fixture
def prices(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ENGRAMS_MODEL_PRICES", "reader=1/2,judge=1/2")
    yield


def told(server: ScriptedServer, own_data: Path, out: Path, *more: str) -> tuple[str, Mapping[str, Any]]:
    shown = compare("--recipes", "none,bm25", "--data", "locomo", "--folder", str(own_data), "--out", str(out),
                    "--reader", f"openai:reader@{server.url}", "--judge", f"openai:judge@{server.url}", *more)  # fmt: skip
    return shown, json.loads(out.read_text()) if out.exists() else {}


def test_answers_are_judged_and_the_judge_beside_them(prices: None, own_data: Path, tmp_path: Path) -> None:
    with ScriptedServer(reads_aloud) as server:
        shown, held = told(server, own_data, tmp_path / "told.json", "--ledger", str(tmp_path / "ledger.db"))
        assert len(server.heard) == 2 * 6 + 2 * 6 + 2, (
            "an answer and a verdict a question and recipe, and two wrong answers"
        )
    none, bm25 = (row["right"] for row in held["recipes"])
    assert [id for id, right in none.items() if right] == ["own-1:4"], (
        "nothing found is right where nothing was said"
    )
    assert [id for id, right in bm25.items() if right] == ["own-1:3"], "the bowls stand in the context"
    assert held["judge"]["wrong answers called right"] == {"own-1:3": False, "own-2:0": False}
    assert "calls 0.0 %" in shown and "2 answers right that are wrong on purpose" in " ".join(shown.split())
    assert {pair["measure"] for pair in held["pairs"]} == {
        "turn recall@10",
        "context recall",
        "right answers",
    }
    lines = [line.split() for line in shown.splitlines() if line.startswith(("answers/", "wrong-answers"))]
    assert sum(int(line[3]) for line in lines) == 26 and all(float(line[-1]) > 0 for line in lines), lines


def test_a_judge_that_says_yes_to_everything_is_seen_through(own_data: Path, tmp_path: Path) -> None:
    with ScriptedServer(says_yes) as server:
        shown, held = told(server, own_data, tmp_path / "told.json")
    assert "calls 100.0 %" in shown and "unknown" in shown, "no price was set"
    assert all(held["judge"]["wrong answers called right"].values())


def test_a_dry_run_asks_nobody_and_tells_the_most(prices: None, own_data: Path, tmp_path: Path) -> None:
    with ScriptedServer(reads_aloud) as server:
        shown, _ = told(server, own_data, tmp_path / "told.json", "--dry-run")
        assert server.heard == []
    assert "At most 26 calls" in shown and "unknown" not in shown
    assert not (tmp_path / "told.json").exists()


def test_the_limit_of_a_day_holds_over_everything(
    monkeypatch: pytest.MonkeyPatch, own_data: Path, tmp_path: Path
) -> None:
    monkeypatch.setenv("ENGRAMS_MODEL_TOKENS_PER_DAY", "4000")
    with ScriptedServer(reads_aloud) as server:
        done = CliRunner().invoke(
            cli,
            ["compare", "--recipes", "none,bm25", "--data", "locomo", "--folder", str(own_data),
             "--reader", f"openai:reader@{server.url}"],
        )  # fmt: skip
        assert 0 < len(server.heard) < 26
    assert "OverBudget" in repr(done.exception)


def test_recipes_that_ask_a_model_ask_it_through_the_same_ledger(own_data: Path, tmp_path: Path) -> None:
    with ScriptedServer(reads_aloud) as server:
        arguments = [
            "--recipes",
            "bm25,memory-r1",
            "--data",
            "locomo",
            "--folder",
            str(own_data),
            "--embedder",
            "minilm",
        ]
        arguments += ["--models", f"openai:any@{server.url}"]
        dry = compare(*arguments, "--dry-run")
        assert server.heard == []
        assert "memory-r1: write" in dry and "memory-r1: read" in dry and "bm25:" not in dry
        shown = compare(*arguments, "--out", str(tmp_path / "told.json"))
        asked = len(server.heard)
    rows = json.loads((tmp_path / "told.json").read_text())["recipes"]
    assert rows[0]["cost"]["model calls in all"] == 0
    assert rows[1]["cost"]["model calls in all"] >= asked > 0, (
        "what is remembered is counted for the recipe, and asked once"
    )
    calls = [line.split() for line in shown.splitlines() if line.startswith("recipes/memory-r1")]
    assert sum(int(line[3]) for line in calls) == asked
