"""A memory that moves between stores is the same memory; a move that was cut off goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from engrams.errors import BadSetting, NotFound, StoreError, UsageError
from engrams.lifecycle.migrating import migrate
from engrams.ports import Store, Where
from engrams.records import Scope
from engrams.store import moving, open_store
from engrams.store.moving import End, content
from tests.contracts.stores import (
    HERE,
    add,
    at,
    commit_of,
    entry,
    erase,
    from_event,
    link,
    note,
    revise,
    said,
)
from tests.postgres_server import SERVER

ALL = Where()
Place = Callable[[Path, str], str]
PLACES: dict[str, Place] = {
    "sqlite": lambda folder, name: str(folder / f"{name}.db"),
    "postgres": lambda folder, name: SERVER.fresh(),
}
WAYS = [("sqlite", "postgres"), ("postgres", "sqlite"), ("postgres", "postgres"), ("sqlite", "sqlite")]


def fill(store: Store) -> dict[str, Any]:
    """Something of everything, awkward texts included."""
    one, two = said("one \0\ud800", metadata={"k\ud800": [1, 2.5, None, 10**40]}), said("two", session="s")
    gone = said("gone")
    other = said("other", "acme/bob", source="file#1", speaker="Ann")
    globex = said("globex", "globex")
    vectors = {"model": np.array([0.6, -0.8], np.float32)}
    for event in (one, two, gone, globex):
        kept = (from_event(event), entry((1, 2**32 - 1), (0, 65_535), flags=3, vectors=vectors))
        store.commit(commit_of([event], [kept], event.namespace))
    other_passage = from_event(other)
    store.commit(
        commit_of(
            [other],
            [other_passage],
            other.namespace,
            idempotency=("key", "digest"),
            settings={"embedder": "model"},
        )
    )
    first = from_event(one)
    fact = note("fact", (first.id, other.id), recall_count=4, last_recalled_at=at(3), pinned=True)
    store.commit(commit_of((), [fact], links=(link(first, fact, 0.25), link(fact, other_passage))))
    changed = revise(store, fact, content="changed\ud800", valid_to=at(9))
    fix = said("fixed", kind="correction", target=fact.id)
    store.commit(replace(commit_of([fix]), actor="somebody else"))
    revise(store, changed, fix.id, content="changed again", state="superseded")
    erase(store, gone)
    return {"gone": gone, "other": other}


@pytest.mark.parametrize(("source", "target"), WAYS)
def test_everything_comes_along(source: str, target: str, tmp_path: Path) -> None:
    here, there = PLACES[source](tmp_path, "here"), PLACES[target](tmp_path, "there")
    store = open_store(here)
    known = fill(store)
    before = content(cast(End, store))
    links = store.links(["fact"])
    history = store.versions("fact")
    engrams = {scope: store.list_engrams(Scope(scope), ALL) for scope in store.namespaces()}
    stats = store.stats(None)
    store.close()
    steps: list[tuple[int, int]] = []

    moved = migrate(here, there, progress=lambda done, of: steps.append((done, of)))

    assert (moved.events, moved.versions, moved.links) == (before[0], before[1], 2)
    assert moved.digest == before[2]
    assert steps[-1][0] == steps[-1][1] > 0
    store = open_store(there)
    assert content(cast(End, store)) == before
    assert set(store.links(["fact"])) == set(links)
    assert store.versions("fact") == history
    for namespace, found in engrams.items():
        assert [g for _, g in store.list_engrams(Scope(namespace), ALL)] == [g for _, g in found]
    assert replace(store.stats(None), bytes=0) == replace(stats, bytes=0)
    assert store.setting("embedder") == "model"
    with pytest.raises(UsageError, match="erased"):
        store.commit(commit_of([known["gone"]]))
    with pytest.raises(BadSetting, match="idempotency_key"):
        store.commit(commit_of((), (), "acme/bob", idempotency=("key", "another")))
    assert store.check() == []
    add(store, said("and life goes on"))
    store.close()


@pytest.mark.parametrize(("source", "target"), WAYS[:2])
def test_a_move_that_was_cut_off_anywhere_goes_on(
    source: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "BATCH", 2)
    here, there = PLACES[source](tmp_path, "here"), PLACES[target](tmp_path, "there")
    store = open_store(here)
    fill(store)
    before = content(cast(End, store))
    store.close()

    class CutOff(Exception):
        pass

    cuts = 0
    for after in range(1, 100):
        calls = 0

        def count(_done: int, _of: int, after: int = after) -> None:
            nonlocal calls
            calls += 1
            if calls == after:
                raise CutOff

        try:
            moved = migrate(here, there, progress=count)
            break
        except CutOff:
            cuts += 1
    assert cuts > 5
    assert (moved.events, moved.versions, moved.digest) == before
    store = open_store(there)
    assert store.check() == []
    assert len({event.id for _, event in store.journal(HERE, ALL, kinds=None)}) == store.stats(HERE).events
    store.close()


def test_what_was_said_since_comes_with_the_next_move(tmp_path: Path) -> None:
    here, there = tmp_path / "here.db", SERVER.fresh()
    store = open_store(here)
    fill(store)
    first = migrate(here, there)
    add(store, said("later"))
    store.close()
    assert migrate(here, there).events == first.events + 1


def test_a_source_that_erased_something_meanwhile_is_told_of(tmp_path: Path) -> None:
    here, there = tmp_path / "here.db", SERVER.fresh()
    store = open_store(here)
    event = said("erased between two moves")
    add(store, event, said("stays"))
    migrate(here, there)
    erase(store, event)
    store.close()
    with pytest.raises(StoreError, match="digests differ"):
        migrate(here, there)


def test_a_place_that_holds_something_else_is_left_alone(tmp_path: Path) -> None:
    here, there = tmp_path / "here.db", SERVER.fresh()
    for place, text in ((here, "mine"), (there, "theirs")):
        store = open_store(place)
        add(store, said(text))
        store.close()
    with pytest.raises(UsageError, match="is not empty: found 1 events and 1 engrams"):
        migrate(here, there)
    store = open_store(there)
    assert [event.content for _, event in store.journal(HERE, ALL)] == ["theirs"]
    store.close()
    another = tmp_path / "another.db"
    store = open_store(another)
    add(store, said("another"))
    store.close()
    target = tmp_path / "target.db"
    migrate(here, target)
    with pytest.raises(UsageError, match="moved from elsewhere"):
        migrate(another, target)


def test_a_source_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no memory at"):
        migrate(tmp_path / "nothing.db", tmp_path / "target.db")
    assert list(tmp_path.iterdir()) == []


def test_a_memory_does_not_move_onto_itself(tmp_path: Path) -> None:
    place = tmp_path / "memory.db"
    open_store(place).close()
    with pytest.raises(UsageError, match="both source and target"):
        migrate(place, place)


def test_a_backup_of_a_server_is_a_memory_in_a_file(tmp_path: Path) -> None:
    store = open_store(SERVER.fresh())
    fill(store)
    file = tmp_path / "backup.db"
    steps: list[tuple[int, int]] = []
    store.backup(file, progress=lambda done, of: steps.append((done, of)))
    copy = open_store(file)
    assert content(cast(End, copy)) == content(cast(End, store))
    assert copy.check() == []
    copy.close()
    add(store, said("later"))
    store.backup(file)  # a second backup takes the place of the first
    copy = open_store(file)
    assert content(cast(End, copy)) == content(cast(End, store))
    copy.close()
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["backup.db"]
    assert steps[-1][0] == steps[-1][1]
