"""A memory that moves between stores is the same memory; a move that was cut off goes on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from engrams import Memory
from engrams.errors import BadSetting, Denied, NotFound, StoreError, UsageError
from engrams.lifecycle.migrating import migrate
from engrams.ports import Store, Where
from engrams.records import Job, Scope, Spent
from engrams.store import moving, open_store
from engrams.store.moving import End, content
from tests.contracts.stores import (
    HERE,
    NAMESPACE,
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
    queue(store)
    # One writer has looked at everything, one at the first two entries, one at nothing.
    for namespace, upto in ((NAMESPACE, 10**6), ("globex", 10**6)):
        store.looked("all", namespace, upto)
    store.looked("some", NAMESPACE, store.journal(HERE, ALL, limit=2)[-1][0])
    return {"gone": gone, "other": other}


def queue(store: Store) -> None:
    """Jobs of every state, and what they cost."""
    store.jobs.put(
        [Job(f"j{n}", "derive", f"k{n}", NAMESPACE, "engrams", at(0), at(n), {"n": n}) for n in range(3)]
    )
    leased = store.jobs.lease("w", at(5), at(6), ["derive"])
    assert leased is not None
    store.jobs.fail(leased.id, "w", "given up \ud800", None)
    store.jobs.lease("w", at(5), at(6), ["derive"])
    store.jobs.put([replace(leased, id="j9", namespace="globex", once="one", state="waiting", worker=None)])
    store.jobs.spend(at(5).date(), "derive", 70)


def said_by(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """What the audit says, tenant by tenant."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for row in store.audit(limit=1000):
        line = tuple(str(row[key]) for key in ("at", "actor", "action", "namespace", "ids", "note"))
        found.setdefault(str(row["namespace"]).split("/")[0], []).append(line)
    return found


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
    audit, jobs = said_by(store), store.jobs.all()
    spent = store.jobs.spent(at(5).date())
    progress = {writer: store.progress(writer).behind for writer in ("all", "some", "none")}
    assert (sorted(job.state for job in jobs), spent) == (
        ["dead", "running", "waiting", "waiting"],
        Spent(2, 70),
    )
    assert progress == {"all": 0, "some": 3, "none": 5}
    store.close()
    steps: list[tuple[int, int]] = []

    moved = migrate(here, there, progress=lambda done, of: steps.append((done, of)))

    assert (moved.events, moved.versions, moved.links) == (before[0], before[1], 2)
    assert moved.digest == before[2]
    assert (moved.audit, moved.jobs) == (sum(map(len, audit.values())), 4)
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
    there_said = said_by(store)
    [begin] = there_said.pop("*")
    assert begin[2] == "move"
    assert there_said == audit
    assert store.jobs.all() == jobs
    assert store.jobs.spent(at(5).date()) == spent
    assert {writer: store.progress(writer).behind for writer in progress} == progress
    assert store.check() == []  # the chain of the audit among it
    add(store, said("and life goes on"))
    assert store.check() == []
    store.close()
    moved_on = Path(tmp_path / "again.db")
    assert (
        migrate(there, moved_on).audit == moved.audit + 2
    )  # the row of the first move, and of the life since


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


def test_a_place_that_was_used_is_told_of_and_keeps_what_it_has(tmp_path: Path) -> None:
    here, there = tmp_path / "here.db", tmp_path / "there.db"
    store = open_store(here)
    fill(store)
    migrate(here, there)
    used = open_store(there)
    used.commit(commit_of())  # a row of the audit, and nothing else
    add(store, said("later"))
    used.jobs.put([Job("of-its-own", "derive", "k", NAMESPACE, "engrams", at(0), at(0))])
    with pytest.raises(StoreError, match=r"the audit.* is not that of .*somebody wrote meanwhile"):
        migrate(here, there)
    assert "of-its-own" in {job.id for job in used.jobs.all()}
    assert used.check() == []
    used.close()
    store.close()


def test_jobs_done_between_two_runs_of_one_move_do_not_come_back(tmp_path: Path) -> None:
    here, there = tmp_path / "here.db", SERVER.fresh()
    store = open_store(here)
    fill(store)
    migrate(here, there)
    store.jobs.drop("j2")
    store.jobs.put([Job("j10", "reembed", "k", NAMESPACE, "engrams", at(0), at(0))])
    store.jobs.spend(at(6).date(), "reembed", 3)
    assert migrate(here, there).jobs == 4
    copy = open_store(there)
    assert copy.jobs.all() == store.jobs.all()
    assert copy.jobs.spent(at(6).date()) == store.jobs.spent(at(6).date())
    copy.close()
    store.close()


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


def test_an_encrypted_copy_of_an_encrypted_memory_has_a_key_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ["the first passphrase", "the second passphrase"]
    monkeypatch.setenv("ENGRAMS_KEY", keys[0])
    with Memory.open(tmp_path / "one.db") as memory:
        memory.add("The quince jam is in the cellar.", idempotency_key="once")
        assert memory.schedule("reembed")
        memory.encrypted_copy(tmp_path / "two.db", keys[1])
        shown = (memory.log(), memory.get_all(), memory.jobs(), list(memory.audit()))
    with pytest.raises(Denied):
        Memory.open(tmp_path / "two.db")
    monkeypatch.setenv("ENGRAMS_KEY", keys[1])
    with Memory.open(tmp_path / "two.db") as memory:
        assert (memory.log(), memory.get_all(), memory.jobs()) == shown[:3]
        assert [h.text for h in memory.search("quince")] == ["The quince jam is in the cellar."]
        assert memory.add("The quince jam is in the cellar.", idempotency_key="once").repeated
        told = [(row["at"], row["action"], row["ids"]) for row in memory.audit()]
        assert told[-len(shown[3]) :] == [(row["at"], row["action"], row["ids"]) for row in shown[3]]
        assert memory.verify_audit() == []
