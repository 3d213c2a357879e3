"""What stands is read once, and is what the store says: after closing, erasing, a restore, from several threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from engrams.organise import standing as module
from engrams.organise.standing import standing
from engrams.ports import Store, Where
from engrams.store import open_store
from tests.contracts.stores import HERE, NAMESPACE, add, commit_of, erase, note, revise, said

ALL = Where(kinds=("fact",))


@pytest.fixture
def store() -> Iterator[Store]:
    opened = open_store(":memory:")
    yield opened
    opened.close()


def told(store: Store, where: Where = ALL) -> list[tuple[int, Any]]:
    """What `standing` says, which is what the store says."""
    found = standing(store, NAMESPACE, where)
    assert found == [(int(row), e) for row, e in store.list_engrams(HERE, where, limit=1_000)]
    return found


def test_what_came_went_and_changed_is_told_and_only_that_is_read(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = said("one"), said("two")
    add(store, one, two)
    facts = [note(f"fact-{n}", (one.id, two.id), f"fact {n}", kind="fact") for n in range(5)]
    store.commit(commit_of(engrams=facts))
    read: list[int] = []
    real = store.engrams_at

    def counted(rows: Any) -> Any:
        read.append(len(rows))
        return real(rows)

    monkeypatch.setattr(store, "engrams_at", counted)
    assert [e.id for _, e in standing(store, NAMESPACE, ALL)] == [f.id for f in facts]
    standing(store, NAMESPACE, ALL)
    assert read == [5]
    revise(store, facts[1], content="said anew")
    revise(store, facts[2], state="archived")
    store.commit(commit_of(engrams=[note("fact-9", (two.id,), "fact 9", kind="fact")]))
    assert [e.content for _, e in standing(store, NAMESPACE, ALL)][-2:] == ["said anew", "fact 9"]
    assert read == [5, 2]
    monkeypatch.undo()
    told(store)
    erase(store, one)  # the others rest on one source less, and what one of them said goes
    left = told(store)
    assert all(one.id not in e.sources for _, e in left)
    erase(store, two)
    assert told(store) == []


def test_every_condition_is_kept_apart(store: Store) -> None:
    one = said("one")
    add(store, one)
    store.commit(
        commit_of(engrams=[note("a", (one.id,), "a", kind="fact"), note("b", (one.id,), kind="topic")])
    )
    assert [e.id for _, e in told(store)] == ["a"]
    assert [e.id for _, e in told(store, Where(kinds=("topic",)))] == ["b"]
    assert standing(store, "elsewhere", ALL) == []


def test_an_older_state_is_read_anew(store: Store) -> None:
    one = said("one")
    add(store, one)
    store.commit(commit_of(engrams=[note("a", (one.id,), "a", kind="fact")]))
    told(store)
    kept = module._kept[store][NAMESPACE, ALL]
    kept.mark = type(kept.mark)(
        kept.mark.row + 5, kept.mark.change
    )  # as if the store had been put back since
    kept.by_row = {row: note("b", (one.id,), "another", kind="fact") for row in kept.by_row}
    assert [e.id for _, e in told(store)] == ["a"]


def test_what_is_erased_while_it_is_read_is_left_out(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = said("one"), said("two")
    add(store, one, two)
    facts = [note(f"fact-{e.content}", (e.id,), e.content, kind="fact") for e in (one, two)]
    store.commit(commit_of(engrams=facts))
    real = store.matching

    def erased(scope: Any, where: Where) -> Any:
        rows = real(scope, where)
        monkeypatch.undo()
        erase(store, one)
        return rows

    monkeypatch.setattr(store, "matching", erased)
    assert [e.content for _, e in standing(store, NAMESPACE, ALL)] == ["two"]
    told(store)


def test_what_was_asked_for_last_is_kept_and_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one = said("one")
    add(store, one)
    kinds = ("a", "b", "c")
    made = [note(f"{kind}{n}", (one.id,), kind=kind) for kind in kinds for n in range(4)]
    store.commit(commit_of(engrams=made))
    monkeypatch.setattr(module, "MOST", 9)
    for kind in (*kinds, "a"):
        assert len(told(store, Where(kinds=(kind,)))) == 4
    assert [key[1].kinds for key in module._kept[store]] == [("c",), ("a",)]
    monkeypatch.setattr(module, "MOST", 3)
    assert len(told(store, Where(kinds=("a",)))) == len(told(store, Where(kinds=("a",)))) == 4
    assert len(module._kept[store]) == 1


def test_several_threads_are_told_the_same(store: Store) -> None:
    one = said("one")
    add(store, one)
    found: list[list[int]] = []

    def look() -> None:
        found.append([len(standing(store, NAMESPACE, ALL)) for _ in range(20)])

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(10):
        store.commit(commit_of(engrams=[note(f"fact-{n}", (one.id,), str(n), kind="fact")]))
    for thread in threads:
        thread.join()
    assert [len(counts) for counts in found] == [20] * 4
    assert all(counts == sorted(counts) for counts in found)  # nobody sees less than before
    assert len(told(store)) == 10
