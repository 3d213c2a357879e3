"""The folder of derived look-ups beside a SQLite file: there until an erase."""

from __future__ import annotations

from pathlib import Path

import pytest

from engrams import Memory
from engrams.index import shard
from engrams.store.sqlite import SqliteStore


def test_an_erase_takes_the_folder_and_a_look_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "KEPT_FROM", 2)
    path = tmp_path / "memory.db"
    with Memory.open(path) as memory:
        memory.add("Rex is a dog")
        receipt = memory.add("The cat is called Mia")
        assert memory.search("cat")[0].text == "The cat is called Mia"
    folder = tmp_path / "memory.db.index"
    assert len(list(folder.iterdir())) == 1
    with Memory.open(path) as memory:
        assert memory.search("cat")[0].text == "The cat is called Mia"
        assert len(list(folder.iterdir())) == 1
        memory.delete(receipt.event_ids[0])
        assert not folder.exists()
        assert [hit.text for hit in memory.search("cat")] == ["Rex is a dog"]


def test_a_memory_in_the_process_has_none() -> None:
    store = SqliteStore.open(":memory:")
    assert store.index_folder is None
    store.close()
