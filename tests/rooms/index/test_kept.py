"""Arrays kept on disk: the same as those made from the store, never older, never of another store, gone with an erase."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from engrams.index import NamespaceIndex, shard
from engrams.index.arrays import COLUMNS
from engrams.index.codes import LONGEST_HASHED, Hashing
from engrams.index.snapshot import Snapshot
from engrams.records import EventId, Query, Scope
from engrams.words import term_hash
from tests.rooms.index.fake_store import FakeStore, FakeTable, put, turn

ALL = Query("?", Scope("a/*"))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "KEPT_FROM", 4)


@pytest.fixture
def store() -> FakeStore:
    made = FakeStore()
    for number in range(6):
        write(made, number)
    return made


def write(store: FakeStore, number: int) -> None:
    text = f"{'dog' if number % 2 else 'cat'} number {number}"
    put(store, turn(text, event=f"e{number}", speaker="Anna", namespace=f"a/{number % 2}", session="s"))


def opened(store: FakeStore, folder: Path) -> NamespaceIndex:
    return NamespaceIndex(store, FakeTable(), folder=folder)


def anew(codes: list[int]) -> list[int]:
    """Numbered by first appearance."""
    return [list(dict.fromkeys(codes)).index(code) for code in codes]


def same(a: Snapshot, b: Snapshot) -> None:
    for name in (*COLUMNS, "previous", "following", "offsets", "pieces", "piece_frequency"):
        mine, theirs = getattr(a, name), getattr(b, name)
        if name in ("event", "thread", "session"):  # which number a name has does not matter
            mine, theirs = (anew(codes.tolist()) for codes in (mine, theirs))
        assert np.array_equal(mine, theirs), name
    assert (a.speakers, a.roles, a.kinds, a.threads) == (b.speakers, b.roles, b.kinds, b.threads)
    for word in ("dog", "cat", "number"):
        for mine, theirs in zip(a.postings(term_hash(word)), b.postings(term_hash(word)), strict=True):
            assert mine.tolist() == theirs.tolist()
    for piece in range(26):
        assert (
            a.rows_with_pieces(np.array([piece]))[0].tolist()
            == b.rows_with_pieces(np.array([piece]))[0].tolist()
        )


def test_a_second_process_reads_the_file_and_what_came_since(store: FakeStore, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    opened(store, folder).view(ALL)
    assert len(list(folder.iterdir())) == 1
    store.reads = 0
    second = opened(store, folder)
    same(second.view(ALL), NamespaceIndex(store, FakeTable()).view(ALL))
    assert store.reads == 6  # those of the index without a folder alone
    write(store, 6)
    store.reads = 0
    now = opened(store, folder).view(ALL)
    assert store.reads == 1
    same(now, NamespaceIndex(store, FakeTable()).view(ALL))
    of_session = replace(ALL, scope=Scope("a/1", session="s"))
    assert np.count_nonzero(opened(store, folder).view(of_session).allowed) == 3


def test_only_its_owner_reads_the_file(store: FakeStore, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    opened(store, folder).view(ALL)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


def test_few_rows_are_not_kept_and_growth_is(
    store: FakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard, "KEPT_FROM", 7)
    index = opened(store, tmp_path / "index")
    index.view(ALL)
    assert not (tmp_path / "index").exists()
    write(store, 6)
    index.view(ALL)
    (path,) = (tmp_path / "index").iterdir()
    before = path.stat().st_mtime_ns, path.read_bytes()
    write(store, 7)
    index.view(ALL)
    assert (path.stat().st_mtime_ns, path.read_bytes()) == before  # one more is not a quarter more
    write(store, 8)
    index.view(ALL)
    assert path.read_bytes() != before[1]


def test_what_was_erased_leaves_the_file(store: FakeStore, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    opened(store, folder).view(ALL)
    store.erase(Scope("a/*"), [EventId("e0")], actor="", at=datetime(2024, 1, 1, tzinfo=UTC), reason="")
    view = opened(store, folder).view(ALL)
    assert view.size == 5
    same(view, NamespaceIndex(store, FakeTable()).view(ALL))
    (path,) = folder.iterdir()
    store.reads = 0
    same(opened(store, folder).view(ALL), view)
    assert store.reads == 0  # written again, without it
    assert len(np.unique(view.rows)) == 5 and path.exists()


def test_an_erase_while_the_file_is_written_takes_it_away(store: FakeStore, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    index = opened(store, folder)

    def erase() -> None:
        store.erase(Scope("a/*"), [EventId("e0")], actor="", at=datetime(2024, 1, 1, tzinfo=UTC), reason="")

    store.while_read.append(erase)
    index.view(ALL)
    assert list(folder.iterdir()) == []
    assert opened(store, folder).view(ALL).size == 5


def test_another_store_and_an_older_state_are_not_mixed_up(store: FakeStore, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    opened(store, folder).view(ALL)
    other = FakeStore()
    for number in range(10, 18):
        write(other, number)
    same(opened(other, folder).view(ALL), NamespaceIndex(other, FakeTable()).view(ALL))
    older = FakeStore()
    write(older, 0)
    assert opened(older, folder).view(ALL).size == 1


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "other"])
def test_a_damaged_file_is_made_anew(store: FakeStore, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "index"
    opened(store, folder).view(ALL)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    damaged = {"cut": whole[:-64], "bit": whole[:-80] + bytes([whole[-80] ^ 1]) + whole[-79:], "empty": b""}
    path.write_bytes(damaged.get(damage, b"something else"))
    same(opened(store, folder).view(ALL), NamespaceIndex(store, FakeTable()).view(ALL))
    assert len(path.read_bytes()) == len(whole)


def test_where_nothing_can_be_written_nothing_is_kept(store: FakeStore, tmp_path: Path) -> None:
    (tmp_path / "index").write_text("no folder")
    assert opened(store, tmp_path / "index").view(ALL).size == 6


def test_hashes_tell_texts_apart_and_are_those_of_the_key() -> None:
    one, other = Hashing(5), Hashing(6)
    texts = ["", "a", "a\0", "b", "ab", "ba", "é", "\ud800", "x" * LONGEST_HASHED, "x" * (LONGEST_HASHED + 1)]
    hashed = one.texts(texts).tolist()
    assert len(set(hashed)) == len(texts)
    assert [int(one.texts([text])[0]) for text in texts] == hashed
    assert Hashing(5).texts(texts).tolist() == hashed
    assert not set(other.texts(texts).tolist()) & set(hashed)
    many = [f"{number:036}" for number in range(3000)]  # as many letters as are worked on column by column
    assert one.texts(many)[:10].tolist() == one.texts(many[:10]).tolist()
    assert one.pairs(["a", "ab", "a"], ["bc", "c", "bc"]).tolist() == [
        one.pair("a", "bc"),
        one.pair("ab", "c"),
        one.pair("a", "bc"),
    ]
    assert one.pair("a", "bc") != one.pair("ab", "c")
