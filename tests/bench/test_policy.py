"""Training what a recipe keeps: what a decision is worth, a step of the gradient, and a policy on conversations it has not seen."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from engrams_bench.cases import Case, DataSet, Question, Session, Turn
from engrams_bench.cli import cli
from engrams_bench.datasets import DATASETS
from engrams_bench.errors import BenchError
from engrams_bench.policies.learning import Learning, ascend, worths
from engrams_bench.policies.measure import Settings, measure, write
from engrams_bench.policies.rollouts import Decision, Kept, Rollout, roll
from engrams_bench.policies.seams import About, AtRandom, Everything, seam_of
from engrams_bench.policies.table import gather, markdown

from engrams import Memory, Message

THINGS = (
    ("rope", "anchor", "paint", "lamp"),
    ("bread", "cheese", "olives", "grapes"),
    ("tickets", "gloves", "maps", "stamps"),
)
IDLE = "What lovely calm weather over the whole wide bay again"
SMALL = Settings(prices=(1.0,), rollouts=4, draws=1, reads=200)


def case(number: int) -> Case:
    """Prices of four things, each told once, and as often that the weather is fine; questions ask for the prices alone."""
    turns = [
        Turn(f"{number}.{thing}{what}", Message("user", text, occurred_at=datetime(2024, 1, 1, tzinfo=UTC)))
        for n, thing in enumerate(THINGS[number])
        for what, text in (
            ("", f"The {thing} cost {n + 20} euros"),
            (" idle", f"{IDLE}, said near the {thing} stall"),
        )
    ]
    questions = [
        Question(f"q{number}.{thing}", f"How much did the {thing} cost?", "single", (f"{number}.{thing}",))
        for thing in THINGS[number]
    ]
    return Case(f"talk {number}", (Session("one", tuple(turns)),), tuple(questions))


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    """Three conversations as a data set; its one file only has to be there."""
    (tmp_path / "prices.json").write_text("{}", encoding="utf-8")
    return replace(
        DATASETS["locomo"],
        name="prices",
        files=("prices.json",),
        load=lambda paths: iter([case(number) for number in range(3)]),
        folder=None,
    )


def decision(chosen: int, *about: About, features: Any = ((0.0,), (1.0,))) -> Decision:
    return Decision(np.array(features), chosen, 1 / len(features), about)


def test_a_decision_is_worth_the_recall_that_rests_on_it_less_its_price() -> None:
    cat, sea = About("t1", "a cat"), About("t2", "the sea is blue.")
    # Both insert the cat, one the sea too; 5 and 16 characters of 21, of two statements.
    one = Rollout("c", {}, 5, (Kept(("t1",), "a cat", {"t1": 0.5}),), (decision(1, cat), decision(0, sea)))
    both = Rollout(
        "c",
        {},
        21,
        (Kept(("t1",), "a cat", {"t1": 0.25}), Kept(("t2",), "the sea is blue.", {})),
        (decision(1, cat), decision(1, sea)),
    )
    worth = [value for _, value in worths([one, both], price=0.5)]
    assert worth == pytest.approx(
        [2 * (0.5 - 0.5 * 5 / 21), 0.0, 2 * (0.25 - 0.5 * 5 / 21), 2 * (-0.5 * 16 / 21)]
    )


def test_a_rewrite_answers_for_what_becomes_of_the_memory_it_changes() -> None:
    cat, grey = About("t1", "a cat"), About("t2", "it is grey", (("t1",), "a cat"))
    merged = Rollout(
        "c",
        {},
        16,
        (Kept(("t1", "t2"), "a cat it is grey", {"t1": 0.1, "t2": 0.2}),),
        (decision(0, cat), decision(1, grey)),
    )
    apart = Rollout(
        "c",
        {},
        15,
        (Kept(("t1",), "a cat", {"t1": 0.5}), Kept(("t2",), "it is grey", {"t2": 0.2})),
        (decision(0, cat), decision(0, grey)),
    )
    found = [value for _, value in worths([merged, apart], price=0.0)]
    # Merged, the cat is found 0.1 of the time in place of its mean over both, 0.3: the merge pays the 0.2 that is lost.
    assert found == pytest.approx([2 * 0.1, 2 * (0.2 + 0.1 - 0.3), 2 * 0.5, 2 * 0.2])


def test_a_step_goes_along_the_gradient_in_the_measure_of_the_fisher_information() -> None:
    made = [(decision(1, About("t", "x")), 1.0), (decision(0, About("t", "x")), 0.0)]
    # Two actions with features 0 and 1 at equal chances: the information is 1/4. Ratios are 1, better is +1/2 and -1/2, towards is
    # +1/2 and -1/2: the mean of their products is 1/4. So one step is rate x (1/4) / (1/4 + pull).
    how = Learning(steps=1, rate=0.2, pull=0.05)
    assert ascend(np.zeros(1), made, how) == pytest.approx([0.2 * 0.25 / 0.3])
    assert ascend(np.zeros(1), [(d, 3.0) for d, _ in made], how) == pytest.approx([0.0])  # nothing is better
    # The first is 73 times likelier than when it was drawn, and does not push. The second: 0.269 / 0.5 x -1/2 x -0.731.
    rare = [(replace(made[0][0], chance=0.01), 1.0), made[1]]
    chance = 1 / (1 + math.e)
    push = chance / 0.5 * 0.5 * (1 - chance) / 2
    assert ascend(np.ones(1), rare, replace(how, most=2.0)) == pytest.approx([1 + 0.2 * (push - 0.05) / 0.3])


def test_what_is_drawn_is_kept_with_its_chance() -> None:
    seam = seam_of("mem-alpha")
    everything = roll(seam, Everything(seam), case(0), "none", 200)
    nothing = roll(seam, AtRandom(seam, 0.0, 1), case(0), "none", 200)
    some = roll(seam, AtRandom(seam, 0.5, 1), case(0), "none", 200)
    assert (len(everything.kept), len(nothing.kept)) == (8, 0)
    assert 0 < some.characters < everything.characters
    assert everything.recall == dict.fromkeys(everything.recall, 1.0)
    assert sum(sum(one.gains.values()) for one in everything.kept) == pytest.approx(1.0)
    assert roll(seam, AtRandom(seam, 0.5, 1), case(0), "none", 200) == some
    assert set(nothing.recall.values()) == {0.0}


def test_it_learns_what_is_asked_for_on_conversations_it_has_not_seen(data: DataSet, tmp_path: Path) -> None:
    result = measure(seam_of("mem-alpha"), data, tmp_path, "none", SMALL, lambda line: None)
    [row] = result["rows"]
    held = row["policies"]
    assert held["everything"]["kept"] == 1.0
    assert held["trained"]["recall"] == 1.0
    assert held["trained"]["kept"] < 0.4
    for name in ("untrained", "random", "everything"):
        more = row["trained less"][name]["worth"]
        assert more["difference"] > 0 < more["interval"][0]
        assert held["trained"]["worth"] - held[name]["worth"] == pytest.approx(more["difference"], abs=1e-4)
    assert set(row["weights without"]) == {"talk 0", "talk 1", "talk 2"}
    write(result, tmp_path / "policies" / "prices-mem-alpha.json")
    kept = (tmp_path / "policies" / "prices-mem-alpha.json").read_text("utf-8")
    assert IDLE not in kept
    [told] = gather(tmp_path)
    lines = markdown([told]).splitlines()
    assert lines[6].startswith("| `mem-alpha` | prices, 3 | 1 | 100.0 of ")
    assert markdown([]) == ""


def test_the_other_seam_runs_and_too_few_conversations_are_said(data: DataSet, tmp_path: Path) -> None:
    seam = seam_of("memory-r1")
    kept = roll(seam, Everything(seam), case(0), by_first_letter, 200)
    left = roll(seam, AtRandom(seam, 0.0, 1), case(0), by_first_letter, 200)
    assert (len(kept.kept), len(left.kept)) == (8, 1)  # the first has nothing to be held against
    with pytest.raises(BenchError, match="memory-r1, mem-alpha"):
        seam_of("bm25")
    with pytest.raises(BenchError, match="another one"):
        measure(seam_of("mem-alpha"), data, tmp_path, "none", SMALL, lambda line: None, limit=1)


def by_first_letter(texts: list[str]) -> list[list[float]]:
    """Stands in for an embedder."""
    return [[1.0, float(text[:1] == "T")] for text in texts]


def test_the_command_saves_weights_that_a_recipe_reads(own_data: Path, tmp_path: Path) -> None:
    place = tmp_path / "weights.json"
    given = ["policy", "-r", "mem-alpha", "-d", "locomo", "--folder", str(own_data), "--save", str(place)]
    done = CliRunner().invoke(cli, given)
    assert done.exit_code == 0, done.output
    held = json.loads(place.read_text("utf-8"))
    assert held["features"] == "LooksOfInsert"
    trained = Memory.catalogue()["mem-alpha"].replace("write.Decide.policy", f"trained:{place}")
    assert "chat" not in trained.needs
