"""The whole benchmark on the sample that is ours: recipes run, results hold, and the numbers can fail."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner
from engrams_bench.asking import NAMESPACE, Costs, fill, messages_of, opened
from engrams_bench.cli import cli, main
from engrams_bench.datasets import DATASETS
from engrams_bench.errors import BenchError
from engrams_bench.folder import require
from engrams_bench.results import Result, read
from engrams_bench.run import run
from engrams_bench.settings import Settings

from engrams import Memory
from tests.postgres_server import SERVER

# Runs every row over the whole sample: in `make test`, not in `make check`.
pytestmark = pytest.mark.slow

SAMPLE = DATASETS["sample"]
RECIPES = ("none", "bm25", "full-context", "engrams")

# Floors for the house recipe on the sample, some points below what it reaches: a step that breaks falls through them.
LEAST_RECALL_AT_5 = 0.45
LEAST_RECALL_AT_10 = 0.53
LEAST_SESSION_RECALL_AT_5 = 0.70
LEAST_IN_CONTEXT = 0.78


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Result]:
    """One run of every row over the sample, through the command line."""
    out = tmp_path_factory.mktemp("results")
    wanted = [part for name in RECIPES for part in ("--recipe", name)]
    done = CliRunner().invoke(
        cli, ["run", "--data", "sample", *wanted, "--out", str(out)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    assert "turn recall@10" in done.output and "search ms" in done.output
    return {name: read(out / f"sample-{name}.json") for name in RECIPES}


def mean(result: Result, measure: str) -> float:
    """The mean of a measure over all questions that count."""
    return float(result.tables["all"][measure]["mean"])


def test_the_house_recipe_finds_what_the_sample_asks(results: Mapping[str, Result]) -> None:
    house = results["engrams"]
    assert mean(house, "turn recall@5") >= LEAST_RECALL_AT_5
    assert mean(house, "turn recall@10") >= LEAST_RECALL_AT_10
    assert mean(house, "session recall@5") >= LEAST_SESSION_RECALL_AT_5
    assert mean(house, "context recall") >= LEAST_IN_CONTEXT


def test_the_house_recipe_beats_plain_words(results: Mapping[str, Result]) -> None:
    assert mean(results["engrams"], "turn recall@10") > mean(results["bm25"], "turn recall@10") > 0.3


def test_none_finds_nothing_and_costs_nothing(results: Mapping[str, Result]) -> None:
    none = results["none"]
    assert {row["mean"] for row in none.tables["all"].values()} == {0.0}
    assert all(outcome.found is False for outcome in none.outcomes)
    assert none.cost["context tokens"]["p95"] < 50


def test_full_context_holds_everything_and_costs_most(results: Mapping[str, Result]) -> None:
    full, house = results["full-context"], results["engrams"]
    assert mean(full, "context recall") == 1.0
    assert full.cost["context tokens"]["p50"] > 5 * house.cost["context tokens"]["p50"]
    assert house.cost["context tokens"]["p95"] <= house.settings["budget"]


def test_every_question_has_its_outcome(results: Mapping[str, Result]) -> None:
    asked = [question for case in SAMPLE.load(require(SAMPLE, Path())) for question in case.questions]
    for result in results.values():
        assert [outcome.id for outcome in result.outcomes] == [question.id for question in asked]
        assert [len(outcome.turns) for outcome in result.outcomes] == [
            len(question.turns) for question in asked
        ]


def test_a_result_holds_ids_and_no_texts(
    results: Mapping[str, Result], tmp_path_factory: pytest.TempPathFactory
) -> None:
    for result in results.values():
        told = json.dumps(
            [result.data, result.cost, result.tables, *map(str, result.outcomes)], ensure_ascii=False
        )
        for case in SAMPLE.load(require(SAMPLE, Path())):
            said = [turn.message.content for session in case.sessions for turn in session.turns]
            texts = [*said, *(question.text for question in case.questions)]
            assert [text for text in texts if len(text) > 5 and text in told] == []


def test_a_result_says_what_ran_where(results: Mapping[str, Result]) -> None:
    house = results["engrams"]
    assert house.recipe["fingerprint"] == Memory.catalogue()["engrams"].fingerprint()
    assert house.machine["processor"] and house.machine["cores"] >= 1
    assert house.settings["seed"] and house.settings["limit"] is None
    for name in (
        "add ms",
        "bulk add ms per message",
        "first search ms",
        "search ms",
        "context ms",
        "bytes per message",
    ):
        assert house.cost[name]["mean"] > 0, name
    assert house.cost["model calls"] == 0


def test_the_same_run_gives_the_same_outcomes_on_disk_and_in_memory(results: Mapping[str, Result]) -> None:
    again = run(Memory.catalogue()["engrams"], SAMPLE, Path(), Settings(store="memory"))
    assert again.outcomes == results["engrams"].outcomes


def test_processes_that_share_the_haystacks_find_the_same(results: Mapping[str, Result]) -> None:
    shared = run(Memory.catalogue()["bm25"], SAMPLE, Path(), Settings(processes=2))
    alone = results["bm25"]
    assert shared.outcomes == alone.outcomes
    assert (shared.data, shared.tables) == (alone.data, alone.tables)
    assert shared.settings["processes"] == 2 and alone.settings["processes"] == 1


def test_a_haystack_is_told_as_it_was_without_names_that_tell_the_answer(own_data: Path) -> None:
    data = DATASETS["longmemeval"]
    case = next(iter(data.load(require(data, own_data))))
    assert {message.session for message in messages_of(case)} == {"s1", "s2", "s3", "s4"}
    with opened(Memory.catalogue()["engrams"], "memory") as memory:
        turn_of = fill(memory, case, Costs())
        events = {event.id: event for event in memory.log(namespace=NAMESPACE)}
    assert list(turn_of.values()) == [turn.id for session in case.sessions for turn in session.turns]
    for session in case.sessions:
        for turn in session.turns:
            event = events[next(id for id, name in turn_of.items() if name == turn.id)]
            assert (event.content, event.role) == (turn.message.content, turn.message.role)
            assert event.occurred_at == turn.message.occurred_at


def test_a_limit_asks_the_first_questions_and_writes_nothing_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bench" / "results").mkdir(parents=True)
    command = ["run", "--data", "sample", "--recipe", "bm25", "--limit", "3", "--k", "1,3", "--no-context"]
    done = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert done.exit_code == 0 and "only the first 3 questions" in done.output
    assert list((tmp_path / "bench" / "results").iterdir()) == []
    CliRunner().invoke(cli, [*command, "--out", "trial.json"], catch_exceptions=False)
    trial = read(tmp_path / "trial.json")
    assert [outcome.id for outcome in trial.outcomes] == ["q01", "q02", "q03"]
    assert trial.settings["ks"] == [1, 3] and trial.outcomes[0].tokens is None


def test_a_changed_parameter_is_another_recipe_and_no_row_of_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bench" / "results").mkdir(parents=True)
    command = [
        "run",
        "--data",
        "sample",
        "--recipe",
        "bm25",
        "--set",
        "read.WordScores.b=0.25",
        "--store",
        "memory",
    ]
    assert CliRunner().invoke(cli, [*command, "--quiet"], catch_exceptions=False).exit_code == 0
    assert list((tmp_path / "bench" / "results").iterdir()) == []
    CliRunner().invoke(cli, [*command, "--limit", "2", "--out", "trial.json"], catch_exceptions=False)
    trial = read(tmp_path / "trial.json")
    assert trial.recipe["fingerprint"] != Memory.catalogue()["bm25"].fingerprint()
    assert "b=0.25" in "\n".join(trial.recipe["card"])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--recipe", "engram", "--data", "sample"], "unknown recipe 'engram'"),
        (["--data", "lokomo"], "did you mean 'locomo'"),
        (["--data", "locomo"], "snap-research/locomo"),
        (["--data", "sample", "--recipe", "bm25", "--set", "read.Nothing.k=1"], "Nothing"),
        (["--data", "sample", "--recipe", "bm25", "--recipe", "none", "--out", "one.json"], "name a folder"),
        (["--data", "sample", "--limit", "3", "--processes", "2"], "name one of the two"),
    ],
)
def test_a_wrong_call_is_one_line(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["run", *arguments])
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert told in printed.err and len(printed.err.splitlines()) == 1
    assert printed.out == "", "nothing ran before the call was seen to be wrong"


def test_postgresql_recalls_what_sqlite_does(results: Mapping[str, Result], tmp_path: Path) -> None:
    """A point at most apart, in the memory of a PostgreSQL that is left empty."""
    with SERVER.place() as url:
        for name in ("bm25", "engrams"):
            there = run(Memory.catalogue()[name], SAMPLE, tmp_path, Settings(store=url))
            for measure in ("turn recall@5", "turn recall@10", "session recall@5", "context recall"):
                assert abs(mean(there, measure) - mean(results[name], measure)) <= 0.01
            assert there.settings["store"] == "postgresql"
        with Memory.open(url) as memory:
            assert memory.stats().events == 0
            memory.add("somebody's memory")
        with pytest.raises(BenchError, match="something lies in that PostgreSQL"):
            run(Memory.catalogue()["none"], SAMPLE, tmp_path, Settings(store=url))


def test_a_store_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["run", "--data", "sample", "-r", "none", "--store", "floppy"])
    assert "--store floppy" in capsys.readouterr().err
