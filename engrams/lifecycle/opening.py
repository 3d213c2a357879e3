"""Puts a memory together: the store, its index, the embedded models, the recipe; and the runs that steps are given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engrams.errors import BadSetting, Unavailable
from engrams.index import NamespaceIndex
from engrams.models.static_table import StaticTable, shipped_table
from engrams.ports import Clock, Embedder, Index, Store, Tokenizer
from engrams.recipe import Recipe
from engrams.recipes.catalogue import recipe_named
from engrams.records import Scope
from engrams.settings import default_path
from engrams.step import Run
from engrams.store import open_store


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class PieceCounter:
    """Counts word pieces of the shipped vocabulary: an estimate of what a language model counts."""

    table: StaticTable

    @property
    def estimated(self) -> bool:
        """Always: a language model has a vocabulary of its own."""
        return True

    def count(self, text: str) -> int:
        """Word pieces of the text, 0 or more."""
        return self.table.count(text)


@dataclass(frozen=True, slots=True)
class CountedBy:
    """A caller's own counter: a function from text to a number of tokens."""

    function: Callable[[str], int]

    @property
    def estimated(self) -> bool:
        """Never: the caller says how tokens are counted."""
        return False

    def count(self, text: str) -> int:
        """Tokens of the text by the caller's function."""
        return int(self.function(text))


@dataclass(frozen=True, slots=True)
class House:
    """Everything an open memory consists of; the functions of this room work on it."""

    store: Store
    index: Index
    table: StaticTable
    tokenizer: Tokenizer
    clock: Clock
    recipe: Recipe
    actor: str
    embedder: Embedder | None = None
    namespace: str = "default"
    budget: int = 2000

    def run(self, chain: str, scope: Scope) -> Run:
        """What the steps of one chain are given, with a trace of its own."""
        return Run(
            recipe=self.recipe.name,
            chain=chain,
            scope=scope,
            store=self.store,
            index=self.index,
            clock=self.clock,
            tokenizer=self.tokenizer,
            table=self.table,
            embedder=self.embedder,
        )


def open_house(
    path_or_url: str | Path | None,
    recipe: str | Recipe,
    *,
    tokenizer: Tokenizer | Callable[[str], int] | None,
    clock: Clock | None,
    actor: str,
    wait: float,
    namespace: str,
    budget: int,
    embedder: Embedder | None = None,
) -> House:
    """Opens the store (made where it is not there) and puts the rest around it.

    Raises:
        UnknownName: no recipe of that name.
        StoreError: the store cannot be opened; says why and what to do.
    """
    chosen = recipe if isinstance(recipe, Recipe) else recipe_named(_text("recipe", recipe))
    if not isinstance(actor, str) or not actor.strip():
        raise BadSetting("actor", actor, "a name for who acts, as the audit shows it")
    if path_or_url is None:
        location: str | Path = default_path()
        try:
            Path(location).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as cause:
            raise Unavailable(
                f"the data folder {Path(location).parent} cannot be made: {cause.strerror or cause}; "
                "give the path of a memory, or set ENGRAMS_DB"
            ) from cause
    elif isinstance(path_or_url, str | Path):
        location = path_or_url
    else:
        raise BadSetting("path_or_url", path_or_url, "a path, ':memory:' or a URL")
    table = shipped_table()
    store = open_store(location, wait=wait)
    return House(
        store=store,
        index=NamespaceIndex(store, table),
        table=table,
        tokenizer=_counter(tokenizer, table),
        clock=clock or SystemClock(),
        recipe=chosen,
        actor=actor,
        embedder=embedder,
        namespace=namespace,
        budget=budget,
    )


def _counter(given: Tokenizer | Callable[[str], int] | None, table: StaticTable) -> Tokenizer:
    if given is None:
        return PieceCounter(table)
    if callable(given):
        return CountedBy(given)
    if hasattr(given, "count") and hasattr(given, "estimated"):
        return given
    raise BadSetting(
        "tokenizer",
        given,
        "a function from text to a number of tokens, or an object with count(text) and estimated",
    )


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise BadSetting(key, value, "a name")
    return value
