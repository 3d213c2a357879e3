"""Several processes on one file, and processes that are killed: nothing acknowledged is lost, nothing is half there."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from engrams.errors import Busy
from engrams.ports import Where
from engrams.records import Scope
from engrams.store import open_store
from tests.contracts.stores import HERE, add, said

Start = Callable[..., "subprocess.Popen[str]"]
ALL = Where()
KILLS = 12


def texts(place: Path) -> list[str]:
    """Every turn in the journal; the file is sound and no commit is half there."""
    store = open_store(place)
    try:
        assert store.check() == []
        events = [event for _, event in store.journal(HERE, ALL, limit=1_000_000)]
        found = [event.content for event in events]
        assert sorted(found) == sorted({*found})
        halves = [text.rpartition(" ")[0] for text in found]
        assert halves[::2] == halves[1::2]
        assert [engram.content for _, engram in store.list_engrams(HERE, ALL, limit=1_000_000)] == found
        assert {row.source for row in store.entries(HERE)} == {event.id for event in events}
        return found
    finally:
        store.close()


def finished(process: subprocess.Popen[str]) -> list[str]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out.split()


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_loses_nothing_it_acknowledged(start: Start, tmp_path: Path) -> None:
    place = tmp_path / "memory.db"
    chance = random.Random(7)
    acknowledged: set[str] = set()
    for number in range(KILLS):
        writer = start("writing", place, f"w{number}", 0)
        assert writer.stdout is not None
        for _ in range(chance.randint(1, 60)):
            line = writer.stdout.readline()
            assert line, writer.communicate()[1]
            acknowledged.add(f"w{number} {line.strip()}")
        writer.kill()
        rest, _ = writer.communicate()
        acknowledged.update(f"w{number} {each}" for each in rest.split("\n")[:-1])
        found = {text.rpartition(" ")[0] for text in texts(place)}
        assert acknowledged <= found
        assert (
            len(found - acknowledged) <= number + 1
        )  # at most one commit per kill was on disk but not yet told
    assert len(acknowledged) >= KILLS


@pytest.mark.slow
def test_a_process_killed_while_it_makes_the_file_leaves_one_that_opens(start: Start, tmp_path: Path) -> None:
    [written] = finished(start("births", tmp_path, 40))
    assert 0 <= int(written) <= 40


@pytest.mark.slow
@pytest.mark.parametrize(("writers", "commits"), [(2, 60), (8, 20)])
def test_several_writers_lose_nothing_and_keep_their_order(
    start: Start, tmp_path: Path, writers: int, commits: int
) -> None:
    place, go = tmp_path / "memory.db", tmp_path / "go"
    # All of them open a file that does not exist yet, at once.
    running = [start("writing", place, f"w{number}", commits, go) for number in range(writers)]
    go.touch()
    for process in running:
        assert finished(process) == [str(number) for number in range(commits)]
    found = texts(place)
    assert len(found) == writers * commits * 2
    for number in range(writers):
        own = [text for text in found if text.startswith(f"w{number} ")]
        assert own == [f"w{number} {n} {half}" for n in range(commits) for half in ("first", "second")]
    store = open_store(place)
    assert len(store.audit(limit=10_000)) == writers * commits
    assert len(list(store.entries(HERE))) == store.mark().row == writers * commits * 2
    store.close()


@pytest.mark.slow
def test_a_fork_carries_no_connection(start: Start, tmp_path: Path) -> None:
    finished(start("forking", tmp_path / "memory.db"))


def test_two_stores_see_each_others_writes_at_once(tmp_path: Path) -> None:
    one, two = open_store(tmp_path / "memory.db"), open_store(tmp_path / "memory.db")
    for number in range(5):
        event = said(str(number))
        add(one if number % 2 else two, event)
        for store in (one, two):
            assert store.events([event.id])[event.id] == event
            assert store.mark().row == number + 1
            assert len(list(store.entries(Scope("acme/*")))) == number + 1
    one.close()
    two.close()


def test_readers_and_a_writer_go_on_during_vacuum_and_backup(tmp_path: Path) -> None:
    place = tmp_path / "memory.db"
    store = open_store(place)
    add(store, *(said(f"{number} " + "filler " * 50) for number in range(500)))
    store.erase(
        HERE,
        [event.id for _, event in store.journal(HERE, ALL, limit=200)],
        actor="t",
        at=said().occurred_at,
        reason="",
    )
    stop = threading.Event()
    failures: list[Exception] = []
    written: list[str] = []
    looked = 0

    def read() -> None:
        nonlocal looked
        other = open_store(place)
        try:
            while not stop.is_set():
                assert len(other.journal(HERE, ALL, limit=300)) == 300
                looked += 1
        except Exception as failure:  # whatever it is, the test must tell
            failures.append(failure)
        other.close()

    def write() -> None:
        other = open_store(place)
        try:
            while not stop.is_set():
                event = said("meanwhile")
                add(other, event)
                written.append(event.id)
        except Exception as failure:  # whatever it is, the test must tell
            failures.append(failure)
        other.close()

    threads = [threading.Thread(target=each) for each in (read, write)]
    for thread in threads:
        thread.start()
    progress: list[tuple[int, int]] = []
    for number in range(3):
        store.vacuum()
        store.backup(tmp_path / "copy.db", progress=lambda done, of: progress.append((done, of)))
        while looked <= number or len(written) <= number:
            assert not failures
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert progress[-1][0] == progress[-1][1] > 0
    assert store.stats(None).events == 300 + len(written)
    assert store.check() == []
    copy = open_store(tmp_path / "copy.db")
    assert copy.check() == []
    assert 300 <= copy.stats(None).events <= 300 + len(written)
    for each in (copy, store):
        each.close()


def left_by_a_crash(tmp_path: Path) -> Path:
    """A file as a crash leaves it: ten commits, none of them moved from the log into the file."""
    place, left = tmp_path / "memory.db", tmp_path / "left.db"
    open_store(place).close()
    store = open_store(place)
    for number in range(10):
        add(store, said(f"{number} first"), said(f"{number} second"))
    for suffix in ("", "-wal"):
        shutil.copy(f"{place}{suffix}", f"{left}{suffix}")
    store.close()
    return left


@pytest.mark.parametrize("cut", [1, 100, 4_096, 4_120, 20_000])
def test_a_torn_end_of_the_log_costs_only_what_was_torn(tmp_path: Path, cut: int) -> None:
    left = left_by_a_crash(tmp_path)
    log = Path(f"{left}-wal")
    log.write_bytes(log.read_bytes()[:-cut])
    found = texts(left)
    assert 0 < len(found) < 20
    assert found == [f"{n} {half}" for n in range(10) for half in ("first", "second")][: len(found)]
    store = open_store(left)
    add(store, said("10 first"), said("10 second"))
    store.close()
    assert texts(left) == [*found, "10 first", "10 second"]


def test_a_damaged_page_in_the_log_costs_what_came_after(tmp_path: Path) -> None:
    left = left_by_a_crash(tmp_path)
    log = Path(f"{left}-wal")
    raw = bytearray(log.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    log.write_bytes(raw)
    found = texts(left)
    assert 0 < len(found) < 20
    assert found == [f"{n} {half}" for n in range(10) for half in ("first", "second")][: len(found)]


def test_another_program_that_holds_the_lock_makes_us_busy_and_then_lets_us_in(tmp_path: Path) -> None:
    place = tmp_path / "memory.db"
    store = open_store(place, wait=0.05)
    other = sqlite3.connect(place, isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(Busy, match="try again"):
        add(store, said("refused"))
    assert store.journal(HERE, ALL) == []  # readers do not wait
    other.execute("rollback")
    other.close()
    add(store, said("let in"))
    assert [event.content for _, event in store.journal(HERE, ALL)] == ["let in"]
    store.close()
