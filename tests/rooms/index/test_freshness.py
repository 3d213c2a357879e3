"""A view holds what was committed before the call, whatever happens meanwhile, and no more memory than it may."""

from __future__ import annotations

import gc
import threading
import weakref
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from engrams.errors import Mismatch, StoreError
from engrams.index import NamespaceIndex
from engrams.index.snapshot import Snapshot
from engrams.ports import Entry, Float32, Mark
from engrams.records import Query, Row, Scope
from tests.rooms.index.fake_store import EPOCH, FakeStore, FakeTable, erase, put, revise, turn

HOME = Query("", Scope("home"))


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def index(store: FakeStore) -> NamespaceIndex:
    return NamespaceIndex(store, FakeTable())


def same(found: Float32 | None, wanted: list[list[float]]) -> bool:
    return found is not None and found.dtype == np.float32 and found.tolist() == wanted


def test_an_unchanged_store_is_not_read_again(store: FakeStore, index: NamespaceIndex) -> None:
    put(store, turn("one", event="1"), turn("two", event="2"))
    assert index.view(HOME) is index.view(HOME)
    assert store.reads == 2
    put(store, turn("three", event="3"))
    assert index.view(HOME).size == 3
    assert store.reads == 3
    index.forget()
    assert index.view(HOME).size == 3
    assert store.reads == 6


def test_a_store_without_rows_gives_an_empty_view(index: NamespaceIndex) -> None:
    view = index.view(HOME)
    assert (view.size, view.threads, view.allowed, view.speakers) == (0, 0, None, ())
    assert view.offsets.tolist() == [0]
    assert view.rows_with_pieces(np.array([1]))[0].tolist() == []
    assert [a.tolist() for a in view.postings(1)] == [[], []]
    assert view.vectors("m") is None


def test_adding_to_a_thread_leaves_older_views_alone(store: FakeStore, index: NamespaceIndex) -> None:
    put(store, turn("one", event="1"))
    before = index.view(HOME)
    put(store, turn("two", event="2"))
    after = index.view(HOME)
    assert (before.following.tolist(), after.following.tolist()) == ([-1], [1, -1])


def test_a_version_replaced_while_the_index_reads_is_never_seen_twice(
    store: FakeStore, index: NamespaceIndex
) -> None:
    """Between the mark and the rows of one refresh somebody revises a row that the index holds."""
    first = turn("old", event="1")
    put(store, first)
    index.view(HOME)
    put(store, turn("two", event="2"))
    store.after_mark.append(lambda: revise(store, replace(first, content="new", version=2)))
    assert index.view(HOME).rows.tolist() == [2, 3]
    put(store, turn("three", event="3"))
    store.while_read.append(lambda: erase(store, "2"))
    assert index.view(HOME).rows.tolist() in ([2, 3, 4], [3, 4])  # committed meanwhile: either is right
    assert index.view(HOME).rows.tolist() == [3, 4]


def test_a_read_that_fails_leaves_no_half_of_itself(store: FakeStore, index: NamespaceIndex) -> None:
    put(store, turn("one", event="1"), turn("two", event="2"))

    def fail() -> None:
        raise StoreError("gone for a moment")

    store.while_read.append(fail)
    with pytest.raises(StoreError, match="for a moment"):
        index.view(HOME)
    assert index.view(HOME).rows.tolist() == [1, 2]


def test_entries_of_another_table_are_refused(store: FakeStore, index: NamespaceIndex) -> None:
    put(store, turn("one", event="1"))
    foreign = Entry(0, np.empty(0, np.uint32), np.empty(0, np.uint8), np.array([26], np.uint16))
    store.rows = [replace(store.rows[0], entry=foreign)]
    with pytest.raises(Mismatch, match="piece 26, the token table has 26"):
        index.view(HOME)


def test_a_store_put_back_to_an_older_state_is_read_again(store: FakeStore, index: NamespaceIndex) -> None:
    put(store, turn("one", event="1"), turn("two", event="2"))
    index.view(HOME)
    store.rows, store.last_row = store.rows[:1], 1
    assert store.mark() == Mark(1, 0)
    assert index.view(HOME).rows.tolist() == [1]


def test_an_erased_row_leaves_nothing_behind(store: FakeStore, index: NamespaceIndex) -> None:
    put(store, turn("fox", event="1", speaker="Zoe"), turn("dog", event="2", thread="u", speaker="Anna"))
    before = index.view(HOME)
    arrays = [weakref.ref(a.base) for a in (before.rows, before.pieces, before.event, before.length)]
    assert before.speakers == ("Zoe", "Anna")
    erase(store, "1")
    view = index.view(HOME)
    assert (view.speakers, view.threads, view.rows.tolist()) == (("Anna",), 1, [2])
    assert view.piece_frequency.sum() == len(view.pieces) == 4  # d, g, n, o
    del before
    gc.collect()
    assert [a() for a in arrays] == [None] * 4


def test_the_past_is_cut_from_what_stood_then(store: FakeStore, index: NamespaceIndex) -> None:
    day = timedelta(days=1)
    first = turn("old", event="1", speaker="Anna")
    put(store, first, turn("two", event="2", thread="u", recorded_at=EPOCH + 3 * day))
    revise(store, replace(first, content="new", version=2, recorded_at=EPOCH + 2 * day))
    for days, rows in ((0, [1]), (1, [1]), (2, [3]), (3, [2, 3]), (9, [2, 3])):
        view = index.view(replace(HOME, as_of=EPOCH + days * day))
        assert view.rows.tolist() == rows
        assert view.threads == len(rows)
        assert view.allowed is None
    assert index.view(HOME).rows.tolist() == [2, 3]


def test_other_namespaces_are_never_seen(store: FakeStore, index: NamespaceIndex) -> None:
    put(
        store,
        turn("one", event="1", namespace="acme"),
        turn("two", event="2", namespace="acme/a"),
        turn("three", event="3", namespace="acmecorp"),
    )
    seen = {
        path: index.view(Query("", Scope(path))).rows.tolist() for path in ("acme", "acme/*", "acme/a", "a")
    }
    assert seen == {"acme": [1], "acme/*": [2], "acme/a": [2], "a": []}


def test_sessions_of_one_name_in_two_namespaces_are_two(store: FakeStore, index: NamespaceIndex) -> None:
    names = ("acme/a", "acme/b", "acme/a")
    put(store, *(turn("x", event=str(i), namespace=n, session="s", thread="s") for i, n in enumerate(names)))
    view = index.view(Query("", Scope("acme/*", session="s")))
    assert (view.session.tolist(), view.thread.tolist(), view.threads) == ([0, 1, 0], [0, 1, 0], 2)
    assert view.following.tolist() == [2, -1, -1]
    assert view.allowed is not None and view.allowed.all()


def test_memory_stays_within_its_bound(store: FakeStore) -> None:
    for i in range(6):
        put(store, turn("words " * 50, event=str(i), namespace=f"n{i}"))
    index = NamespaceIndex(store, FakeTable(), most_bytes=1)
    for i in range(6):
        assert index.view(Query("", Scope(f"n{i}"))).size == 1
    one = index.nbytes
    assert store.reads == 6
    index.view(Query("", Scope("n5")))
    assert store.reads == 6  # the one asked for last stays
    index.view(Query("", Scope("n0")))
    assert store.reads == 7
    roomy = NamespaceIndex(store, FakeTable(), most_bytes=3 * one)
    for i in (0, 1, 2, 0, 3):
        roomy.view(Query("", Scope(f"n{i}")))
    read = store.reads
    roomy.view(Query("", Scope("n0")))
    assert store.reads == read
    roomy.view(Query("", Scope("n1")))  # asked for longest ago, hence dropped for n3
    assert store.reads == read + 1


def test_vectors_are_read_when_asked_for_and_only_once(store: FakeStore, index: NamespaceIndex) -> None:
    put(store, turn("one", event="1"))
    put(store, turn("two", event="2"), vectors={"m": [1, 2]})
    view = index.view(HOME)
    assert store.reads == 2
    assert view.vectors("other") is None
    assert same(view.vectors("m"), [[0, 0], [1, 2]])
    assert store.reads == 3
    put(store, turn("three", event="3"), vectors={"m": [3, 4]})
    later = index.view(HOME)
    assert same(later.vectors("m"), [[0, 0], [1, 2], [3, 4]])
    assert store.reads == 5  # the new entry and its vector
    assert same(view.vectors("m"), [[0, 0], [1, 2]])
    erase(store, "2")
    assert same(index.view(HOME).vectors("m"), [[0, 0], [3, 4]])
    assert store.reads == 5
    put(store, turn("four", event="4"))
    assert same(index.view(HOME).vectors("m"), [[0, 0], [3, 4], [0, 0]])


def test_vectors_made_anew_replace_the_old(store: FakeStore, index: NamespaceIndex) -> None:
    put(store, turn("one", event="1"), vectors={"m": [1, 2]})
    assert index.view(HOME).vectors("m") is not None
    store.rewrite(Row(1), replace(store.rows[0].entry, vectors={"m": np.array([5, 6], np.float32)}))
    assert same(index.view(HOME).vectors("m"), [[5, 6]])


def test_threads_share_one_index(store: FakeStore, index: NamespaceIndex) -> None:
    """Four readers beside one writer: what each sees is whole, and never less than before."""
    stop = threading.Event()
    wrong: list[str] = []

    def whole(view: Snapshot) -> bool:
        ends = view.offsets[-1] == len(view.pieces) and len(view.following) == view.size
        linked = bool((view.following[:-1] == np.arange(1, view.size)).all())
        return ends and linked and len(view.rows_with_pieces(np.array([25]))[0]) == view.size

    def read() -> None:
        size = 0
        while not stop.is_set():
            view = index.view(HOME)
            if view.size < size or (view.size and not whole(view)):
                wrong.append(f"{view.size} rows after {size}")
            size = view.size

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for i in range(150):
        put(store, turn("zig zag", event=str(i)))
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert index.view(HOME).size == 150
