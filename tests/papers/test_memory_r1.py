"""Memory-R1 on a trace worked out by hand: one fact at a time, ruled on by a judge, by tools, or by weights."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engrams import Memory
from engrams.deciding import STOP, Action, Linear, Offer
from engrams.errors import BadSetting, CannotJoin
from engrams.models.scripted_wire import Said
from engrams.organise.judge import Case
from engrams.organise.looks import looks, words_shared
from engrams.organise.ruling import LooksOfRuling, ProposeRulings, Ruling
from engrams.prompts import Prompt
from engrams.recipe import Recipe
from engrams.recipes.memory_r1 import MANAGER, MEMORY_R1
from engrams.step import steps_of, walk
from tests.papers.talks import Drawn, opened, tell, texts

FACTS, RECONCILE, MANAGE = Prompt("facts"), Prompt("reconcile"), Prompt("manage")
CHOOSE = Prompt("keep_memories", "engrams.recall")
WORDS = {"work": (1, 0, 0), "harbour": (1, 0, 0), "airport": (1, 0, 0), "cat": (0, 1, 0), "momo": (0, 1, 0)}
TOLD = {
    "harbour": "Ada works at the harbour.",
    "airport": "Ada works at the airport.",
    "cat": "Ada has a cat.",
    "Momo": "Ada's cat is called Momo.",
    "sold": "Ada has no cat any more.",
}
TOOLS = MEMORY_R1.replace("write.Decide.policy", "tools")


def told(blocks: dict[str, str]) -> dict[str, Any]:
    """Extracts by words in the new message."""
    return {"facts": [fact for word, fact in TOLD.items() if word in blocks["messages"]]}


def number(lines: str, word: str) -> int:
    """The number of the first line with a word; 0 where there is none."""
    return next((n for n, line in enumerate(lines.splitlines(), 1) if word in line), 0)


def ruling(blocks: dict[str, str]) -> list[tuple[str, dict[str, Any]]]:
    """What is done about a fact, worked out by hand from section 3.2: newer and richer updates, what is wrong goes, a repeat is left."""
    fact, held = blocks["facts"], blocks["memories"]
    if "airport" in fact and (n := number(held, "harbour")):
        return [("UPDATE", {"memory": n, "text": "Ada works at the airport, before at the harbour."})]
    if "Momo" in fact and (n := number(held, "has a cat")):
        return [("UPDATE", {"memory": n, "text": "Ada has a cat called Momo."})]
    if "no cat" in fact and (n := number(held, "cat")):
        return [("DELETE", {"memory": n}), ("NOOP", {})]
    if number(held, fact.split("] ")[1]):
        return [("NOOP", {})]
    return [("ADD", {})]


def judged(blocks: dict[str, str]) -> dict[str, Any]:
    """The same, as decisions in one answer."""
    return {"decisions": [{"fact": 1, "operation": o, **given} for o, given in ruling(blocks)]}


def called(blocks: dict[str, str]) -> Said:
    """The same, as calls; after their results it is done."""
    return Said("Done") if "result" in blocks else Said("", tuple(ruling(blocks)))


TRACE = (
    ("user: I work at the harbour.", ["Ada works at the harbour."]),
    ("user: I have a cat.", ["Ada works at the harbour.", "Ada has a cat."]),
    ("user: I work at the airport now.", ["Ada works at the airport, before at the harbour.", "Ada has a cat."]),
    ("user: I have a cat, as I said.", ["Ada works at the airport, before at the harbour.", "Ada has a cat."]),
    ("user: She is Momo.", ["Ada works at the airport, before at the harbour.", "Ada has a cat called Momo."]),
    ("user: I sold it.", ["Ada works at the airport, before at the harbour."]),
)  # fmt: skip


@pytest.mark.parametrize("recipe", [MEMORY_R1, TOOLS], ids=["judge", "tools"])
def test_judge_and_tools_bring_about_the_same_memories(recipe: Recipe) -> None:
    with opened(recipe, {FACTS: told, RECONCILE: judged, MANAGE: called}, WORDS) as (memory, talk):
        for day, (said, standing) in enumerate(TRACE):
            tell(memory, said, day=day)
            assert sorted(texts(memory, "fact")) == sorted(standing)
        changes = {r.change for e in memory.get_all() for r in memory.history(e.id)}
        assert changes == {"ADD", "UPDATE"}
        asked = [prompt for prompt, _ in talk.asked]
        # One call for a message and one for a fact; by tools one more, in which the model is told and calls nothing.
        assert asked.count("facts") == 6
        assert asked.count("reconcile") == (5 if recipe is MEMORY_R1 else 0)
        assert asked.count("manage") == (0 if recipe is MEMORY_R1 else 10)


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_what_is_updated_rests_on_both_and_what_is_deleted_keeps_its_history(protocol: str) -> None:
    with opened(TOOLS, {FACTS: told, MANAGE: called}, WORDS, protocol=protocol) as (memory, _):
        first = tell(memory, "user: I have a cat.")
        [cat] = [e for e in memory.get_all() if e.kind == "fact"]
        second = tell(memory, "user: She is Momo.", day=1)
        [cat] = [e for e in memory.get_all() if e.kind == "fact"]
        assert list(cat.sources) == [*first, *second]
        tell(memory, "user: I sold it.", day=2)
        assert texts(memory, "fact") == []
        assert [r.change for r in memory.history(cat.id)] == ["ADD", "UPDATE", "DELETE"]


def test_each_fact_is_judged_by_itself_against_ten_and_sees_no_earlier_message() -> None:
    with opened(MEMORY_R1, {FACTS: told, RECONCILE: judged}, WORDS) as (memory, talk):
        tell(memory, "user: I work at the harbour and have a cat.")
        tell(memory, "user: I work at the airport, the cat is called Momo.", day=1)
        # Three facts the second time ("a cat" again), each with a question of its own.
        assert [len(blocks["facts"].splitlines()) for blocks in talk.shown("reconcile")] == [1, 1, 1]
        assert talk.shown("facts")[1]["earlier"] == ""
        assert sorted(texts(memory, "fact")) == [
            "Ada has a cat called Momo.",
            "Ada works at the airport, before at the harbour.",
        ]
    found = dict(walk(MEMORY_R1.write))
    assert found["Reconcile.Nearest"].k == 10  # type: ignore[attr-defined]
    assert (MEMORY_R1.unit, found["ExtractFacts"].recent) == (1, 0)  # type: ignore[attr-defined]


def test_calls_that_make_no_sense_are_told_and_the_fact_is_kept() -> None:
    wild = (("UPDATE", {"memory": 7, "text": "x"}), ("NOOP", {"fact": 3}), ("BURN", {}), ("DELETE", {}))

    def wildly(blocks: dict[str, str]) -> Said:
        return Said("Done") if "result" in blocks else Said("", wild)

    with opened(TOOLS, {FACTS: told, MANAGE: wildly}, WORDS) as (memory, talk):
        tell(memory, "user: I work at the harbour.")
        tell(memory, "user: I have a cat.", day=1)
        assert texts(memory, "fact") == ["Ada works at the harbour.", "Ada has a cat."]
        assert [b["result"] for b in talk.shown("manage")[1:]] == ["Not done: DELETE lacks 'memory'."]


def test_a_model_that_never_stops_is_stopped() -> None:
    def again(blocks: dict[str, str]) -> Said:
        return Said("", (("DELETE", {"memory": 1}),) * 3)

    with opened(TOOLS, {FACTS: told, MANAGE: again}, WORDS) as (memory, talk):
        tell(memory, "user: I work at the harbour.")
        tell(memory, "user: I have a cat.", day=1)
        assert (
            len(talk.shown("manage")) == 3
        )  # nine calls in three turns; the ninth is over the limit of eight
        assert texts(memory, "fact") == ["Ada has a cat."]


def test_without_the_manager_everything_is_kept() -> None:
    extract, _, embed = steps_of(MEMORY_R1.write)
    with opened(replace(MEMORY_R1, write=extract >> embed), {FACTS: told}, WORDS) as (memory, _):
        for day, (said, _) in enumerate(TRACE):
            tell(memory, said, day=day)
        assert len(texts(memory, "fact")) == 6


def test_without_vectors_nothing_is_found_to_hold_a_fact_against() -> None:
    extract, reconcile, _ = steps_of(MEMORY_R1.write)
    with opened(replace(MEMORY_R1, write=extract >> reconcile), {FACTS: told}, WORDS) as (memory, talk):
        for day, (said, _) in enumerate(TRACE):
            tell(memory, said, day=day)
        assert talk.shown("reconcile") == []
        assert memory.search("Where is her work?") == []


def test_of_sixty_candidates_a_reader_is_given_what_it_chooses() -> None:
    with opened(MEMORY_R1, {FACTS: told, RECONCILE: judged, CHOOSE: {"numbers": [2]}}, WORDS) as (
        memory,
        talk,
    ):
        tell(memory, "user: I work at the harbour.", day=0)
        tell(memory, "user: I have a cat.", day=1)
        assert [hit.text for hit in memory.search("Where is her work?", k=9)] == [
            "Ada works at the harbour.",
            "Ada has a cat.",
        ]
        assert talk.shown("keep_memories") == []  # a search ranks, and chooses nothing
        assert [hit.text for hit in memory.context("Where is her work?").hits] == ["Ada has a cat."]
        near, _, *rest = steps_of(MEMORY_R1.read)
        assert near.k == 60  # type: ignore[attr-defined]
        left: Any = near
        for step in rest:
            left = left >> step
    with opened(replace(MEMORY_R1, read=left), {FACTS: told, RECONCILE: judged}, WORDS) as (memory, _):
        tell(memory, "user: I work at the harbour.", "user: I have a cat.")
        assert len(memory.context("Where is her work?").hits) == 2  # without the choice all are given


# --- the trained policy ---


def test_what_a_policy_sees_of_a_fact() -> None:
    found = looks("I saw Tom in Porto in 2019", "assistant", 0.25)
    assert found["length"] == pytest.approx(math.log(8) / math.log(31))
    assert found["content"] == pytest.approx(4 / 7)  # saw, tom, porto, 2019
    assert (found["number"], found["name"], found["self"], found["known"]) == (1, 1, 1, 0.25)
    assert found["assistant"] == 1
    plain = looks("So tired today", "user", 0.0)
    assert [plain[n] for n in ("number", "name", "self", "fact", "assistant")] == [0] * 5
    assert looks("I live in Porto.", "", 0.0)["fact"] == 1
    assert looks("Do you know what I mean", "", 0)["name"] == 0  # "I" is no name
    assert words_shared("the grey cat", ["a cat and a dog", "grey weather"]) == 0.5
    assert words_shared("the", ["the"]) == words_shared("cat", []) == 0


def test_what_a_policy_may_do_is_one_thing_to_the_nearest() -> None:
    with opened(MEMORY_R1, {FACTS: told, RECONCILE: judged}, WORDS) as (memory, _):
        tell(memory, "user: I work at the harbour.", "user: I have a cat.")
        work, cat = (e for e in memory.get_all() if e.kind == "fact")
    case = Case((cat,), (work, cat), (0.5, 1.0))
    run: Any = None
    offered = {a.tool: a.proposals(Ruling(case), run) for a in MANAGER.tools if a.proposals}
    merged = "Ada works at the harbour. Ada has a cat."
    assert offered == {
        "ADD": (),
        "UPDATE": ({"memory": 1, "text": merged},),
        "DELETE": (),
        "NOOP": ({},),
    }
    assert len(ProposeRulings("UPDATE", nearest=2)(Ruling(case), run)) == 2
    seen = LooksOfRuling()
    assert seen(Offer(Ruling(case), Action("UPDATE", {"memory": 2})), run)["UPDATE known"] == 1.0
    assert seen(Offer(Ruling(case), Action("NOOP")), run)["NOOP known"] == 0.5
    assert set(seen(Offer(Ruling(case), Action("NOOP")), run)) < set(seen.names)
    scores = Linear(seen, (("NOOP any", 1.0), ("NOOP known", -4.0))).scores(
        Ruling(case), (), [Action(STOP), Action("NOOP")], run
    )
    assert scores == [0.0, pytest.approx(1 - 4 * 0.5)]


def weights(tmp_path: Path, held: Mapping[str, Any], features: str = "LooksOfRuling") -> str:
    path = tmp_path / "weights.json"
    path.write_text(json.dumps({"features": features, "weights": held}), "utf-8")
    return f"trained:{path}"


def test_weights_of_a_file_rule_without_a_model(tmp_path: Path) -> None:
    # Left out is what lies nearer than 0.9; nothing else is worth doing.
    policy = weights(tmp_path, {"NOOP any": -0.9, "NOOP known": 1.0})
    trained = MEMORY_R1.replace("write.Decide.policy", policy)
    assert trained.asks("write") == ("extract",)
    assert trained.writer != MEMORY_R1.writer
    assert "('NOOP any', -0.9)" in trained.card()
    assert trained == MEMORY_R1.replace("write.Decide.policy", policy)
    with Memory.open(":memory:", trained, embedder=Drawn(WORDS), models="none") as memory:
        for said in (
            "I work at the harbour.",
            "I work at the airport.",
            "I have a grey cat.",
            "My cat is so grey.",
        ):
            memory.add(said)
            memory.work()
        assert texts(memory, "fact") == ["I work at the harbour", "I have a grey cat"]


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    for held, features in (
        ({"NOOP wit": 1.0}, "LooksOfRuling"),
        ({"NOOP any": "much"}, "LooksOfRuling"),
        ({"NOOP any": math.inf}, "LooksOfRuling"),
        ({"NOOP any": 1.0}, "LooksOfInsert"),
    ):
        with pytest.raises(BadSetting, match="policy"):
            MEMORY_R1.replace("write.Decide.policy", weights(tmp_path, held, features))
    with pytest.raises(BadSetting, match="JSON file"):
        MEMORY_R1.replace("write.Decide.policy", f"trained:{tmp_path / 'none.json'}")
    with pytest.raises(CannotJoin, match="needs weights"):
        MEMORY_R1.replace("write.Decide.policy", "trained")
    with pytest.raises(BadSetting, match=r"trained:FILE"):
        MEMORY_R1.replace("write.Decide.policy", "tools:x")


@pytest.mark.parametrize("recipe", [MEMORY_R1, TOOLS], ids=["judge", "tools"])
def test_without_a_model_repeats_go_and_outright_changes_end_what_stood(recipe: Recipe) -> None:
    with Memory.open(":memory:", recipe, embedder=Drawn(WORDS), models="none") as memory:
        for said in ("I work at the harbour.", "I work at the harbour.", "I no longer work at the harbour."):
            memory.add(said)
            memory.work()
        assert texts(memory, "fact") == ["I no longer work at the harbour"]
        assert "without a model: RuleVerdicts in place of AskVerdicts" in memory.recipe.differs
        assert "chat" not in memory.recipe.needs
