"""Settings of the whole store, and vectors that are put beside engrams later."""

from __future__ import annotations

import numpy as np
import pytest

from engrams.errors import Mismatch
from engrams.ports import OPEN_END, Store
from engrams.records import Row
from tests.contracts.stores import HERE, add, commit_of, entry, erase, from_event, revise, said

OLD, NEW = np.array([0.6, 0.8], np.float32), np.array([1.0, 0.0, 0.0], np.float32)


def embedded(store: Store, text: str, fingerprint: str = "old") -> str:
    """Adds an event whose passage has a vector; the id of the passage."""
    event = said(text)
    passage = from_event(event)
    store.commit(commit_of([event], [(passage, entry(vectors={fingerprint: OLD}))]))
    return passage.id


def test_a_setting_is_there_once_it_is_set_and_gone_after_a_reset(store: Store) -> None:
    assert store.setting("embedder") is None
    store.set_setting("embedder", "one")
    store.set_setting("embedder", "two")
    store.set_setting("other", "three")
    assert (store.setting("embedder"), store.setting("other")) == ("two", "three")
    store.reset()
    assert store.setting("embedder") is None


def test_a_commit_sets_what_is_missing_and_refuses_what_differs(store: Store) -> None:
    first, second, third = said("one"), said("two"), said("three")
    store.commit(commit_of([first], [from_event(first)], settings={"embedder": "old"}))
    assert store.setting("embedder") == "old"
    store.commit(commit_of([second], [from_event(second)], settings={"embedder": "old"}))
    before = store.mark()
    with pytest.raises(Mismatch) as caught:
        store.commit(commit_of([third], [from_event(third)], settings={"embedder": "new"}))
    assert "'old'" in str(caught.value) and "'new'" in str(caught.value)
    assert store.mark() == before
    assert store.events([third.id]) == {}
    assert store.setting("embedder") == "old"


def test_what_lacks_a_vector_is_found_page_by_page(store: Store) -> None:
    first, second, third = add(store, said("a"), said("b"), said("c"))
    embedded(store, "has one")
    other_place = said("elsewhere", namespace="globex/bob")
    [elsewhere] = add(store, other_place, namespace="globex/bob")
    corrected = revise(store, second, content="b, corrected")
    revise(store, third, state="archived")
    found = store.without_vector("old")
    assert sorted((g.id, g.version) for _, g in found) == sorted(
        [(first.id, 1), (second.id, 1), (corrected.id, 2), (third.id, 1), (elsewhere.id, 1)]
    )
    numbers = [row for row, _ in found]
    assert numbers == sorted(numbers)
    page = store.without_vector("old", limit=2)
    assert page == found[:2]
    assert store.without_vector("old", after=page[-1][0]) == found[2:]
    assert len(store.without_vector("never seen")) == 6


def test_vectors_are_put_beside_versions_and_indexes_are_told(store: Store) -> None:
    add(store, said("a"), said("b"))
    rows = [row for row, _ in store.without_vector("new")]
    before = store.mark()
    assert store.put_vectors("new", rows, np.stack([NEW, -NEW])) == 2
    assert store.without_vector("new") == []
    numbers, values = store.entry_vectors(HERE, "new")
    assert numbers.tolist() == rows
    assert values.tolist() == [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]
    told = store.closings(HERE, after=before.change)
    assert [(row, closed) for _, row, closed in told] == [(row, OPEN_END) for row in rows]
    assert store.mark().row == before.row
    assert store.check() == []


def test_a_vector_takes_the_place_of_the_one_before(store: Store) -> None:
    embedded(store, "a")
    [row] = store.entry_vectors(HERE, "old")[0].tolist()
    store.put_vectors("old", [Row(row)], np.stack([-OLD]))
    assert store.entry_vectors(HERE, "old")[1].tolist() == np.stack([-OLD]).tolist()


def test_quietly_put_vectors_change_no_mark(store: Store) -> None:
    add(store, said("a"))
    rows = [row for row, _ in store.without_vector("new")]
    before = store.mark()
    assert store.put_vectors("new", rows, np.stack([NEW]), quiet=True) == 1
    assert store.mark() == before
    assert store.entry_vectors(HERE, "new")[0].tolist() == rows


def test_no_vector_comes_to_what_was_erased(store: Store) -> None:
    stays, goes = said("stays"), said("goes")
    add(store, stays, goes)
    rows = [row for row, _ in store.without_vector("new")]
    erase(store, goes)
    assert store.put_vectors("new", rows, np.stack([NEW, NEW])) == 1
    assert store.entry_vectors(HERE, "new")[0].tolist() == rows[:1]
    assert store.check() == []


def test_vectors_of_other_embedders_go_in_portions(store: Store) -> None:
    for text in "abc":
        embedded(store, text)
    rows = [row for row, _ in store.without_vector("new")]
    store.put_vectors("new", rows, np.stack([NEW] * 3))
    assert [store.drop_vectors(keep="new", limit=2) for _ in range(3)] == [2, 1, 0]
    assert len(store.entry_vectors(HERE, "old")[0]) == 0
    assert store.entry_vectors(HERE, "new")[0].tolist() == rows
    assert store.check() == []
