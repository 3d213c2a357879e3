"""A consolidation that gives a memory a block of a real model's cache, and takes it back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engrams import Memory
from engrams.errors import BadSetting, StepFailed
from engrams.kv import ActivationMemory
from engrams.kv.moving import StoreBlocks
from engrams.organise.forms import ChooseForm, Costs, DropForms, MoveForms
from engrams.recipes.catalogue import CATALOGUE
from tests.kv.tiny import VOCABULARY, llama

OFTEN, NEVER = "The deploy script needs the flag dry first.", "Somebody left an umbrella in the lobby."


class Later:
    """The memory of a recipe that is made before it is opened."""

    memory: Memory

    def __getattr__(self, name: str) -> Any:
        return getattr(self.memory, name)


class Letters:
    """A token for each letter."""

    def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) % VOCABULARY for letter in text]}

    def get_vocab(self) -> dict[str, int]:
        return {chr(code): code % VOCABULARY for code in range(128)}


def moving(blocks: Any, memory: Later, cold: float = 5) -> Any:
    """BM25 that moves memories between text and blocks: to read costs ten times as much as to load."""
    costs = Costs(read=10, load=1, wear=1, train=1, block_bytes=0, adapter_bytes=0)
    forms = MoveForms(costs, ChooseForm(cold=cold), text=DropForms(memory), block=StoreBlocks(blocks))  # type: ignore[arg-type]
    return replace(CATALOGUE["bm25"], name="forms", consolidate=forms)


def use(memory: Memory, id: str, times: int) -> None:
    """Counts recalls as a read chain with `reinforce` does."""
    house = memory._house
    for _ in range(times):
        house.store.touch([row for row, engram in _all(memory) if engram.id == id], house.clock.now())


def test_what_is_used_becomes_a_block_that_composes_and_goes_with_its_source(tmp_path: Path) -> None:
    later, made = Later(), list[ActivationMemory]()
    with Memory.open(tmp_path / "m.db", moving(lambda: made[0], later)) as memory:
        later.memory = memory
        made.append(ActivationMemory(llama(), tokenizer=Letters(), memory=memory))
        ids = {text: memory.add(text).engram_ids[0] for text in (OFTEN, NEVER)}
        use(memory, ids[OFTEN], 20)
        memory.consolidate()
        (block,) = memory.payloads("kv-block")
        assert (block.content, block.sources) == (OFTEN, (ids[OFTEN],))
        (handle,) = memory.context("deploy script").kv
        assert made[0].compose([handle]).tokens == tuple(Letters()(OFTEN)["input_ids"])
        memory.consolidate()
        assert len(memory.payloads("kv-block")) == 1, "what has its form is not moved again"
        memory.delete(memory.get(ids[OFTEN]).sources[0])  # type: ignore[union-attr]
        assert memory.payloads("kv-block") == []
        made[0].close()


def test_a_block_is_not_kept_where_no_context_would_find_it(tmp_path: Path) -> None:
    with ActivationMemory(llama(), tokenizer=Letters(), root=tmp_path / "kv") as held:
        later = Later()
        with Memory.open(tmp_path / "m.db", moving(held, later)) as memory:
            later.memory = memory
            id = memory.add(OFTEN).engram_ids[0]
            use(memory, id, 20)
            with pytest.raises((BadSetting, StepFailed), match="over the memory's namespace 'default'"):
                memory.consolidate()


def _all(memory: Memory) -> list[tuple[Any, Any]]:
    from engrams.ports import Where
    from engrams.records import Scope

    where = Where(writer=memory._house.recipe.writer)
    return list(memory._house.store.list_engrams(Scope("default"), where, limit=9))
