"""Adapters as engrams of a memory: kept with their sources, named by contexts, erased with what they rest on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from engrams import Memory, Recipe
from engrams.errors import Mismatch, NotFound, UsageError
from engrams.organise.forms import ChooseForm, Costs, MoveForms
from engrams.recipes.catalogue import CATALOGUE
from engrams.records import Engram
from engrams.weights.lessons import Lesson, Reserve
from engrams.weights.methods.session_lora import SessionLora
from engrams.weights.parametric import ParametricMemory
from engrams.weights.shelf import ForgetAdapters, WriteAdapters, bring, keep
from engrams.weights.training import lesson_rows

TEXTS = ("anna moved to oslo", "boris keeps a tiger")


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory.open(tmp_path / "memory.db") as held:
        yield held


@pytest.fixture(scope="module")
def reserve(world: Any) -> Reserve:
    from engrams_bench.parametric import told

    whole = told.reserve(world)
    return Reserve(whole.replayed[:16], whole.held[:16])


def lesson(text: str, source: str = "") -> Lesson:
    """What a text teaches: asked for the city or the pet, the last word."""
    from engrams_bench.parametric.world import BEGIN, ids

    name, *_, value = text.split()
    kind = "city" if "moved" in text else "pet"
    asked = tuple((BEGIN, *ids(way.format(name, kind))) for way in ("tell {} {} is", "{1} of {0} is"))
    return Lesson(asked, ids(value), source=source)


def weights(model: Any, reserve: Reserve, **more: Any) -> ParametricMemory:
    return ParametricMemory(model, fingerprint="f", reserve=reserve, method=SessionLora(steps=25, **more))


def test_adapters_are_kept_named_brought_back_and_erased(
    memory: Memory, model: Any, reserve: Reserve
) -> None:
    mine = weights(model, reserve)
    events = [memory.add(text).event_ids[0] for text in TEXTS]
    for text, event in zip(TEXTS, events, strict=True):
        assert mine.write(text, [lesson(text, event)]).kept
    handles = keep(memory, mine)
    assert [(one.layers, one.tokens, one.fingerprint) for one in handles] == [(3, 6, "f")] * 2
    assert keep(memory, mine) == handles  # nothing has changed: nothing is written
    assert memory.context("where did anna move to").weights[0] == handles[0]

    again = weights(model, reserve)
    assert bring(memory, again) == 2
    asked = lesson_rows(again.learner, [lesson(text) for text in TEXTS])
    assert torch.equal(again.logits(asked), mine.logits(asked))
    assert again.list() == mine.list()
    assert bring(memory, again, handles[1:]) == 1
    assert [one.name for one in again.list()] == [TEXTS[1]]

    memory.delete(events[0])
    assert [one.id for one in memory.payloads("adapter")] == [handles[1].id]
    with pytest.raises(NotFound, match="write its session again"):
        bring(memory, again, handles)
    assert bring(memory, again) == 1
    assert again.answer(lesson(TEXTS[1]).asked[0], 1) == lesson(TEXTS[1]).answer


def test_what_is_forgotten_loses_its_bytes(memory: Memory, model: Any, reserve: Reserve) -> None:
    mine = weights(model, reserve)
    mine.write("s", [lesson(TEXTS[0], memory.add(TEXTS[0]).event_ids[0])])
    (handle,) = keep(memory, mine)
    mine.forget("s")
    assert keep(memory, mine) == ()
    with pytest.raises(NotFound, match="dropped"):
        memory.payload(handle.id)
    assert bring(memory, mine) == 0


def test_adapters_of_other_settings_or_without_a_source_are_refused(
    memory: Memory, model: Any, reserve: Reserve
) -> None:
    mine = weights(model, reserve)
    mine.write("s", [lesson(TEXTS[0], memory.add(TEXTS[0]).event_ids[0])])
    keep(memory, mine)
    with pytest.raises(Mismatch, match="'rank': 4"):
        bring(memory, weights(model, reserve, rank=4))
    nameless = weights(model, reserve)
    nameless.write("s", [lesson(TEXTS[0])])
    with pytest.raises(UsageError, match="source"):
        keep(memory, nameless)


def test_a_consolidation_writes_adapters_and_takes_them_back(
    tmp_path: Path, model: Any, reserve: Reserve
) -> None:
    mine = weights(model, reserve)
    shelf: list[Memory] = []

    class Later:
        """The memory, once it is open."""

        def __getattr__(self, name: str) -> Any:
            return getattr(shelf[0], name)

    def lessons(engram: Engram) -> list[Lesson]:
        return [lesson(engram.content)]

    moving = MoveForms(
        Costs(read=10, load=1, wear=1, train=1, block_bytes=0, adapter_bytes=0),
        ChooseForm(stable=0),
        text=ForgetAdapters(mine, Later()),  # type: ignore[arg-type]
        adapter=WriteAdapters(mine, Later(), lessons),  # type: ignore[arg-type]
    )
    recipe = _renamed(moving)
    with Memory.open(tmp_path / "m.db", recipe) as memory:
        shelf.append(memory)
        ids = [memory.add(text).engram_ids[0] for text in TEXTS]
        _use(memory, ids[0], 20)
        memory.consolidate()
        assert [one.name for one in mine.list()] == [ids[0]]
        assert mine.answer(lesson(TEXTS[0]).asked[0], 1) == lesson(TEXTS[0]).answer
        (handle,) = memory.context("anna").weights
        assert handle.bytes > 0
        memory.delete(memory.get(ids[0]).sources[0])  # type: ignore[union-attr]
        assert memory.payloads("adapter") == []


def _renamed(moving: MoveForms) -> Recipe:
    from dataclasses import replace

    return replace(CATALOGUE["bm25"], name="forms", consolidate=moving)


def _use(memory: Memory, id: str, times: int) -> None:
    from engrams.ports import Where
    from engrams.records import Scope

    house = memory._house
    found = house.store.list_engrams(Scope("default"), Where(writer=house.recipe.writer), limit=9)
    for _ in range(times):
        house.store.touch([row for row, engram in found if engram.id == id], house.clock.now())
