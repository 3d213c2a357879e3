"""A recipe derives anew beside what stands and takes its place at once; what people said holds through every swap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from engrams import Memory
from engrams.errors import BadSetting, Mismatch, StepFailed, UnknownName
from engrams.ingest.segment import SplitPassages
from engrams.lifecycle import rebuilding
from engrams.ports import Where
from engrams.recipe import Recipe
from engrams.recipes.engrams import ENGRAMS
from engrams.recipes.reference import BM25
from engrams.records import Scope
from tests.rooms.lifecycle.failing import FAULTS, FRAGILE, SHOUTING, TOLD, Shout, Ticking, Told

EVERYTHING = Where(states=("active", "archived", "superseded"))


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def memory(place: str, clock: Ticking) -> Iterator[Memory]:
    with Memory.open(place, clock=clock) as opened:
        yield opened


def texts(memory: Memory) -> list[str]:
    return [e.content for e in memory.get_all()]


def test_recipes_of_one_write_chain_share_what_was_derived(place: str, memory: Memory) -> None:
    memory.add("The boat is blue.")
    assert ENGRAMS.writer == BM25.writer == "engrams"
    with Memory.open(place, "bm25") as other:
        assert [h.text for h in other.search("boat")] == ["The boat is blue."]
        other.add("The boat is sold.")
    assert len(memory.search("boat")) == 2
    assert memory.stats().pending == 0


def test_another_write_chain_is_another_writer_and_they_do_not_mix(place: str, memory: Memory) -> None:
    memory.add("The boat is blue.")
    memory.rebuild(SHOUTING)
    assert [h.text for h in memory.search("boat")] == ["THE BOAT IS BLUE."]
    assert (texts(memory), memory.stats().engrams) == (["THE BOAT IS BLUE."], 1)
    with Memory.open(place, "engrams") as other:
        assert texts(other) == ["The boat is blue."]
        assert [h.text for h in other.search("boat", filters={"role": "user"})] == ["The boat is blue."]
    changed = ENGRAMS.replace("write.SplitPassages.max_characters", 40)
    assert changed.writer.startswith("engrams-")
    assert ENGRAMS.replace("read.Top.k", 3).writer == "engrams"


def test_a_recipe_that_derived_nothing_yet_says_so_and_what_mends_it(place: str, memory: Memory) -> None:
    memory.add("The boat is blue.")
    with Memory.open(place, SHOUTING) as other:
        with pytest.raises(Mismatch, match="engrams rebuild --recipe shouting"):
            other.search("boat")
        with pytest.raises(Mismatch, match="derived nothing yet from the 1 journal"):
            other.context("boat")
        assert other.stats().pending == 1
        assert [p.mend for p in other.check()] == ["engrams rebuild --recipe shouting"]
        assert other.add("The boat is sold.").pending == 0
        assert other.context("boat").pending == 2  # up to the last one it has looked at without a gap
        assert other.rebuild().made == 2 - 1
        assert sorted(texts(other)) == ["THE BOAT IS BLUE.", "THE BOAT IS SOLD."]
        assert other.check() == []
    assert memory.stats().pending == 1  # what the other recipe wrote
    assert memory.context("boat").pending == 1
    assert memory.work().done == 0
    memory.rebuild()
    assert sorted(texts(memory)) == ["The boat is blue.", "The boat is sold."]


def test_a_memory_opens_with_the_recipe_it_was_rebuilt_with(place: str, memory: Memory) -> None:
    memory.add("The boat is blue.")
    done = memory.rebuild("bm25")
    assert (done.recipe, done.entries, done.made, done.changed) == ("bm25", 1, 0, 0)
    assert memory.recipe.name == "bm25"
    with Memory.open(place) as other:
        assert other.recipe.name == "bm25"
    with Memory.open(place, "full-context") as other:
        assert other.recipe.name == "full-context"
    with pytest.raises(UnknownName):
        memory.rebuild("bm52")
    memory.rebuild(SHOUTING)
    with pytest.raises(BadSetting, match="give the recipe it was rebuilt with"):
        Memory.open(place)


def test_readers_see_what_stood_before_until_all_is_derived(place: str, memory: Memory) -> None:
    memory.add_many([{"role": "user", "content": f"thing {n}"} for n in range(600)])
    seen: list[tuple[str, int]] = []

    def look(done: int, total: int) -> None:
        with Memory.open(place) as other:
            seen.append((other.recipe.name, len(other.search("thing", k=1000))))

    memory.rebuild(replace(SHOUTING), progress=look)
    assert seen == [("engrams", 600)] * 3
    assert len(memory.search("thing", k=1000)) == 600


def test_a_rebuild_that_is_cut_off_leaves_the_old_and_goes_on_where_it_stopped(
    place: str, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.add_many([{"role": "user", "content": f"thing {n}"} for n in range(600)])
    rounds: list[int] = []

    def killed(done: int, total: int) -> None:
        rounds.append(done)
        if len(rounds) == 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        memory.rebuild(SHOUTING, progress=killed)
    assert memory.recipe.name == "engrams"
    with Memory.open(place) as other:
        assert (other.recipe.name, len(other.search("thing", k=1000))) == ("engrams", 600)
    assert memory.rebuild(SHOUTING, progress=killed).made == 350
    assert rounds == [250, 250, 350]


def test_a_rebuild_of_the_recipe_in_use_goes_on_where_it_was_cut_off(
    place: str, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing else can be kept apart from what stands, what was derived waits beside it."""
    monkeypatch.setattr(rebuilding, "BATCH", 4)
    shouting: Recipe = replace(ENGRAMS, write=Told() >> Shout())
    assert shouting.writer == memory.recipe.writer
    added = [memory.add(f"thing {n}", metadata={"n": n}).event_ids[0] for n in range(12)]
    assert memory.stats().engrams == 12

    def killed(done: int, total: int) -> None:
        if done == 8:
            raise InterruptedError

    TOLD.clear()
    with pytest.raises(InterruptedError):
        memory.rebuild(shouting, progress=killed)
    assert len(TOLD) == 8
    with Memory.open(place) as other:  # readers see what stood before, and nothing of what waits
        assert texts(other) == [f"thing {n}" for n in range(12)]
        assert other.stats().engrams == 12
        assert len(other.history(added[0])) == 1
        assert [p for p in other.check() if p.severity == "error"] == []
        other.update(added[0], "another thing")  # its piece is derived anew
        gone = other.delete(added[5])  # so is what waits for it: no text of it may stay
    assert len(gone.engrams) == 2
    store = memory._house.store
    assert not any(
        "THING 5" in e.content for _, e in store.list_engrams(Scope("default"), EVERYTHING, limit=99)
    )
    TOLD.clear()
    done = memory.rebuild(shouting)
    # The erased message moved the ends of the pieces behind it, so that these are derived anew, too.
    assert sorted(TOLD) == sorted(["another thing", *(f"thing {n}" for n in range(12) if n not in (0, 5))])
    assert sorted(texts(memory)) == sorted(["ANOTHER THING", *(f"THING {n}" for n in range(1, 12) if n != 5)])
    assert done.entries == 13
    assert {e.recipe for _, e in store.list_engrams(Scope("default"), EVERYTHING, limit=99)} == {"engrams"}
    assert store.check() == []


def test_what_is_erased_while_it_is_derived_anew_does_not_come_back(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "BATCH", 4)
    added = [memory.add(f"thing {n}").event_ids[0] for n in range(8)]

    def erased(done: int, total: int) -> None:
        if done == 4:
            memory.delete(added[1])

    memory.rebuild(replace(ENGRAMS, write=Shout()), progress=erased)
    assert sorted(texts(memory)) == [f"THING {n}" for n in range(8) if n != 1]
    assert memory.check() == []


def test_what_was_derived_before_a_cut_is_not_derived_again(
    memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "BATCH", 4)
    shouting: Recipe = replace(ENGRAMS, write=Told() >> Shout())
    for n in range(10):
        memory.add(f"thing {n}")
    TOLD.clear()
    rounds: list[int] = []

    def killed(done: int, total: int) -> None:
        rounds.append(done)
        if len(rounds) in (1, 3):
            raise InterruptedError

    for _ in range(2):
        with pytest.raises(InterruptedError):
            memory.rebuild(shouting, progress=killed)
    memory.rebuild(shouting, progress=killed)
    assert rounds == [4, 4, 8, 4, 8, 10]
    assert [f"thing {n}" for n in range(10)] == TOLD  # each of them once
    assert sorted(texts(memory)) == [f"THING {n}" for n in range(10)]
    # Another chain of the same writer takes nothing of it.
    TOLD.clear()
    with pytest.raises(InterruptedError):
        rounds.clear()
        memory.rebuild(replace(ENGRAMS, write=Told("once") >> Shout()), progress=killed)
    memory.rebuild(replace(ENGRAMS, write=Told("again") >> Shout()))
    assert len(TOLD) == 4 + 10


def test_a_step_that_fails_leaves_the_memory_as_it_was(memory: Memory) -> None:
    memory.add("a boat")
    FAULTS["boat"] = 99
    try:
        with pytest.raises(StepFailed):
            memory.rebuild(FRAGILE)
    finally:
        FAULTS.clear()
    assert (memory.recipe.name, texts(memory)) == ("engrams", ["a boat"])
    assert memory.rebuild(FRAGILE).made == 1


def test_corrections_rejections_and_pins_survive_a_swap_and_the_way_back(
    place: str, memory: Memory, clock: Ticking
) -> None:
    boat = memory.add("The boat is blue.")
    dog = memory.add("The dog is called Rex.")
    tea = memory.add("I drink tea.")
    key = memory.add("The key is under the mat.")
    memory.update(boat.event_ids[0], "The boat is red.", reason="repainted")
    memory.update(dog.engram_ids[0], "The dog is called Max.", reason="misheard")
    memory.delete(tea.engram_ids[0])
    memory.pin(key.engram_ids[0])
    wanted = {"The boat is red.", "The dog is called Max.", "The key is under the mat."}
    assert set(texts(memory)) == wanted
    memory.rebuild(SHOUTING)
    # A correction of an engram is what its event says from then on; this recipe writes it in capitals.
    assert set(texts(memory)) == {t.upper() for t in wanted}
    assert {e.content for e in memory.get_all() if e.pinned} == {"THE KEY IS UNDER THE MAT."}
    history = memory.history(dog.event_ids[0])
    assert [(r.content, r.reason) for r in history] == [
        ("THE DOG IS CALLED REX.", ""),
        ("THE DOG IS CALLED MAX.", "misheard"),
    ]
    assert memory.get(dog.engram_ids[0]).content == "The dog is called Max."  # type: ignore[union-attr]
    memory.rebuild("engrams")
    assert set(texts(memory)) == wanted
    assert memory.rebuild("engrams").changed == 0


def test_notes_made_under_the_other_recipe_follow_back(place: str, memory: Memory) -> None:
    boat = memory.add("The boat is blue.")
    tea = memory.add("I drink tea.")
    memory.rebuild(SHOUTING)
    ours = {e.content: e.id for e in memory.get_all()}
    memory.update(boat.event_ids[0], "The boat is red.")
    memory.delete(ours["I DRINK TEA."])
    memory.rebuild("engrams")
    assert "The boat is red." in texts(memory)
    # The note on tea is not in the event's own words: it cannot be told what of the event it rejects.
    assert "I drink tea." in texts(memory)
    assert tea.engram_ids[0] in {e.id for e in memory.get_all()}


def test_a_passage_of_a_long_event_is_corrected_inside_it(memory: Memory) -> None:
    halves = ["First comes the boat. " * 60, "Then comes the dog. " * 60]
    long = memory.add("\n\n".join(halves))
    second = long.engram_ids[1]
    memory.update(second, "Then comes the cat.")
    memory.rebuild(SHOUTING)
    [note] = texts(memory)
    assert note.startswith("FIRST COMES THE BOAT.")
    assert note.endswith("THEN COMES THE CAT.")


def test_the_same_write_chain_made_otherwise_changes_what_stands_in_one_step(
    place: str, memory: Memory, clock: Ticking
) -> None:
    kept = memory.add("Short.")
    long = memory.add("First comes the boat and then, a good while later, comes the dog.")
    fixed = memory.add("The dog is called Rex, and it is brown and rather large for its age.")
    memory.update(fixed.engram_ids[0], "The dog is called Max.")
    finer: Recipe = replace(ENGRAMS, write=SplitPassages(max_characters=40))
    assert finer.writer == "engrams"
    done = memory.rebuild(finer)
    assert done.changed == 1
    pieces = [e.content for e in memory.get_all() if long.event_ids[0] in e.sources]
    assert sorted(pieces) == ["First comes the boat and then, ", "a good while later, comes the dog."]
    assert memory.get(kept.engram_ids[0]).version == 1  # type: ignore[union-attr]
    assert memory.get(fixed.engram_ids[0]).content == "The dog is called Max."  # type: ignore[union-attr]
    assert [r.reason for r in memory.history(long.engram_ids[0])] == ["", "rebuild"]
    memory.rebuild("engrams")
    pieces = [e.content for e in memory.get_all() if long.event_ids[0] in e.sources]
    assert pieces == ["First comes the boat and then, a good while later, comes the dog."]
    memory.rebuild(finer)  # what a rebuild put out, another one brings back
    pieces = [e.content for e in memory.get_all() if long.event_ids[0] in e.sources]
    assert sorted(pieces) == ["First comes the boat and then, ", "a good while later, comes the dog."]


def test_two_memories_of_one_journal_side_by_side(memory: Memory) -> None:
    memory.add("The boat is blue.", user_id="ada")
    memory.add("The dog is called Rex.", user_id="ada")
    memory.add("The boat is green.", user_id="bob")
    two = memory.compare("What colour is the boat?", ["engrams", SHOUTING], user_id="ada", k=1)
    assert [(c.recipe, c.derived, [h.text for h in c.context.hits]) for c in two] == [
        ("engrams", False, ["The boat is blue."]),
        ("shouting", True, ["THE BOAT IS BLUE."]),
    ]
    assert all(c.tokens > 0 and c.milliseconds > 0 for c in two)
    assert texts(memory) == []  # of the namespace `default`: nothing was written
    assert memory.stats().engrams == 3
    with pytest.raises(BadSetting, match="recipes"):
        memory.compare("boat?", [])
    with pytest.raises(BadSetting, match="a list of recipes"):
        memory.compare("boat?", "engrams")
