"""Time travel: every change is a version that can be asked for, and taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from engrams import Memory
from engrams.errors import NotFound, UsageError
from engrams.organise.reconcile import Supersede
from engrams.recipes.engrams import ENGRAMS
from engrams.step import Chain, steps_of
from tests.rooms.lifecycle.failing import SHOUTING, TIDY, Ticking

FACTS = replace(ENGRAMS, name="facts", write=Chain((*steps_of(ENGRAMS.write), Supersede())))


@pytest.fixture
def clock() -> Ticking:
    return Ticking("2024-01-01")


@pytest.fixture
def memory(place: str, clock: Ticking) -> Iterator[Memory]:
    with Memory.open(place, clock=clock) as opened:
        yield opened


def texts(memory: Memory, **bounds: object) -> list[str]:
    return [e.content for e in memory.get_all(**bounds)]  # type: ignore[arg-type]


def test_what_was_believed_in_march(memory: Memory, clock: Ticking) -> None:
    boat = memory.add("The boat is blue.", occurred_at="2023-06-01")
    clock.at = datetime(2024, 4, 1, tzinfo=UTC)
    memory.update(boat.event_ids[0], "The boat is red.", reason="repainted")
    clock.at = datetime(2024, 5, 1, tzinfo=UTC)
    memory.delete(boat.engram_ids[0], reason="sold")
    assert texts(memory) == []
    for when, found in (
        ("2023-12-31", []),
        ("2024-03-15", ["The boat is blue."]),
        ("2024-04-02", ["The boat is red."]),
        ("2024-05-02", []),
    ):
        assert texts(memory, as_of=when) == found
        assert [h.text for h in memory.search("boat", as_of=when)] == found
    assert texts(memory, as_of="2023-07-01", as_of_by="occurred") == []
    seen = [(r.change, r.content, r.actor, r.reason, r.at.month) for r in memory.history(boat.engram_ids[0])]
    assert seen == [
        ("ADD", "The boat is blue.", "library", "", 1),
        ("UPDATE", "The boat is red.", "library", "repainted", 4),
        ("DELETE", "The boat is red.", "library", "sold", 5),
    ]
    notes = {e.id for e in memory.log() if e.kind != "message"}
    assert {r.event_id for r in memory.history(boat.engram_ids[0])[1:]} == notes


def test_since_and_until_ask_when_it_happened(memory: Memory) -> None:
    memory.add("In May.", occurred_at="2023-05-10")
    memory.add("In June.", occurred_at="2023-06-10")
    assert texts(memory, since="2023-06-01") == ["In June."]
    assert texts(memory, until="2023-05-10") == ["In May."]


def test_where_she_lived_in_2023(place: str, clock: Ticking) -> None:
    with Memory.open(place, FACTS, clock=clock) as memory:
        memory.add([{"role": "user", "content": "I live in Bern."}], occurred_at="2022-03-01")
        memory.add([{"role": "user", "content": "I moved to Porto last week."}], occurred_at="2024-02-01")
        assert texts(memory) == ["I moved to Porto last week."]
        assert [h.text for h in memory.search("Where do I live, Bern or Porto?")] == [
            "I moved to Porto last week."
        ]
        for when, found in (
            ("2023-06-01", {"I live in Bern.", "I moved to Porto last week."}),
            ("2024-03-01", {"I moved to Porto last week."}),
        ):
            assert set(texts(memory, valid_at=when)) == found
            hits = memory.search("Where do I live, Bern or Porto?", valid_at=when)
            assert {h.text for h in hits} == found
        assert "I live in Bern." in texts(
            memory, as_of="2023-12-31", as_of_by="occurred", valid_at="2023-06-01"
        )


def test_superseding_is_reversible_and_the_undo_too(place: str, clock: Ticking) -> None:
    with Memory.open(place, FACTS, clock=clock) as memory:
        old = memory.add("I live in Bern.", occurred_at="2022-03-01")
        memory.add("I moved to Porto last week.", occurred_at="2024-02-01")
        last = memory.history(old.engram_ids[0])[-1]
        assert (last.change, last.state) == ("INVALIDATE", "superseded")
        assert last.reason.startswith("home: ")
        assert last.event_id is not None
        receipt = memory.undo(old.engram_ids[0], reason="she kept both flats")
        assert [e.kind for e in memory.log()][-1] == "undo"
        assert receipt.derived[0].id == old.engram_ids[0]
        assert set(texts(memory)) == {"I live in Bern.", "I moved to Porto last week."}
        assert memory.get(old.engram_ids[0]).valid_to is None  # type: ignore[union-attr]
        memory.undo(old.engram_ids[0])
        assert texts(memory) == ["I moved to Porto last week."]
        assert [r.change for r in memory.history(old.engram_ids[0])] == [
            "ADD",
            "INVALIDATE",
            "UPDATE",
            "UPDATE",
        ]


def test_corrections_and_rejections_are_taken_back(memory: Memory) -> None:
    boat = memory.add("The boat is blue.")
    tea = memory.add("I drink tea.")
    memory.update(boat.event_ids[0], "The boat is red.")
    memory.update(boat.event_ids[0], "The boat is green.")
    memory.delete(tea.engram_ids[0])
    memory.undo(boat.event_ids[0])
    memory.undo(tea.engram_ids[0])
    assert set(texts(memory)) == {"The boat is red.", "I drink tea."}
    assert memory.get(boat.event_ids[0]).content == "The boat is red."
    memory.undo(boat.event_ids[0])  # the undo of the undo
    assert "The boat is green." in texts(memory)
    assert memory.get(boat.event_ids[0]).content == "The boat is green."


def test_an_undo_survives_a_swap_of_recipes(memory: Memory) -> None:
    boat = memory.add("The boat is blue.")
    tea = memory.add("I drink tea.")
    memory.update(boat.event_ids[0], "The boat is red.")
    memory.undo(boat.event_ids[0])
    memory.delete(tea.engram_ids[0])
    memory.undo(tea.engram_ids[0])
    memory.rebuild(SHOUTING)
    assert set(texts(memory)) == {"THE BOAT IS BLUE.", "I DRINK TEA."}
    memory.rebuild("engrams")
    assert set(texts(memory)) == {"The boat is blue.", "I drink tea."}


def test_a_decision_that_is_undone_stays_undone_when_rebuilt(place: str, clock: Ticking) -> None:
    with Memory.open(place, TIDY, clock=clock) as memory:
        short = memory.add("short")
        memory.consolidate()
        memory.undo(short.engram_ids[0])
        assert texts(memory) == ["short"]
        assert memory.rebuild().changed == 0
        assert texts(memory) == ["short"]


def test_what_was_never_changed_cannot_be_undone(memory: Memory) -> None:
    boat = memory.add("The boat is blue.")
    with pytest.raises(UsageError, match="nothing about"):
        memory.undo(boat.engram_ids[0])
    with pytest.raises(NotFound):
        memory.undo("?")
    fixed = memory.update(boat.event_ids[0], "The boat is red.")
    with pytest.raises(UsageError, match="is a correction of"):
        memory.undo(fixed.event_ids[0])
