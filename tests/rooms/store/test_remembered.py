"""What a reading connection remembers holds until somebody commits, in whatever process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from engrams import Memory
from engrams.records import derived_id
from engrams.store import open_store


def elsewhere(path: Path, code: str) -> None:
    """Runs code with the memory `m` in another process."""
    begin = f"from engrams import Memory; m = Memory.open({str(path)!r}); "
    subprocess.run([sys.executable, "-c", begin + code], check=True)


def test_another_process_is_seen_at_once(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory.open(path) as memory:
        memory.add("Rex is a dog")
        store = memory._house.store
        looked = store.progress("engrams").looked
        assert (looked, store.setting("colour"), store.progress("bm25").behind) == (1, None, 1)
        elsewhere(path, "m._house.store.set_setting('colour', 'red'); m.add('The cat is Mia')")
        assert (store.progress("engrams").looked, store.setting("colour")) == (2, "red")
        assert store.progress("bm25").behind == 2


def test_an_engram_that_was_not_there_is_found_when_it_is(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory.open(path) as memory, Memory.open(path) as other:
        store = other._house.store
        event = memory.add("Rex is a dog").event_ids[0]
        [engram] = memory.get_all().items
        absent = derived_id("nobody", "fact", ("nothing",))
        assert store.engrams([absent]) == store.engrams([absent]) == {}
        assert store.engrams([engram.id])[engram.id].content == "Rex is a dog"
        memory.update(engram.id, "Rex is a cat")
        assert store.engrams([engram.id])[engram.id].content == "Rex is a cat"
        memory.delete(event)
        assert store.engrams([engram.id]) == {}


def test_a_memory_without_a_file_forgets_at_once() -> None:
    store = open_store(":memory:")
    assert store.setting("colour") is None
    store.set_setting("colour", "red")
    assert store.setting("colour") == "red"
    store.close()
