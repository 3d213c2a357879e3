"""Mem-alpha on a trace worked out by hand: what is filed on which shelf by calls of tools, and how it is found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engrams import Memory
from engrams.deciding import Action, Offer
from engrams.errors import BadSetting, CannotJoin
from engrams.models.scripted_wire import Said
from engrams.organise.shelves import (
    LooksOfInsert,
    ProposeInserts,
    Rewrite,
    Shelves,
    ShowShelves,
    cut,
    shelf_of,
)
from engrams.ports import Where
from engrams.prompts import Prompt
from engrams.recall.few import WhileItFits
from engrams.recall.select import TopOfEach
from engrams.recipe import Recipe
from engrams.recipes.mem_alpha import FILER, MEM_ALPHA
from engrams.records import Scope
from engrams.step import Chain, steps_of, walk
from tests.papers.talks import START, opened, texts

SHELVE = Prompt("shelve")
WORDS = {"": (1.0, 0.0)}
Calls = tuple[tuple[str, dict[str, Any]], ...]

CORE = {"memory_type": "core", "new_content": "Ada, a sailor in Porto."}
BOAT = {"memory_type": "semantic", "content": "Ada owns a boat called Ria."}
TRIP = {"memory_type": "episodic", "content": "On 2024-03-01 Ada sailed to Vigo.", "message": 2}


class Filing:
    """Calls by what is told: one answer for each chunk, in order."""

    def __init__(self, *answers: Calls) -> None:
        self.answers = list(answers)

    def __call__(self, blocks: dict[str, str]) -> Said:
        calls = self.answers.pop(0) if self.answers else ()
        return Said("" if calls else "Done", calls)


def told_at_once(memory: Memory, *said: str) -> list[str]:
    """Adds messages in one call, so that they come in chunks."""
    ids = memory.add([{"role": "user", "content": text} for text in said], session="one").event_ids
    worked = memory.work()
    assert worked.again == worked.dead == 0, [job.error for job in memory.jobs()]
    return list(ids)


def only(memory: Memory, kind: str) -> Any:
    [one] = [e for e in memory.get_all() if e.kind == kind]
    return one


def test_a_chunk_is_filed_by_calls_of_one_turn() -> None:
    filing = Filing((("memory_update", CORE), ("new_memory_insert", BOAT), ("new_memory_insert", TRIP)))
    with opened(MEM_ALPHA, {SHELVE: filing}, WORDS) as (memory, talk):
        said = told_at_once(memory, "I am a sailor with a boat, the Ria.", "I sailed to Vigo.")
        assert (texts(memory, "core"), texts(memory, "semantic")) == (
            [CORE["new_content"]],
            [BOAT["content"]],
        )
        assert list(only(memory, "semantic").sources) == said
        assert list(only(memory, "episodic").sources) == said[1:]  # the message that was named
        [shown] = talk.shown("shelve")  # asked once, whatever it calls
        assert (shown["core"], shown["semantic"], shown["episodic"]) == ("Empty.", "Empty.", "Empty.")
        assert shown["messages"].splitlines()[1].startswith("2. [2024-03-31] user: I sailed")


def test_what_stands_is_shown_by_number_rewritten_and_taken_away_with_its_history() -> None:
    second: Calls = (
        ("memory_update", {"memory_type": "semantic", "memory_id": 1, "new_content": "Ada sold the Ria."}),
        ("memory_delete", {"memory_type": "episodic", "memory_id": 1}),
        ("memory_update", {"memory_type": "core", "new_content": "Ada, once a sailor."}),
    )
    first: Calls = (("memory_update", CORE), ("new_memory_insert", BOAT), ("new_memory_insert", TRIP))
    with opened(MEM_ALPHA, {SHELVE: Filing(first, (), second)}, WORDS) as (memory, talk):
        one = told_at_once(memory, "My boat is the Ria.", "I sailed to Vigo.")
        boat, trip = only(memory, "semantic"), only(memory, "episodic")
        told_at_once(memory, "Nothing more.")
        store = memory._house.store
        store.touch(
            [row for row, _ in store.list_engrams(Scope("default"), Where(kinds=("semantic",)))], START
        )
        two = told_at_once(memory, "I sold her.")
        shown = talk.shown("shelve")[2]
        assert shown["core"] == CORE["new_content"]
        assert shown["semantic"] == "The newest 1 of 1:\n1. [2024-03-31] Ada owns a boat called Ria."
        assert only(memory, "semantic").id == boat.id
        assert list(only(memory, "semantic").sources) == [*one, *two]
        assert only(memory, "semantic").recall_count == 1  # counted after it was read
        assert [r.change for r in memory.history(boat.id)] == ["ADD", "UPDATE"]
        assert texts(memory, "episodic") == []
        assert [r.change for r in memory.history(trip.id)] == ["ADD", "DELETE"]
        assert texts(memory, "core") == ["Ada, once a sailor."]


def test_numbers_hold_within_a_turn_and_calls_that_cannot_be_are_told() -> None:
    calls: Calls = (
        ("new_memory_insert", BOAT),
        ("new_memory_insert", BOAT),  # word for word
        ("memory_update", {"memory_type": "semantic", "memory_id": 1, "new_content": "Ada has two boats."}),
        ("memory_update", {"memory_type": "semantic", "memory_id": 2, "new_content": "None."}),
        ("new_memory_insert", {**TRIP, "message": 9}),
        ("new_memory_insert", {**BOAT, "memory_type": "core"}),
        ("memory_delete", {"memory_type": "core"}),
        ("new_memory_insert", {**BOAT, "content": "  "}),
    )
    recipe = MEM_ALPHA.replace(
        "write.Decide.most_turns", 2
    )  # so that the model hears what became of its calls
    with opened(recipe, {SHELVE: Filing(calls)}, WORDS) as (memory, _):
        told_at_once(memory, "We have boats.")
        assert [(e.kind, e.content) for e in memory.get_all() if e.kind != "message"] == [
            ("semantic", "Ada has two boats.")
        ]
    results: list[str] = []
    shelves, run = held(recipe)
    for call in calls:
        act = next(act for act in FILER.tools if act.tool == call[0])
        results.append(done(act, shelves, call[1], run))
    assert results == [
        "It is number 1.",
        "It is number 1.",
        "Not done: semantic memory holds no such number.",
        "Not done: semantic memory holds no such number.",
        "Not done: there are messages 1 to 1.",
        "no fit",
        "Not done: core memory holds nothing like that.",
        "Not done: the memory is empty.",
    ]


def held(recipe: Recipe) -> tuple[Shelves, Any]:
    """Empty shelves with one message, and as much of a run as filing uses."""
    with Memory.open(":memory:", "bm25", embedder="none") as memory:
        memory.add("We bought boats.")
        [event] = memory.log().items

    class Bare:
        recipe = "mem-alpha"

    return Shelves((event,), (), {}), Bare()


def done(act: Any, shelves: Shelves, given: dict[str, Any], run: Any) -> str:
    """What one call is told, made by itself."""
    from engrams.deciding import Called
    from engrams.schemas import Misfit

    try:
        return str(act(Called(shelves, given), run).told)
    except Misfit:
        return "no fit"


class ByWords:
    """A tokenizer that counts words."""

    estimated = True

    def count(self, text: str) -> int:
        return len(text.split())


def test_a_core_holds_512_tokens_and_says_what_was_cut() -> None:
    assert Rewrite().tokens == 512
    long = " ".join(f"w{n}" for n in range(600))
    kept = cut(long, 512, ByWords())
    assert kept.split() == [*(f"w{n}" for n in range(511)), "[cut]"]
    assert cut("as it is", 3, ByWords()) == "as it is"
    with pytest.raises(BadSetting):
        Rewrite(tokens=1)
    filing = Filing((("memory_update", {**CORE, "new_content": long}),))
    with opened(MEM_ALPHA, {SHELVE: filing}, WORDS) as (memory, _):
        told_at_once(memory, "Much.")
        assert texts(memory, "core")[0].endswith(" [cut]")
        assert memory.count_tokens(texts(memory, "core"))[0] <= 512


def test_a_core_that_was_emptied_is_written_again() -> None:
    filing = Filing(
        (("memory_update", CORE),),
        (("memory_delete", {"memory_type": "core"}),),
        (("memory_update", {**CORE, "new_content": "Ada again."}),),
    )
    with opened(MEM_ALPHA, {SHELVE: filing}, WORDS) as (memory, talk):
        for text, left in (("a", [CORE["new_content"]]), ("b", []), ("c", ["Ada again."])):
            told_at_once(memory, text)
            assert texts(memory, "core") == left
        assert talk.shown("shelve")[2]["core"] == "Empty."
        assert [r.change for r in memory.history(only(memory, "core").id)] == ["ADD", "DELETE", "UPDATE"]


def test_twenty_messages_make_a_chunk_and_the_twenty_newest_memories_are_shown() -> None:
    def file_all(blocks: dict[str, str]) -> Said:
        said = [line.split(": ")[1] for line in blocks["messages"].splitlines()]
        return Said(
            "", tuple(("new_memory_insert", {"memory_type": "semantic", "content": text}) for text in said)
        )

    with opened(MEM_ALPHA, {SHELVE: file_all}, WORDS) as (memory, talk):
        told_at_once(memory, *(f"message {n}" for n in range(45)))
        shown = talk.shown("shelve")
        assert [len(blocks["messages"].splitlines()) for blocks in shown] == [20, 20, 5]
        newest = shown[2]["semantic"].splitlines()
        assert (newest[0], len(newest)) == ("The newest 20 of 40:", 21)
        assert newest[1].startswith("21. ") and newest[1].endswith("message 20")
    assert (ShowShelves().most, MEM_ALPHA.unit, FILER.most_turns) == (20, 20, 1)


NOTES: Calls = tuple(
    ("new_memory_insert", {"memory_type": kind, "content": f"{kind} boat {n} " + "rope " * n})
    for kind in ("semantic", "episodic")
    for n in range(1, 19)
)


def filled(recipe: Recipe) -> Any:
    """A memory of 18 facts and 18 events about boats, the shorter the nearer to "boat", and a core."""
    return opened(recipe, {SHELVE: Filing((("memory_update", CORE), *NOTES))}, WORDS)


def test_fifteen_of_each_list_are_found_by_words_and_the_core_is_always_there() -> None:
    few = MEM_ALPHA.replace("read.WhileItFits.tokens", 0)
    with filled(few) as (memory, _):
        told_at_once(memory, "Boats.")
        hits = memory.search("boat", k=100)
        assert (
            sum(hit.kind == "semantic" for hit in hits) == sum(hit.kind == "episodic" for hit in hits) == 15
        )
        assert {hit.text.split()[2] for hit in hits} == {str(n) for n in range(1, 16)}
        assert hits[0].text == "semantic boat 1 rope"
        made = memory.context("What is the weather?", budget=10_000)
        assert "Ada, a sailor in Porto." in made.text
    read = steps_of(MEM_ALPHA.read)
    without_core: Any = Chain(tuple(step for step in read if step.name != "Preface"))
    with filled(replace(few, read=without_core)) as (memory, _):
        told_at_once(memory, "Boats.")
        assert "sailor" not in memory.context("boat", budget=10_000).text


def test_everything_is_given_while_it_fits() -> None:
    with filled(MEM_ALPHA) as (memory, _):
        told_at_once(memory, "Boats.")
        assert len(memory.search("boat", k=100)) == 36
        assert len(memory.context("boat", budget=10_000).hits) == 37
    found = dict(walk(MEM_ALPHA.read))
    fits: Any = found["WhileItFits"]
    assert fits.tokens == 30_720
    assert (found["WhileItFits.TopOfEach"].kinds, fits.beyond.k) == (("semantic", "episodic"), 15)  # type: ignore[attr-defined]
    words: Any = found["WordScores"]
    assert (words.k1, words.b) == (1.5, 0.75)
    for bad in (
        lambda: WhileItFits(fits.whole, fits.beyond, ("semantic",), tokens=-1),
        lambda: TopOfEach(("semantic",), k=0),
        lambda: ShowShelves(most=0),
        lambda: LooksOfInsert(newest=0),
    ):
        with pytest.raises(BadSetting):
            bad()


def test_without_scores_by_words_the_order_is_that_of_filing() -> None:
    few = MEM_ALPHA.replace("read.WhileItFits.tokens", 0)
    blind = few.replace("read.SumStandardised.dialogue", ()).replace("read.SumStandardised.notes", ())
    filing = Filing((("new_memory_insert", {**BOAT, "content": "rope"}), ("new_memory_insert", BOAT)))
    with opened(blind, {SHELVE: filing}, WORDS) as (memory, _):
        told_at_once(memory, "Boats.")
        assert [hit.text for hit in memory.search("boat")] == ["rope", BOAT["content"]]


# --- without a model, and by a trained policy ---


def test_without_a_model_sentences_are_filed_where_a_rule_reads_a_fact_or_not() -> None:
    with Memory.open(":memory:", "mem-alpha", models="none") as memory:
        memory.add("I live in Porto. We sailed to Vigo yesterday. Are you well?")
        memory.add("We sailed to Vigo yesterday.")
        memory.work()
        assert texts(memory, "semantic") == ["I live in Porto"]
        assert texts(memory, "episodic") == ["We sailed to Vigo yesterday"]  # said twice, filed once
        assert texts(memory, "core") == []
        assert memory.recipe.needs == ()
        assert "without a model: FileSentences in place of Decide" in memory.recipe.differs
        assert memory.search("Where did we sail?")[0].text == "We sailed to Vigo yesterday"
    assert (shelf_of("I live in Porto."), shelf_of("We sailed on.")) == ("semantic", "episodic")


def test_weights_of_a_file_say_what_is_inserted(tmp_path: Path) -> None:
    path = tmp_path / "weights.json"
    held = {"features": "LooksOfInsert", "weights": {"any": -1, "number": 2, "known": -2}}
    path.write_text(json.dumps(held), "utf-8")
    trained = MEM_ALPHA.replace("write.Decide.policy", f"trained:{path}")
    assert (trained.asks("write"), trained.needs) == ((), ())
    assert trained.replace("write.Decide.policy", "tools").needs == ("chat",)
    with Memory.open(":memory:", trained) as memory:
        memory.add("We paid 40 euros for a rope. The weather was very good.")
        memory.add("We paid 40 euros for the rope.")  # all its words are known: 1 - 2 is below leaving it
        memory.work()
        assert texts(memory, "episodic") == ["We paid 40 euros for a rope"]
        [sentence] = [e for e in memory.get_all() if e.kind == "episodic"]
        assert len(sentence.sources) == 1
    with pytest.raises(CannotJoin):
        MEM_ALPHA.replace("write.Decide.policy", "trained")


def test_what_a_policy_is_offered_and_sees() -> None:
    shelves, run = held(MEM_ALPHA)
    offered = ProposeInserts()(shelves, run)
    assert offered == ({"memory_type": "episodic", "content": "We bought boats", "message": 1},)
    shelves = FILER.pipeline(shelves, run) if FILER.pipeline else shelves
    assert ProposeInserts()(shelves, run) == ()
    seen = LooksOfInsert()
    asked = Offer(shelves, Action("new_memory_insert", {**offered[0], "content": "We have new boats"}))
    found = seen(asked, run)
    assert set(found) == set(seen.names)
    assert (found["known"], found["semantic"], found["self"]) == (0.5, 0.0, 1.0)  # of new and boats, boats
