"""Comparing: one question asked of several memories of one journal."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from engrams.errors import BadSetting
from engrams.index import NamespaceIndex
from engrams.lifecycle.opening import House
from engrams.lifecycle.reading import context
from engrams.lifecycle.replaying import BATCH, catch_up
from engrams.ports import Commit, Index, Where
from engrams.recipe import Recipe
from engrams.records import Context, Event, Query, Receipt, Scope
from engrams.store import open_store


@dataclass(frozen=True, slots=True)
class Compared:
    """What one recipe gave. `derived`: it did not stand in this memory and was derived for this question alone, in
    `derived_ms`; `milliseconds` is the answer alone."""

    recipe: str
    context: Context
    milliseconds: float
    derived: bool = False
    derived_ms: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens of the context."""
        return self.context.price.tokens


def compare(house: House, asked: Query, recipes: Sequence[Recipe]) -> list[Compared]:
    """Asks each recipe; one that stands here is read, another derived from the scope's journal into a store in memory.

    Raises:
        BadSetting: no recipes.
        NeedsExtra: a recipe needs an embedder, and none is there.
    """
    if not recipes:
        raise BadSetting("recipes", recipes, "one or more names, such as ['engrams', 'bm25']")
    return [_one(house.running(recipe), asked) for recipe in recipes]


def _one(house: House, asked: Query) -> Compared:
    progress = house.store.progress(house.recipe.writer)
    asked = replace(asked, writer=house.recipe.writer)
    if not progress.behind:
        made, spent = _answer(house, asked)
        return Compared(house.recipe.name, made, spent)
    began = time.perf_counter()
    store = open_store(":memory:")
    try:
        beside = replace(house, store=store, index=cast(Index, NamespaceIndex(store, house.table)))
        _copy_journal(house, beside, asked.scope)
        catch_up(beside)
        derived = (time.perf_counter() - began) * 1e3
        made, spent = _answer(beside, asked)
        return Compared(house.recipe.name, made, spent, derived=True, derived_ms=derived)
    finally:
        store.close()


def _answer(house: House, asked: Query) -> tuple[Context, float]:
    began = time.perf_counter()
    made = context(house, asked)
    return made, (time.perf_counter() - began) * 1e3


def _copy_journal(house: House, beside: House, scope: Scope) -> None:
    for namespace in house.store.namespaces():
        after = 0
        while scope.covers(namespace) and (
            found := house.store.journal(Scope(namespace), Where(), kinds=None, after=after, limit=BATCH)
        ):
            events: tuple[Event, ...] = tuple(event for _, event in found)
            receipt = Receipt(namespace, tuple(e.id for e in events))
            beside.store.commit(Commit(receipt, house.actor, "compare", events[0].recorded_at, events=events))
            after = found[-1][0]
