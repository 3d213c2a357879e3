"""Puts a memory together: the store, its index, the embedded models, the recipe; and the runs that steps are given."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from engrams.errors import BadSetting, CannotJoin, NeedsExtra, Unavailable, UnknownName, UsageError
from engrams.index import NamespaceIndex
from engrams.lifecycle.access import Grant, granted
from engrams.lifecycle.access_sealing import sealed, user_key
from engrams.lifecycle.access_store import GuardedIndex, GuardedStore
from engrams.lifecycle.finding import found_recipe
from engrams.lifecycle.ledger import Ledger, Limits
from engrams.lifecycle.telling import tell
from engrams.models.chat import resolve_chat
from engrams.models.chat_asking import Asking, Counted
from engrams.models.chat_prices import chosen, rates
from engrams.models.embedder import resolve_embedder
from engrams.models.static_table import StaticTable, shipped_table
from engrams.organise.embed import Embed
from engrams.ports import ChatModel, Clock, Embedder, Index, Store, Tokenizer, Where
from engrams.recipe import Recipe
from engrams.records import Scope
from engrams.settings import Settings, default_path
from engrams.step import Run, Trace, walk, without_model
from engrams.store import open_store
from engrams.store.sealed import SealedStore

#: The environment variable with the key of an embedder behind an address.
KEY_VARIABLE = "ENGRAMS_EMBEDDER_KEY"

#: The store's setting that names the recipe a memory opens with when nobody names one.
CURRENT = "recipe"


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
    embedding: Embed | None = None  # the step of the recipe that embeds
    namespace: str = "default"
    budget: int = 2000
    guard: str = "off"  # what is done with secrets and personal data at write: off, mask, refuse
    counted: dict[str, tuple[int, int, int]] = field(default_factory=dict)  # see `retention`
    grant: Grant | None = None  # what the key it was opened with may do; None: everything
    model: ChatModel | None = None
    ledger: Ledger | None = None  # of the whole store, whoever holds this memory
    modelless: bool = False  # recipes run in their form without language models

    def now(self, namespace: str) -> datetime:
        """The time of recording: the clock's, and never before what this namespace recorded last."""
        present = self.clock.now()
        newest = self.store.journal(Scope(namespace), Where(), kinds=None, limit=1, newest_first=True)
        return max(present, newest[0][1].recorded_at) if newest else present

    def running(self, recipe: Recipe) -> House:
        """The same memory with another recipe.

        Raises:
            NeedsExtra: the recipe needs an embedder, and none is there.
            CannotJoin: the recipe needs a language model, and none is there.
        """
        recipe = recipe.without_models() if self.modelless else recipe
        if recipe == self.recipe:
            return self
        _require_model(recipe, self.model)
        if self.embedder is None and "embedder" in recipe.needs:
            raise NeedsExtra(f"the recipe {recipe.name!r}", "embed")
        return replace(self, recipe=recipe, embedding=embedding_step(recipe))

    def let_go(self) -> None:
        """Closes the store and the connections to models; a model that the caller brought is the caller's to close."""
        self.store.close()
        if isinstance(self.model, Asking):
            self.model.close()

    def model_name(self, operation: str) -> str:
        """The model that answers an operation; "none" where there is none, "own" where it has no name."""
        if isinstance(self.model, Asking):
            return self.model.operations.get(operation, self.model.endpoint).name
        return "none" if self.model is None else "own"

    def run(self, chain: str, scope: Scope) -> Run:
        """What the steps of one chain are given, with a trace of its own."""
        trace, model = Trace(), self.model
        if isinstance(model, Asking):
            account = None if self.ledger is None else self.ledger.account(scope.namespace)
            model = model.accounted(account, trace.spend)
        elif model is not None and self.ledger is not None:
            account = self.ledger.account(scope.namespace)
            model = Counted(model, self.tokenizer.count, account, trace.spend)
        return Run(
            recipe=self.recipe.name if chain == "read" else self.recipe.writer,
            chain=chain,
            scope=scope,
            store=self.store,
            index=self.index,
            clock=self.clock,
            tokenizer=self.tokenizer,
            table=self.table,
            embedder=self.embedder,
            trace=trace,
            model=model,
        )


def open_house(
    path_or_url: str | Path | None,
    recipe: str | Recipe | None,
    *,
    fallback: str = "engrams",
    tokenizer: Tokenizer | Callable[[str], int] | None,
    clock: Clock | None,
    actor: str,
    wait: float,
    namespace: str,
    budget: int,
    embedder: object = None,
    guard: str = "off",
    key: str | None = None,
    model: object = None,
    models: object = None,
    settings: Settings | None = None,
) -> House:
    """Opens the store (made where it is not there) and puts the rest around it.

    Without a recipe it is the one the memory was rebuilt with last, else `fallback`. With `models="none"` it runs in its form
    without language models.

    Raises:
        UnknownName: no recipe or embedder of that name.
        NeedsExtra: the recipe needs an embedder, and none is there.
        CannotJoin: the recipe needs a language model, and none is there.
        StoreError: the store cannot be opened; says why and what to do.
    """
    named = recipe if isinstance(recipe, Recipe | None) else found_recipe(_text("recipe", recipe))
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
    found = resolve_embedder(embedder, api_key=os.environ.get(KEY_VARIABLE))
    table = shipped_table()
    tokens = _counter(tokenizer, table)
    settings = settings or Settings()
    operations = _operations(settings.models if models is None else models)
    modelless = operations is None
    if modelless and named is not None:
        named = named.without_models()
    chat = resolve_chat(
        None if modelless else model,
        tokens.count,
        operations=operations,
        cache=settings.model_cache,
        concurrency=settings.model_concurrency,
        timeout=settings.model_timeout,
    )
    if named is not None:
        _require_embedder(named, found, embedder)
        _require_model(named, chat)
    prices = rates(settings.model_prices)
    limits = Limits(settings.model_tokens_per_day or None, settings.model_money_per_day or None)
    store = opened(location, wait, actor)
    try:
        recipe_now = named or _current(store, fallback)
        recipe_now = recipe_now.without_models() if modelless else recipe_now
        _require_embedder(recipe_now, found, embedder)
        _require_model(recipe_now, chat)
        now = clock or SystemClock()
        house = House(
            store=store,
            index=cast(Index, NamespaceIndex(store, table, folder=_index_folder(store))),
            table=table,
            tokenizer=tokens,
            clock=now,
            recipe=recipe_now,
            actor=actor,
            embedder=found,
            embedding=embedding_step(recipe_now),
            namespace=namespace,
            budget=budget,
            guard=guard,
            model=chat,
            ledger=Ledger(store, now, prices, limits),
            modelless=modelless,
        )
        tell("memory.opened", location=store.location, recipe=recipe_now.name, actor=actor)
        return house if key is None else guarded(house, key)
    except BaseException:
        store.close()
        raise


def guarded(house: House, key: str) -> House:
    """The same memory, doing what a key's rights allow.

    Raises:
        Denied: no such key, or it was revoked.
        UsageError: the memory was opened with a key already.
    """
    if house.grant is not None:
        raise UsageError(
            "this memory was opened with a key already; open it without one to serve holders of keys"
        )
    grant = granted(house.store, key)
    # The index loads more than a call asks for, so it works on the whole store, and each view is asked for.
    return replace(
        house,
        store=cast(Store, GuardedStore(house.store, grant)),
        index=cast(Index, GuardedIndex(house.index, grant)),
        actor=f"{house.actor} key:{grant.id}",
        grant=grant,
    )


def opened(location: str | Path, wait: float, actor: str) -> Store:
    """The store at a place, behind a cipher where it is encrypted or `ENGRAMS_KEY` is set."""
    store = open_store(location, wait=wait)
    try:
        return sealed(store, user_key(), actor)
    except BaseException:
        store.close()
        raise


def _index_folder(store: Store) -> Path | None:
    """Where the index may keep its arrays on disk; nowhere where the memory is encrypted: they hold hashes of words."""
    return None if isinstance(store, SealedStore) else getattr(store, "index_folder", None)


def _current(store: Store, fallback: str) -> Recipe:
    """The recipe the memory was rebuilt with last, else the one named."""
    name = store.setting(CURRENT)
    if name is None:
        return found_recipe(_text("recipe", fallback))
    try:
        return found_recipe(name)
    except UnknownName as cause:
        raise BadSetting(
            "recipe",
            name,
            "a recipe of this version; give the recipe it was rebuilt with as recipe=",
            store.location,
        ) from cause


def _require_embedder(recipe: Recipe, found: Embedder | None, given: object) -> None:
    if found is None and "embedder" in recipe.needs:
        without = " (opened with embedder 'none'; 'auto' takes the one that is installed)"
        raise NeedsExtra(f"the recipe {recipe.name!r}{without if given == 'none' else ''}", "embed")


def _require_model(recipe: Recipe, found: ChatModel | None) -> None:
    if found is None and "chat" in recipe.needs:
        raise CannotJoin(without_model(recipe.name))


def _operations(models: object) -> Mapping[str, str] | None:
    """The models of single operations, however they were given; None where no language model is to be asked at all."""
    if models == "none":
        return None
    if isinstance(models, Mapping) and all(isinstance(t, str) for pair in models.items() for t in pair):
        return {str(operation): str(model) for operation, model in models.items()}
    if isinstance(models, str):
        return chosen(models)
    raise BadSetting("models", models, "'none', 'operation=model,…' or a mapping from operations to models")


def embedding_step(recipe: Recipe) -> Embed | None:
    """The step of a recipe's write chain that embeds, wherever it stands; None where there is none."""
    return next((step for _, step in walk(recipe.write) if isinstance(step, Embed)), None)


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
