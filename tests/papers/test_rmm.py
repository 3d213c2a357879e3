"""RMM on traces worked out by hand: topics of sessions, merged; a reranker of two maps that learns from citations."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from engrams import Memory
from engrams.errors import BadSetting, UsageError
from engrams.organise.judge import Case
from engrams.organise.topics import MergeAlike, SplitTopics, topic_shifts
from engrams.prompts import Prompt
from engrams.recall.residual import Maps, RerankResidual, maps_id, moved, still
from engrams.recipe import Recipe
from engrams.recipes.rmm import RMM
from engrams.records import Engram, Query, Scope
from tests.papers.talks import START, Drawn, Standing, opened, tell

TOPICS, MERGE = Prompt("topics"), Prompt("merge_topics")
WORDS = {"sail": (1, 0, 0), "harbour": (0.8, 0.6, 0), "bread": (0, 1, 0), "oven": (0, 0.8, 0.6)}


def told(blocks: dict[str, str]) -> dict[str, object]:
    """A topic for each of sailing and baking, with the numbers of the turns whose words speak of it."""
    new = blocks["turns"].splitlines()
    found = {
        summary: [n for n, line in enumerate(new, start=1) if any(w in line for w in said)]
        for summary, said in {"They sail.": ("sail", "harbour"), "Bread is made.": ("bread", "oven")}.items()
    }
    return {"topics": [{"summary": s, "turns": turns} for s, turns in found.items() if turns]}


def merged(blocks: dict[str, str]) -> dict[str, object]:
    """Merges topics of the same matter; the summary says of how many it tells."""
    for n, old in enumerate(blocks["memories"].splitlines(), start=1):
        if old.split()[1:3] == blocks["topic"].split()[:2]:
            return {"operation": "MERGE", "memory": n, "text": f"{blocks['topic']} Again."}
    return {"operation": "ADD"}


REPLIES = {TOPICS: told, MERGE: merged}


def topics(memory: Memory) -> list[Engram]:
    return [e for e in memory.get_all() if e.kind == "topic"]


def test_a_topic_is_the_turns_that_speak_of_it_and_is_found_by_its_summary() -> None:
    with opened(RMM, REPLIES, WORDS) as (memory, talk):
        said = tell(
            memory, "user: We sail.", "assistant: I bake bread.", "user: To the harbour.", "user: Hi!"
        )
        memory.consolidate()
        sail, bread = topics(memory)
        assert sail.content == "[2024-03-01] user: We sail.\n[2024-03-01] user: To the harbour."
        assert (sail.keys, list(sail.sources)) == (("They sail.",), [said[0], said[2]])
        assert (bread.content, list(bread.sources)) == ("[2024-03-01] assistant: I bake bread.", [said[1]])
        assert talk.shown("topics")[0]["turns"].splitlines()[1] == "2. [2024-03-01] assistant: I bake bread."
        # The first had nothing beside it; the second was held against it.
        assert talk.shown("merge_topics") == [{"memories": "1. They sail.", "topic": "Bread is made."}]
        hits = memory.search("sail?", k=2)
        assert [h.id for h in hits] == [sail.id, bread.id]
        assert "To the harbour." in memory.context("sail?").text


def test_a_topic_spoken_of_again_is_merged_with_what_stands_and_history_shows_it() -> None:
    with opened(RMM, REPLIES, WORDS) as (memory, talk):
        first = tell(memory, "user: We sail.", session="a")
        memory.consolidate()
        second = tell(memory, "user: We sail on.", session="b", day=1)
        memory.consolidate()
        [topic] = topics(memory)
        assert topic.content == "[2024-03-01] user: We sail.\n[2024-03-02] user: We sail on."
        assert topic.keys == ("They sail. Again.",)
        assert list(topic.sources) == [*first, *second]
        assert (topic.session, topic.occurred_at) == (None, START + timedelta(days=1))
        assert [r.change for r in memory.history(topic.id)] == ["ADD", "MERGE"]
        assert talk.shown("merge_topics") == [{"memories": "1. They sail.", "topic": "They sail."}]


def test_topics_of_one_consolidation_are_merged_with_each_other() -> None:
    with opened(RMM, REPLIES, WORDS) as (memory, _):
        for day in range(3):
            tell(memory, f"user: We sail, day {day}.", session=f"s{day}", day=day)
        memory.consolidate()
        [topic] = topics(memory)
        assert topic.content.count("We sail") == 3
        assert topic.keys == ("They sail. Again.",)


def test_what_was_looked_at_is_not_asked_about_again() -> None:
    with opened(RMM, REPLIES, WORDS) as (memory, talk):
        tell(memory, "user: We sail.", "user: Hi!", session="a")
        tell(memory, "user: Hello!", session="b")  # nothing worth knowing
        memory.consolidate()
        assert len(talk.shown("topics")) == 2
        memory.consolidate()
        assert len(talk.shown("topics")) == 2
        tell(memory, "user: The bread is done.", session="b", day=1)
        memory.consolidate()
        assert talk.shown("topics")[2:] == [
            {"earlier": "[2024-03-01] user: Hello!", "turns": "1. [2024-03-02] user: The bread is done."}
        ]
        assert [t.keys for t in topics(memory)] == [("They sail.",), ("Bread is made.",)]


def test_numbers_a_model_makes_up_make_no_topic_and_no_merge() -> None:
    wild = {"topics": [{"summary": "They sail.", "turns": [1, 7]}, {"summary": "Lost.", "turns": [9]}]}
    with opened(RMM, {TOPICS: wild, MERGE: {"operation": "MERGE", "memory": 5}}, WORDS) as (memory, _):
        tell(memory, "user: We sail.", session="a")
        tell(memory, "user: We sail.", session="b", day=1)
        memory.consolidate()
        assert [t.keys for t in topics(memory)] == [("They sail.",)] * 2


def test_without_merging_the_same_matter_stands_twice() -> None:
    chain = RMM.consolidate
    alone = replace(RMM, consolidate=chain.steps[0])  # type: ignore[union-attr]
    with opened(alone, REPLIES, WORDS) as (memory, _):
        for day in range(2):
            tell(memory, "user: We sail.", session=f"s{day}", day=day)
        memory.consolidate()
        assert len(topics(memory)) == 2


def test_what_a_rebuild_took_out_is_made_and_merged_again() -> None:
    with opened(RMM, REPLIES, WORDS) as (memory, _):
        for day in range(2):
            tell(memory, "user: We sail.", session=f"s{day}", day=day)
        memory.consolidate()
        [before] = topics(memory)
        memory.rebuild("rmm")
        assert topics(memory) == []
        memory.consolidate()
        [after] = topics(memory)
        assert (after.id, after.content, after.keys) == (before.id, before.content, before.keys)
        memory.delete(after.id)  # a person said so: nothing brings it back
        memory.consolidate()
        assert topics(memory) == []


# --- without a model


def test_vocabulary_shifts_where_the_blocks_before_and_after_share_least() -> None:
    # With one text a side the cosines are 1, 0, 1: depths 0, 2, 0, whose mean less half a deviation is 0.67 - 0.47.
    assert topic_shifts(["boat sea", "boat sea", "bread oven", "bread oven"], 1) == [2]
    # All alike, all different, and too few: nothing is deeper than what is beside it.
    assert topic_shifts(["boat", "boat", "boat"], 1) == []
    assert topic_shifts(["boat", "bread", "tulip"], 1) == []
    assert topic_shifts(["boat"], 1) == topic_shifts([], 1) == []


def test_without_a_model_runs_of_turns_are_topics_and_a_cosine_merges() -> None:
    said = [
        "We sail the boat.",
        "The boat will sail far.",
        "The bread is in the oven.",
        "An oven bakes bread.",
    ]
    with Memory.open(":memory:", "rmm", embedder=Drawn(WORDS), models="none") as memory:
        for day in range(2):
            memory.add([{"role": "user", "content": s} for s in said], session=f"s{day}", occurred_at=START)
        memory.consolidate()
        sail, bread = topics(memory)
        assert [line.split("user: ")[1] for line in sail.content.splitlines()] == said[:2] * 2
        assert [line.split("user: ")[1] for line in bread.content.splitlines()] == said[2:] * 2
        assert "without a model: SplitTopics in place of ExtractTopics" in memory.recipe.differs
        assert "without a model: MergeAlike in place of AskMerge" in memory.recipe.differs
        assert "chat" not in memory.recipe.needs
        assert memory.search("sail?", k=1)[0].id == sail.id


def test_a_cosine_below_the_threshold_adds() -> None:
    old = replace(engram("old"), keys=("They sail.",))
    new = replace(engram("new"), keys=("A boat.",))
    judge = MergeAlike(least=0.8)
    assert judge(Case((new,), (old,), (0.79,)), None)[0].operation == "ADD"  # type: ignore[arg-type]
    [verdict] = judge(Case((new,), (old,), (0.8,)), None)  # type: ignore[arg-type]
    assert (verdict.operation, verdict.old, verdict.text) == ("MERGE", 0, "They sail A boat")


def engram(id: str) -> Engram:
    return Engram(id, "default", "rmm", "topic", "", START, START, ("e",))  # type: ignore[arg-type]


# --- the reranker


def test_a_score_is_the_product_of_what_the_maps_make_of_both() -> None:
    maps = Maps(np.array([[0.0, 1.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [2.0, 0.0]]))
    # q' = (1, 2) + (2, 0) = (3, 2); m' = (1, 0) + (0, 2) = (1, 2) and (0, 1) + 0 = (0, 1).
    assert maps.scores(np.array([1.0, 2.0]), np.eye(2)).tolist() == [7.0, 2.0]
    assert still(2).scores(np.array([1.0, 2.0]), np.eye(2)).tolist() == [1.0, 2.0]


def test_one_step_by_hand() -> None:
    # Both memories score 0.6, so p = 1/2 each. Cited, less the baseline: 0.5; not cited: -1.5.
    # push = (0.5 + 0.5, -1.5 + 0.5) / 0.5 = (2, -2).
    asked, memories = np.array([0.6, 0.6]), np.eye(2)
    after = moved(still(2), asked, memories, np.array([0.5, -1.5]), rate=0.1, temperature=0.5)
    expected = 0.1 * np.array([[2 * 0.6, 2 * 0.6], [-2 * 0.6, -2 * 0.6]])
    assert after.question == pytest.approx(expected)
    assert after.memory == pytest.approx(0.1 * np.array([[0.6 * 2, 0.6 * -2], [0.6 * 2, 0.6 * -2]]))


def test_a_step_goes_along_the_gradient() -> None:
    drawn = np.random.default_rng(7)
    maps = Maps(drawn.normal(size=(3, 3)), drawn.normal(size=(3, 3)))
    asked, memories, worth = drawn.normal(size=3), drawn.normal(size=(4, 3)), np.array([0.5, -1.5, 0, -1.5])

    def gain(question: np.ndarray, memory: np.ndarray) -> float:
        raised = np.exp(Maps(question, memory).scores(asked, memories) / 0.5)
        return float(worth @ np.log(raised / raised.sum()))

    after = moved(maps, asked, memories, worth, rate=1.0, temperature=0.5)
    for at in [(0, 0), (1, 2), (2, 1)]:
        nudge = np.zeros((3, 3))
        nudge[at] = 1e-6
        slope = (gain(maps.question + nudge, maps.memory) - gain(maps.question - nudge, maps.memory)) / 2e-6
        assert (after.question - maps.question)[at] == pytest.approx(slope, rel=1e-4)
        slope = (gain(maps.question, maps.memory + nudge) - gain(maps.question, maps.memory - nudge)) / 2e-6
        assert (after.memory - maps.memory)[at] == pytest.approx(slope, rel=1e-4)


#: Questions "which" in many shapes lean to what is dull, and what is meant is bright: only feedback can tell.
KINDS = {
    "which": (0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "dull": (0.0, 0.3, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0),
    "bright": (0.3, 0.0, 0.9, 0.0, 0.0, 0.0, 0.0, 0.0),
    "lamp": (0.0, 0.0, 0.0, 1.5, 0.0, 0.0, 0.0, 0.0),
    "coat": (0.0, 0.0, 0.0, 0.0, 1.5, 0.0, 0.0, 0.0),
    "boat": (0.0, 0.0, 0.0, 0.0, 0.0, 1.5, 0.0, 0.0),
    "door": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.5, 0.0),
}
THINGS = ("lamp", "coat", "boat", "door")


def shop(recipe: Recipe, path: Path | str = ":memory:", fill: bool = True) -> Memory:
    """A dull and a bright one of each thing; the dull ones are nearer to every question."""
    memory = Memory.open(path, recipe, embedder=Drawn(KINDS, dimensions=8), models="none", clock=Standing())
    for thing in THINGS if fill else ():
        for look in ("dull", "bright"):
            memory.add(f"A {look} {thing}.", session=f"{look} {thing}", occurred_at=START)
    if fill:
        memory.consolidate()
    return memory


APART = RMM.replace("consolidate.MergeTopics.judge", MergeAlike(least=1.0))


def ranks(memory: Memory) -> dict[str, int]:
    """At which place the bright one stands when its thing is asked for."""
    found = {}
    for thing in THINGS:
        hits = [h.text for h in memory.search(f"Which {thing}?", k=8)]
        found[thing] = next(n for n, text in enumerate(hits) if f"bright {thing}" in text)
    return found


def teach(memory: Memory, things: tuple[str, ...], times: int) -> None:
    for _ in range(times):
        for thing in things:
            hits = memory.search(f"Which {thing}?", k=5)
            cited = next(h for h in hits if f"bright {thing}" in h.text)
            memory.feedback(f"Which {thing}?", cited=cited, k=5)


def test_citations_of_some_questions_raise_the_right_topics_of_others() -> None:
    with shop(APART) as memory:
        assert ranks(memory) == dict.fromkeys(THINGS, 1)
        teach(memory, ("lamp", "coat"), 30)
        after = ranks(memory)
        assert after == dict.fromkeys(THINGS, 0)  # boat and door were never taught
        best = memory.search("Which boat?", k=1, explain=True)[0]
        assert best.score == pytest.approx(best.signals["dense"] + best.signals["learnt"])
    # The same verdicts without the step teach nothing.
    bare = replace(APART, read=type(APART.read)(tuple(s for s in APART.read if s.name != "RerankResidual")))  # type: ignore[call-arg,attr-defined]
    with shop(bare) as memory:
        with pytest.raises(UsageError, match="does not learn"):
            memory.feedback("Which lamp?", cited=memory.search("Which lamp?")[0])
        assert ranks(memory) == dict.fromkeys(THINGS, 1)


def test_wrong_verdicts_alone_turn_the_order_too() -> None:
    with shop(APART.replace("read.RerankResidual.rate", 0.02)) as memory:
        for _ in range(10):
            first = memory.search("Which lamp?", k=1)[0]
            if "dull" in first.text:
                memory.feedback("Which lamp?", wrong=first)
        assert ranks(memory)["lamp"] == 0


def test_what_is_learnt_is_worked_out_anew_from_the_journal(tmp_path: Path) -> None:
    with shop(APART, tmp_path / "a.db") as memory:
        teach(memory, ("lamp",), 3)
        seen = [(h.text, h.score) for h in memory.search("Which boat?", k=8)]
        scorer = memory.get(maps_id("default"))
        events = [e for e in memory.log().items if e.kind == "feedback"]
        assert isinstance(scorer, Engram)
        assert scorer.metadata == {"verdicts": 3, "last": events[-1].id}
        assert scorer.content == "two maps of vectors, learnt from 3 verdicts"
        assert len(events[0].metadata["among"]) == 8
        assert len(events[0].metadata["passed"]) == 4
    with shop(APART, tmp_path / "a.db", fill=False) as memory:
        assert [(h.text, h.score) for h in memory.search("Which boat?", k=8)] == seen
        memory.export(tmp_path / "journal.jsonl")
    with shop(APART, tmp_path / "b.db", fill=False) as other:
        other.restore(tmp_path / "journal.jsonl")
        other.consolidate()
        assert [(h.text, h.score) for h in other.search("Which boat?", k=8)] == seen


def test_going_on_gives_what_working_all_out_gives() -> None:
    with shop(APART) as memory, shop(APART) as other:
        for step in range(4):
            teach(memory, ("lamp", "coat")[step % 2 :][:1], 1)  # the maps go on from those before
            teach(other, ("lamp", "coat")[step % 2 :][:1], 1)
            other._house.index.forget()  # the maps are worked out from the first verdict
        seen, anew = ([h.score for h in m.search("Which boat?", k=8)] for m in (memory, other))
        assert seen == anew
        view = memory._house.index.view(Query("?", Scope("default"), writer=memory.recipe.writer))
        [kept] = [held for key, held in view.derived.items() if key[0] == "residual maps"]
        assert len(kept) == 1  # type: ignore[arg-type]


def test_erased_feedback_and_a_rejected_scorer_are_not_learnt_from() -> None:
    with shop(APART) as memory:
        plain = [(h.text, h.score) for h in memory.search("Which boat?", k=8)]
        teach(memory, ("lamp",), 1)
        once = [(h.text, h.score) for h in memory.search("Which boat?", k=8)]
        assert once != plain
        teach(memory, ("coat",), 1)
        first, second = (e for e in memory.log().items if e.kind == "feedback")
        memory.delete(second.id)
        assert [(h.text, h.score) for h in memory.search("Which boat?", k=8)] == once
        teach(memory, ("lamp",), 1)
        memory.delete(first.id)
        scorer = memory.get(maps_id("default"))
        assert isinstance(scorer, Engram)
        assert scorer.metadata["verdicts"] == 1
        memory.delete(maps_id("default"))
        assert [(h.text, h.score) for h in memory.search("Which boat?", k=8)] == plain


def test_what_one_namespace_taught_is_not_told_in_another() -> None:
    with shop(APART) as memory:
        teach(memory, ("lamp",), 2)
        memory.add("A dull lamp.", session="s", namespace="other", occurred_at=START)
        memory.add("A bright lamp.", session="t", namespace="other", occurred_at=START)
        memory.consolidate(namespace="other")
        assert all(
            "learnt" not in h.signals for h in memory.search("Which lamp?", namespace="other", explain=True)
        )
        assert all("learnt" in h.signals for h in memory.search("Which lamp?", explain=True))


def test_a_question_has_one_answer_and_noise_only_where_it_is_asked_for() -> None:
    def order(memory: Memory) -> list[str]:
        return [h.text for h in memory.search("Which lamp?", k=8)]

    with shop(APART) as memory, shop(APART.replace("read.RerankResidual.noise", 1)) as drawn:
        assert order(memory) == order(memory)
        assert order(drawn) == order(drawn)  # the seed and the question say what is drawn
        assert order(drawn) != order(memory)
        assert sorted(order(drawn)) == sorted(order(memory))


def test_five_of_twenty_go_into_a_context() -> None:
    with shop(APART) as memory:
        assert len(memory.context("Which lamp?").hits) == 5
        assert len(memory.search("Which lamp?", k=7)) == 7
    with shop(APART.replace("read.RerankResidual.keep", 2)) as memory:
        assert len(memory.context("Which lamp?").hits) == 2


def test_behind_those_compared_nobody_overtakes() -> None:
    with shop(APART.replace("read.RerankResidual.among", 2)) as memory:
        before = [h.text for h in memory.search("Which lamp?", k=8)]
        teach(memory, ("lamp",), 5)
        hits = memory.search("Which lamp?", k=8)
        assert [h.text for h in hits][2:] == before[2:]
        assert [h.score for h in hits] == sorted((h.score for h in hits), reverse=True)


def test_settings_that_make_no_sense_are_refused() -> None:
    for make, key in (
        (lambda: RerankResidual(among=0), "among"),
        (lambda: RerankResidual(keep=0), "keep"),
        (lambda: RerankResidual(rate=0), "rate"),
        (lambda: RerankResidual(temperature=0), "temperature"),
        (lambda: RerankResidual(baseline=2), "baseline"),
        (lambda: RerankResidual(noise=-1), "noise"),
        (lambda: SplitTopics(width=0), "width"),
        (lambda: SplitTopics(most=0), "most"),
        (lambda: MergeAlike(least=2), "least"),
    ):
        with pytest.raises(BadSetting, match=key):
            make()
