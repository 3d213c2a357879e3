"""Feedback: journalled, learnt in its namespace alone, learnt again from the journal, erased with what it was about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from engrams import Memory
from engrams.errors import BadSetting, NotFound, UsageError
from engrams.lifecycle.feedback import relearn
from engrams.recall.learnt import Learnt, factors_of, scorer_id
from engrams.records import Engram, Hit, Query, Scope

SAID = (
    "I adopted a grey cat yesterday.",
    "The cat food is empty, cat food is dear.",
    "My sister has a cat called Tom, and Tom is old.",
    "We drove to Braga to see a cat.",
)
WHICH = "Which cat?"


def opened(path: Path | str = ":memory:", recipe: str = "engrams", users: Sequence[str] = ("ada",)) -> Memory:
    memory = Memory.open(path, recipe, embedder="none")
    for user in users:
        for text in SAID:
            memory.add(text, namespace=user)
    return memory


def hits(memory: Memory, user: str = "ada") -> list[Hit]:
    return memory.search(WHICH, user_id=user, explain=True)


def seen(memory: Memory, user: str = "ada") -> list[tuple[str, float, dict[str, float]]]:
    return [(h.text, h.score, dict(h.signals)) for h in hits(memory, user)]


def factors(memory: Memory, user: str = "ada") -> dict[str, float]:
    scorer = memory.get(scorer_id(user))
    assert isinstance(scorer, Engram)
    return factors_of(scorer.metadata)


def test_the_journal_holds_all_that_was_learnt_from() -> None:
    with opened() as memory:
        before = hits(memory)
        receipt = memory.feedback(WHICH, cited=[before[2]], user_id="ada", k=3)
        (event,) = [e for e in memory.log(user_id="ada").items if e.kind == "feedback"]
        assert receipt.event_ids == (event.id,)
        assert (event.content, event.target, event.metadata["verdict"]) == (WHICH, before[2].id, "cited")
        names = event.metadata["signals"]
        assert event.metadata["shares"] == pytest.approx([before[2].signals[n] for n in names], abs=1e-4)
        assert len(event.metadata["beside"]) == 2
        assert event.metadata["beside"][0] == pytest.approx([before[0].signals[n] for n in names], abs=1e-4)
        beside = [dict(zip(names, row, strict=True)) for row in event.metadata["beside"]]
        shares = dict(zip(names, event.metadata["shares"], strict=True))
        assert factors(memory) == Learnt().moved({}, shares, beside, "cited")


def test_verdicts_bring_a_hit_closer_to_the_first_and_explain_says_by_what() -> None:
    with opened() as memory:
        first, second, *_ = hits(memory)
        for _ in range(20):
            memory.feedback(WHICH, chosen=second.id, wrong=first.id, user_id="ada")
        after = {h.id: h for h in hits(memory)}
        assert after[first.id].score - after[second.id].score < 0.7 * (first.score - second.score)
        for before in (first, second):
            now = after[before.id]
            assert {n: s for n, s in now.signals.items() if n != "learnt"} == dict(before.signals)
            assert now.signals["learnt"] == pytest.approx(now.score - before.score, abs=1e-4)


def test_without_feedback_nothing_changes_and_another_namespace_never_does() -> None:
    with opened(users=("ada", "ben", "acme/ada")) as memory:
        plain = seen(memory, "ben")
        memory.feedback(WHICH, wrong=hits(memory)[0], user_id="ada")
        assert seen(memory, "ben") == plain
        assert all("learnt" not in h.signals for h in memory.search(WHICH, namespace="acme/*", explain=True))
        assert any("learnt" in h.signals for h in hits(memory, "ada"))


def test_a_scorer_is_never_a_hit_and_its_history_shows_every_step() -> None:
    with opened() as memory:
        for _ in range(2):
            receipt = memory.feedback(WHICH, cited=hits(memory)[1].event_ids, user_id="ada")
        (derived,) = receipt.derived
        assert (derived.kind, derived.change, derived.sources) == ("scorer", "UPDATE", receipt.event_ids)
        assert {h.kind for h in memory.search("signal meaning words", user_id="ada", k=100)} == {"passage"}
        assert {e.kind for e in memory.get_all(user_id="ada")} == {"passage"}
        assert [(r.version, r.change) for r in memory.history(derived.id)] == [(1, "ADD"), (2, "UPDATE")]
        assert memory.check() == []


def test_the_same_feedback_is_learnt_again_from_the_journal_alone(tmp_path: Path) -> None:
    with opened(tmp_path / "a.db") as memory:
        found = hits(memory)
        memory.feedback(WHICH, cited=[found[2], found[3]], wrong=[found[0]], user_id="ada")
        memory.feedback("Who drove to Braga?", chosen=found[3], user_id="ada", k=2)
        learnt, ranked = factors(memory), seen(memory)
        assert relearn(memory._house, "ada") is False
        memory.export(tmp_path / "journal.jsonl")
    with Memory.open(tmp_path / "b.db", embedder="none") as other:
        other.restore(tmp_path / "journal.jsonl")
        assert factors(other) == learnt
        assert seen(other) == ranked


def test_erasing_feedback_restores_the_ranking_before_it() -> None:
    with opened() as memory:
        plain, found = seen(memory), hits(memory)
        first = memory.feedback(WHICH, cited=found[3], user_id="ada")
        after_first = seen(memory)
        memory.feedback(WHICH, wrong=found[0], user_id="ada")
        third = memory.feedback(WHICH, cited=found[2], user_id="ada")
        assert seen(memory) != after_first
        memory.delete(third.event_ids[0])
        memory.delete(memory.log(user_id="ada", newest_first=True).items[0].id)
        assert seen(memory) == after_first
        memory.delete(first.event_ids[0])
        assert seen(memory) == plain


def test_what_rested_on_erased_feedback_is_gone_and_what_came_after_is_learnt_without_it() -> None:
    with opened() as memory, opened() as other:
        found, there = hits(memory), hits(other)
        gone = memory.feedback(WHICH, cited=found[3], user_id="ada")
        memory.feedback(WHICH, cited=found[2], user_id="ada")
        tainted = {r.version: r.metadata for r in memory.history(scorer_id("ada"))}
        memory.delete(gone.event_ids[0])
        other.feedback(WHICH, cited=there[2], user_id="ada")
        assert factors(memory) == pytest.approx(factors(other))
        assert all(r.metadata not in tainted.values() for r in memory.history(scorer_id("ada")))


def test_erasing_what_was_cited_erases_the_feedback() -> None:
    with opened() as memory:
        found = hits(memory)
        memory.feedback(WHICH, cited=found[3], user_id="ada")
        memory.delete(found[3].event_ids[0])
        assert [e for e in memory.log(user_id="ada").items if e.kind == "feedback"] == []
        with pytest.raises(NotFound):
            memory.get(scorer_id("ada"))
        assert all("learnt" not in h.signals for h in hits(memory))


def test_a_rejected_scorer_stays_off() -> None:
    with opened() as memory:
        plain = seen(memory)
        memory.feedback(WHICH, cited=hits(memory)[3], user_id="ada")
        memory.delete(scorer_id("ada"))
        assert seen(memory) == plain
        memory.feedback(WHICH, cited=hits(memory)[3], user_id="ada")
        assert seen(memory) == plain


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({}, UsageError, "cited, chosen or wrong"),
        ({"cited": ["nowhere"]}, NotFound, "nowhere is not among the first"),
        ({"cited": [7]}, BadSetting, "id of a hit"),
        ({"wrong": 7}, BadSetting, "in a list"),
    ],
)
def test_feedback_that_cannot_be_is_refused_and_nothing_is_written(
    given: dict[str, object], error: type[Exception], said: str
) -> None:
    with opened() as memory:
        with pytest.raises(error, match=said):
            memory.feedback(WHICH, user_id="ada", **given)  # type: ignore[arg-type]
        assert len(memory.log(user_id="ada")) == len(SAID)


def test_one_hit_has_one_verdict() -> None:
    with opened() as memory:
        hit = hits(memory)[0]
        with pytest.raises(UsageError, match="it is one of them"):
            memory.feedback(WHICH, cited=hit.id, wrong=hit.event_ids, user_id="ada")


def test_a_recipe_without_the_step_says_that_it_does_not_learn() -> None:
    with opened(recipe="bm25") as memory, pytest.raises(UsageError, match="'bm25' does not learn"):
        memory.feedback(WHICH, cited=hits(memory)[0], user_id="ada")


def test_secrets_in_the_question_are_masked_as_in_what_is_added() -> None:
    with opened() as memory:
        memory._house = replace(memory._house, guard="mask")
        memory.feedback("Which cat has ada@example.org?", cited=hits(memory)[0], user_id="ada")
        (event,) = [e for e in memory.log(user_id="ada").items if e.kind == "feedback"]
        assert "example.org" not in event.content


def test_what_was_worked_out_of_the_index_outlives_feedback_and_no_change_of_a_row() -> None:
    with opened() as memory:

        def worked_out() -> dict[tuple[object, ...], object]:
            asked = Query("x", Scope("ada"), writer=memory.recipe.writer)
            return memory._house.index.view(asked).derived

        found, before = hits(memory), worked_out()
        for hit in found[:3]:  # the second and the third close a version of the scorer
            memory.feedback(WHICH, cited=hit, user_id="ada")
        assert worked_out() is before
        memory.delete(found[0].id)
        assert worked_out() is not before
        assert found[0].id not in {h.id for h in hits(memory)}
