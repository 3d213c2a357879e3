"""Which store a path or address stands for."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from engrams.errors import NeedsExtra, UnknownName
from engrams.store import open_store
from engrams.store.sqlite import SqliteStore
from tests.contracts.stores import add, said


def test_a_path_is_a_file(tmp_path: Path) -> None:
    for place in (tmp_path / "one.db", str(tmp_path / "two.db")):
        store = open_store(place)
        assert isinstance(store, SqliteStore)
        assert (store.location, store.read_only) == (str(place), False)
        assert repr(store) == f"SqliteStore({str(place)!r})"
        store.close()


def test_a_home_folder_is_found(own_home: Path) -> None:
    store = open_store("~/memory.db")
    assert store.location == str(own_home / "memory.db")
    store.close()


def test_memory_in_the_process_is_nobody_elses() -> None:
    one, two = open_store(":memory:"), open_store(":memory:")
    add(one, said())
    assert (one.stats(None).events, two.stats(None).events) == (1, 0)
    assert one.location == ":memory:"
    one.close()
    two.close()


@pytest.mark.parametrize("address", ["postgresql://host/name", "postgres://host/name"])
def test_a_server_needs_its_extra(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engrams.store.find_spec", lambda name: None)
    with pytest.raises(NeedsExtra, match=r"pip install 'engrams\[postgres\]'"):
        open_store(address)


def test_an_unknown_address_names_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'postgresql'"):
        open_store("postgressql://host/name")


def test_a_store_that_is_forgotten_is_closed(tmp_path: Path) -> None:
    store = open_store(tmp_path / "memory.db")
    add(store, said())
    store.stats(None)
    assert (tmp_path / "memory.db-wal").exists()
    del store
    gc.collect()
    assert not (tmp_path / "memory.db-wal").exists()
