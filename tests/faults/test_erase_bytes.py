"""After an erase: no byte of the text, its rare words, the hashes of its terms or its word pieces; also when it had to wait."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from engrams import Memory
from engrams.models.static_table import shipped_table
from engrams.store.sqlite import care
from engrams.words import term_hash, terms

#: Rare words, and a run of them, so that their word pieces side by side are as rare.
SECRET = "Quillfeather hid the zirconium spatula behind Ozymandias."
RARE = ("Quillfeather", "quillfeather", "zirconium", "spatula", "Ozymandias", "ozymandias")

READER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("begin")
db.execute("select count(*) from events").fetchone()
print("reading", flush=True)
sys.stdin.read()
"""


def held(folder: Path) -> bytes:
    """Everything that lies in the folder of a memory."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def traces(text: str) -> dict[str, bytes]:
    """What an erase must not leave: the text, its words in any case, term hashes as stored, its pieces as stored."""
    found = {word: word.encode() for word in RARE if word.lower() in text.lower()}
    found |= {f"utf-16 {word}": word.encode("utf-16-le") for word in RARE[:1]}
    for term in terms(text):
        if len(term) > 5:
            found[f"hash of {term}"] = np.array([term_hash(term)], "<u4").tobytes()
    found["pieces"] = shipped_table().pieces(text).astype("<u2").tobytes()
    return found


def left(folder: Path, text: str = SECRET) -> list[str]:
    raw = held(folder)
    return [name for name, mark in traces(text).items() if mark in raw]


def in_any_compressed_run(raw: bytes, mark: bytes) -> bool:
    """Whether something that zlib, gzip or raw deflate wrote anywhere in the bytes holds the mark."""
    at = -1
    while (at := raw.find(b"\x78", at + 1)) >= 0:
        try:
            if mark in zlib.decompressobj().decompress(raw[at : at + 2**20]):
                return True
        except zlib.error:
            continue
    return False


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "m.db"


def filled(memory: Memory) -> str:
    """A memory in which the secret has left every kind of trace; the event's id."""
    for n in range(30):
        memory.add(f"ordinary turn number {n} about nothing much", idempotency_key=f"k{n}")
    event = memory.add(
        SECRET, session="s", metadata={"note": "zirconium"}, idempotency_key="secret"
    ).event_ids[0]
    memory.update(event, SECRET.replace("hid", "has hidden"), reason="Ozymandias said so")
    memory.pin(event)
    memory.update(memory.get_all(session="s")[0].id, SECRET + " Indeed.")
    memory.search("zirconium spatula")
    return event


def test_before_the_erase_every_trace_is_there(place: Path) -> None:
    with Memory.open(place) as memory:
        filled(memory)
        assert set(left(place.parent)) >= {
            n for n in traces(SECRET) if not n.startswith("utf-16") and n != "quillfeather"
        } - {"ozymandias"}


def test_after_the_erase_none_is(place: Path) -> None:
    with Memory.open(place) as memory:
        event = filled(memory)
        done = memory.delete(event, reason="the spatula")
        assert (done.state, event in done.events, len(done.digest)) == ("done", True, 64)
        assert left(place.parent) == []
        assert left(place.parent, SECRET.replace("hid", "has hidden") + " Indeed.") == []
        assert not any(in_any_compressed_run(held(place.parent), word.encode()) for word in RARE)
        assert memory.add("anything", idempotency_key="secret").repeated  # the tombstone's key still answers
        assert "Quillfeather" not in str(memory.audit(limit=1000).items)
        assert memory.check() == []
    assert left(place.parent) == []


def test_a_whole_namespace_goes_without_a_trace(place: Path) -> None:
    with Memory.open(place) as memory:
        filled(memory)
        done = memory.delete_all(namespace="default")
        assert (done.state, len(done.events) >= 31, len(done.digest)) == ("done", True, 64)
    assert left(place.parent) == []


@pytest.fixture
def reader(place: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Starts a process that reads the state as it stands now until its input is closed."""
    running: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", READER, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "reading\n"
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_while_another_process_reads_it_is_pending_and_then_finished(
    place: Path, reader: Callable[[], subprocess.Popen[str]]
) -> None:
    with Memory.open(place, wait=0.2) as memory:
        event = filled(memory)
        other = reader()
        done = memory.delete(event)
        assert done.state == "pending"
        assert left(place.parent) != []
        assert not memory.finish_erasing()
        other.communicate("")
        assert memory.finish_erasing()
        assert left(place.parent) == []
        assert memory.finish_erasing()


def test_the_next_to_open_finishes_what_was_pending(
    place: Path, reader: Callable[[], subprocess.Popen[str]]
) -> None:
    with Memory.open(place, wait=0.2) as memory:
        event = filled(memory)
        other = reader()
        assert memory.delete(event).state == "pending"
    with Memory.open(place) as memory:  # somebody still reads: open as always, and still pending
        assert memory.stats().events == 30
    assert left(place.parent) != []
    other.communicate("")
    with Memory.open(place) as memory:
        assert left(place.parent) == []
        assert memory.check() == []


def test_what_a_kill_cut_off_is_finished_by_the_next(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        """As if the process ended here."""

    def dies(*_: object) -> bool:
        raise Killed

    with Memory.open(place) as memory:
        event = filled(memory)
        with monkeypatch.context() as patch:
            patch.setattr(care, "scrub", dies)
            with pytest.raises(Killed):
                memory.delete(event)
        assert left(place.parent) != []
    with Memory.open(place):
        assert left(place.parent) == []


def test_a_large_file_waits_for_vacuum_or_for_whoever_asks(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(care, "MOST_REWRITTEN", 0)
    with Memory.open(place) as memory:
        assert memory.delete(filled(memory)).state == "pending"
    with Memory.open(place) as memory:
        assert memory.finish_erasing()
        assert left(place.parent) == []
        assert memory.delete(memory.add(SECRET).event_ids[0]).state == "pending"
        memory.vacuum()
        assert left(place.parent) == []
        assert memory.finish_erasing()


def test_what_had_other_sources_is_made_anew_without_the_erased(place: Path) -> None:
    with Memory.open(place) as memory:
        kept, gone = memory.add("Ada keeps bees.", session="s"), memory.add(SECRET, session="s")
        done = memory.delete(gone.event_ids[0])
        assert done.engrams == gone.engram_ids
        assert [e.content for e in memory.get_all()] == ["Ada keeps bees."]
        assert memory.search("bees")[0].event_ids == kept.event_ids
    assert left(place.parent) == []
