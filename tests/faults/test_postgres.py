"""Several writers on one PostgreSQL, and servers that are killed: nothing acknowledged is lost, nothing is missed."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from engrams.errors import Busy, NotFound, Unavailable
from engrams.ports import Store, Where
from engrams.records import Payload, Row, Scope
from engrams.store import open_store
from engrams.store.postgres import care, erasing, writing
from engrams.store.postgres.local import LocalServer
from tests.contracts.stores import HERE, add, at, commit_of, erase, from_event, note, said
from tests.postgres_server import SERVER

Start = Callable[..., "subprocess.Popen[str]"]
ALL = Where()
BOB = Scope("acme/bob")
OTHERS = Scope("globex/carol")
KILLS = 6
GIVES_UP = (
    6  # seconds a writer waits for a server that was killed, and that stays away until the writer has ended
)


def texts(url: str) -> list[str]:
    """Every turn in the journal; the memory is sound and no commit is half there."""
    store = open_store(url, wait=60)
    try:
        assert store.check() == []
        events = [event for _, event in store.journal(HERE, ALL, limit=1_000_000)]
        found = [event.content for event in events]
        assert len(found) == len({*found})
        halves = [text.rpartition(" ")[0] for text in found]
        assert halves[::2] == halves[1::2]
        assert [engram.content for _, engram in store.list_engrams(HERE, ALL, limit=1_000_000)] == found
        assert {row.source for row in store.entries(HERE)} == {event.id for event in events}
        return found
    finally:
        store.close()


# --- numbers appear in their order


class Held:
    """A commit that has its numbers and is written, and waits before it is acknowledged."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written, self.go = threading.Event(), threading.Event()
        real = writing.append_audit

        def append(db: Any, position: Any, when: Any, actor: str, *rest: Any) -> None:
            if actor == "slow":
                position.write(db)  # the counters too: all that others could see is written
                self.written.set()
                assert self.go.wait(60)
            real(db, position, when, actor, *rest)

        monkeypatch.setattr(writing, "append_audit", append)

    def start(self, url: str, namespace: str) -> threading.Thread:
        """Begins the commit; returns when everything is written and nothing is acknowledged."""
        from dataclasses import replace

        def work() -> None:
            store = open_store(url, wait=60)
            event = said("slow", namespace)
            store.commit(replace(commit_of([event], [from_event(event)], namespace), actor="slow"))
            store.close()

        thread = threading.Thread(target=work)
        thread.start()
        assert self.written.wait(60)
        return thread


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    made = Held(monkeypatch)
    yield made
    made.go.set()


def seen(store: Store, scope: Scope, after: int) -> list[tuple[int, str]]:
    """What an index takes in: rows beyond the last it saw."""
    rows = list(store.entries(scope, after=after))
    engrams = store.engrams_at([row.row for row in rows])
    return [(int(row.row), engram.content) for row, engram in zip(rows, engrams, strict=True)]


@pytest.mark.parametrize("scope", [HERE, Scope("acme/*")])
def test_a_reader_never_misses_a_row_that_commits_after_a_higher_one(held: Held, scope: Scope) -> None:
    url = SERVER.fresh()
    reader = open_store(url, wait=60)
    add(reader, said("first"))
    before = reader.mark(scope)
    assert [text for _, text in seen(reader, scope, 0)] == ["first"]

    slow = held.start(url, "acme/alice")
    quick_done = threading.Event()

    def quick() -> None:
        store = open_store(url, wait=60)
        add(store, said("quick", "acme/bob"), namespace="acme/bob")
        add(store, said("quick"))
        store.close()
        quick_done.set()

    second = threading.Thread(target=quick)
    second.start()
    # While the first is not acknowledged, nothing of the tenant with a higher number can be read.
    waiting = psycopg.connect(SERVER.url, autocommit=True)
    ask = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%%position%%for update%%'"
    while (waiting.execute(ask).fetchone() or (0,))[0] == 0:
        assert not quick_done.is_set(), "the second writer overtook the first"
    waiting.close()
    assert reader.mark(scope) == before
    assert seen(reader, scope, before.row) == []

    held.go.set()
    slow.join()
    second.join()
    later = seen(reader, scope, before.row)
    expected = ["slow", "quick"] if scope == HERE else ["slow", "quick", "quick"]
    assert [text for _, text in later] == expected
    assert [row for row, _ in later] == sorted(row for row, _ in later)
    assert reader.mark(scope).row == later[-1][0]
    reader.close()


def test_another_tenant_does_not_wait(held: Held) -> None:
    url = SERVER.fresh()
    store = open_store(url, wait=5)
    add(store, said())
    slow = held.start(url, "acme/alice")
    add(store, said("at once", "globex/carol"), namespace="globex/carol")
    assert [text for _, text in seen(store, OTHERS, 0)] == ["at once"]
    with pytest.raises(Busy, match="longer wait"):
        add(store, said("must wait", "acme/bob"), namespace="acme/bob")
    held.go.set()
    slow.join()
    # The rows of the two tenants never meet, and each tenant's mark is its own.
    assert store.mark(OTHERS).row - store.mark(HERE).row > 2**39
    assert store.mark(BOB) == store.mark(HERE)
    store.close()


def test_a_deadlock_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    url = SERVER.fresh()
    store = open_store(url, wait=20)
    add(store, said("first"))
    tries = 0
    real = writing.hold_all

    def hold(db: Any, tenants: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise psycopg.errors.DeadlockDetected("deadlock detected")
        return real(db, tenants)

    monkeypatch.setattr(writing, "hold_all", hold)
    add(store, said("second"))
    assert tries == 3
    assert [event.content for _, event in store.journal(HERE, ALL)] == ["first", "second"]

    def always(db: Any, tenants: Any) -> Any:
        raise psycopg.errors.SerializationFailure("could not serialize access")

    monkeypatch.setattr(writing, "hold_all", always)
    with pytest.raises(Busy, match="try again"):
        add(store, said("third"))
    store.close()


# --- dead rows


def test_an_older_snapshot_makes_an_erase_pending_and_its_end_makes_it_done() -> None:
    url = SERVER.fresh()
    store = open_store(url, wait=20)
    one, two = said("one"), said("two")
    add(store, one, two)
    with psycopg.connect(SERVER.url, autocommit=True) as old:
        old.execute("begin isolation level repeatable read")
        old.execute("select 1")
        assert erase(store, one).state == "pending"
        assert list(store.events([one.id])) == []
        old.execute("rollback")
    assert erase(store, two).state == "done"
    store.close()


def test_a_snapshot_that_ends_soon_leaves_no_erase_pending(monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(SERVER.fresh(), wait=20)
    one = said("one")
    add(store, one)
    paused: list[float] = []
    with psycopg.connect(SERVER.url, autocommit=True) as old:
        old.execute("begin isolation level repeatable read")
        old.execute("select 1")

        def pause(seconds: float) -> None:
            paused.append(seconds)
            if len(paused) == 2:
                old.execute("rollback")

        monkeypatch.setattr(care, "sleep", pause)
        assert erase(store, one).state == "done"
    assert paused == list(care.SNAPSHOT_PAUSES[:2])
    assert not noted(store)
    store.close()


def noted(store: Store) -> bool:
    """Whether a note stands that dead rows of an erase may be left."""
    return store.setting(erasing.UNFINISHED) is not None


def test_the_note_of_an_erase_is_part_of_it_and_whoever_opens_next_finishes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = SERVER.fresh()
    store = open_store(url, wait=20)
    event = said("one")
    add(store, event, said("two"))
    with pytest.raises(NotFound):
        erase(store, said("never written"))
    assert not noted(store)

    def killed(*_args: Any) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(care, "scrub", killed)  # after the commit, before a dead row is out
        with pytest.raises(KeyboardInterrupt):
            erase(store, event)
        assert list(store.events([event.id])) == []
        assert noted(store)
        patch.setattr(care, "MOST_AT_ONCE", 0)
        open_store(url, wait=20).close()  # too large to be done while it is opened
        assert noted(store)
    open_store(url, wait=20).close()
    assert not noted(store)
    store.reset()
    assert not noted(store)
    store.close()


def test_a_vacuum_finishes_an_erase_once_nobody_reads_the_old_state() -> None:
    url = SERVER.fresh()
    store = open_store(url, wait=20)
    event = said("one")
    add(store, event)
    with psycopg.connect(SERVER.url, autocommit=True) as old:
        old.execute("begin isolation level repeatable read")
        old.execute("select 1")
        assert erase(store, event).state == "pending"
        store.vacuum()
        assert noted(store)
        assert not store.finish_erasing()
        old.execute("rollback")
    store.vacuum()
    assert not noted(store)
    assert store.finish_erasing()
    store.close()


@pytest.mark.slow
def test_after_erase_and_vacuum_the_files_do_not_hold_the_words(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="engrams-erase-"))
    try:
        with LocalServer(folder) as server:
            store = open_store(server.url)
            kept, gone = said("the kept marmalade"), said("the erased xylophone", metadata={"k": "zymurgy"})
            add(store, kept, gone)
            digest = store.payloads.put(gone.namespace, [b"mumpsimus " * 300_000])
            block = note("block", (gone.id,), payload=Payload(digest, 3_000_000, "x/y"))
            store.commit(commit_of(engrams=[block]))
            with psycopg.connect(server.url, autocommit=True) as db:
                db.execute("checkpoint")
                assert holds(folder, b"mumpsimus")
                assert holds(folder, b"xylophone")
                assert holds(folder, b"zymurgy")
                erase(store, gone)
                store.vacuum()
                db.execute("checkpoint")
            assert holds(folder, b"marmalade")
            assert not holds(folder, b"xylophone")
            assert not holds(folder, b"zymurgy")
            assert not holds(folder, b"mumpsimus")
            assert store.check() == []
            store.close()
    finally:
        shutil.rmtree(folder)


def holds(folder: Path, word: bytes) -> bool:
    """Whether a table or index of the server holds the bytes; the log of changes is not looked at."""
    return any(word in file.read_bytes() for file in (folder / "data" / "base").rglob("*") if file.is_file())


# --- killed


@pytest.mark.slow
def test_a_server_killed_under_load_loses_nothing_it_acknowledged(start: Start) -> None:
    folder = Path(tempfile.mkdtemp(prefix="engrams-killed-"))
    server = LocalServer(folder)
    chance = random.Random(7)
    acknowledged: set[str] = set()
    try:
        server.start()
        survivor = open_store(server.url, wait=60)  # one and the same through every crash
        for number in range(KILLS):
            writers = [start("writing", server.url, f"w{number}{half}", 0, "", GIVES_UP) for half in "ab"]
            told: dict[str, list[str]] = {"a": [], "b": []}
            for half, writer in zip("ab", writers, strict=True):
                assert writer.stdout is not None
                for _ in range(chance.randint(1, 25)):
                    line = writer.stdout.readline()
                    assert line, writer.communicate()[1]
                    told[half].append(line)
            server.kill()
            for half, writer in zip("ab", writers, strict=True):
                assert writer.stdout is not None
                assert writer.stderr is not None
                told[half] += writer.stdout.read().split("\n")[:-1]  # a line that was cut off was not told
                assert (
                    "engrams.errors." in writer.stderr.read()
                )  # an error of the house, not one of the driver's
                assert writer.wait() != 0
                acknowledged.update(f"w{number}{half} {line.strip()}" for line in told[half])
            server.start()
            found = {text.rpartition(" ")[0] for text in texts(server.url)}
            assert acknowledged <= found
            assert len(survivor.journal(HERE, ALL, limit=1_000_000)) == 2 * len(found)
            # Of each writer, at most one commit was on disk and not yet told.
            assert len(found - acknowledged) <= 2 * (number + 1)
        assert len(acknowledged) >= 2 * KILLS
        add(survivor, said("alive 0 first"), said("alive 0 second"))
        survivor.close()
    finally:
        server.stop(at_once=True)
        shutil.rmtree(folder)


@pytest.mark.slow
@pytest.mark.parametrize(("writers", "commits"), [(2, 40), (8, 10)])
def test_several_writers_lose_nothing_and_keep_their_order(
    start: Start, tmp_path: Path, writers: int, commits: int
) -> None:
    url, go = SERVER.fresh(), tmp_path / "go"
    # All of them open a memory that is not there yet, at once.
    running = [start("writing", url, f"w{number}", commits, go) for number in range(writers)]
    go.touch()
    for process in running:
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, err
        assert out.split() == [str(number) for number in range(commits)]
    found = texts(url)
    assert len(found) == writers * commits * 2
    for number in range(writers):
        own = [text for text in found if text.startswith(f"w{number} ")]
        assert own == [f"w{number} {n} {half}" for n in range(commits) for half in ("first", "second")]
    store = open_store(url)
    assert len(store.audit(limit=10_000)) == writers * commits
    assert len(list(store.entries(HERE))) == store.mark().row == writers * commits * 2
    store.close()


@pytest.mark.slow
def test_a_server_that_went_away_is_unavailable_and_found_again() -> None:
    folder = Path(tempfile.mkdtemp(prefix="engrams-away-"))
    server = LocalServer(folder)
    try:
        server.start()
        store = open_store(server.url, wait=2)
        add(store, said("before"))
        server.stop()
        with pytest.raises(Unavailable):
            add(store, said("meanwhile"))
        server.start()
        store.close()
        store = open_store(server.url, wait=20)
        add(store, said("after"))
        assert [event.content for _, event in store.journal(HERE, ALL)] == ["before", "after"]
        store.close()
    finally:
        server.stop(at_once=True)
        shutil.rmtree(folder)


def test_an_erase_that_fails_halfway_erases_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(SERVER.fresh(), wait=20)
    event = said("stays")
    [passage] = add(store, event)
    before = store.mark(HERE)

    def fail(*_args: Any) -> None:
        raise NotFound("on purpose")

    monkeypatch.setattr(erasing, "append_audit", fail)
    with pytest.raises(NotFound, match="on purpose"):
        store.erase(HERE, [event.id], actor="t", at=at(0), reason="")
    assert store.events([event.id]) == {event.id: event}
    assert store.engrams([passage.id]) == {passage.id: passage}
    assert store.mark(HERE) == before
    assert store.engrams_at([Row(1)]) == [passage]
    store.close()
