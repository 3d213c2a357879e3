"""Encryption at rest: what the file holds, who can read it, what a change of key does, and what a changed byte does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cryptography")

from engrams import Memory
from engrams.errors import BadSetting, Corrupt, Denied, Mismatch, UsageError
from engrams.memory import new_encryption_key
from engrams.models.static_table import shipped_table
from engrams.store.sealed import MARK, Cipher, make_seal, new_key, unwrap, wrap
from engrams.words import term_hash, terms

SECRET = "The quokka sleeps beneath the baobab."
RARE = ("quokka", "baobab")
KEY = "correct horse battery staple"


@pytest.fixture
def sealed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Memory]:
    monkeypatch.setenv("ENGRAMS_KEY", KEY)
    with Memory.open(tmp_path / "m.db") as memory:
        yield memory


def held(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in sorted(folder.iterdir()) if p.name.startswith("m.db"))


def marks(text: str) -> list[bytes]:
    """The bytes that would give a text away: its words, and the hashes of its stems as the index stores them."""
    return [w.encode() for w in RARE] + [
        np.array([term_hash(t)], "<u4").tobytes() for t in terms(text) if t.startswith(("quokka", "baobab"))
    ]


def test_the_marks_are_in_a_plain_file(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "m.db") as memory:
        memory.add(SECRET)
    assert len(marks(SECRET)) == 4
    assert all(mark in held(tmp_path) for mark in marks(SECRET))


def test_the_file_holds_no_word_no_hash_and_no_digest_of_a_text(sealed: Memory, tmp_path: Path) -> None:
    receipt = sealed.add(SECRET, idempotency_key="once")
    assert sealed.add(SECRET, idempotency_key="once").repeated
    sealed.update(receipt.event_ids[0], SECRET + " Always.", reason="because of the quokka")
    raw = held(tmp_path)
    assert [mark for mark in marks(SECRET) if mark in raw] == []
    hit = sealed.search("where does the quokka sleep?")[0]
    assert hit.text == SECRET + " Always."
    first, second = sealed.history(receipt.event_ids[0])
    assert (first.content, second.previous, second.reason) == (SECRET, SECRET, "because of the quokka")
    assert sealed.get(receipt.event_ids[0]).content == SECRET + " Always."
    assert [e.content for e in sealed.get_all()] == [SECRET + " Always."]
    assert sealed.check() == []


def test_what_is_not_covered_is_what_the_page_says(sealed: Memory, tmp_path: Path) -> None:
    sealed.add(
        {"role": "user", "content": "x", "name": "Wilhelmina"},
        session="s-visible",
        metadata={"k": "in-the-clear"},
    )
    raw = held(tmp_path)
    assert all(word in raw for word in (b"Wilhelmina", b"s-visible", b"in-the-clear"))
    assert sealed.search("x", filters={"k": "in-the-clear"})


def test_an_import_is_known_again(sealed: Memory, tmp_path: Path) -> None:
    (tmp_path / "chat.jsonl").write_text('{"role": "user", "content": "' + SECRET + '"}\n')
    assert sealed.import_file(tmp_path / "chat.jsonl").written == 1
    again = sealed.import_file(tmp_path / "chat.jsonl")
    assert (again.written, again.repeated) == (0, 1)
    assert [mark for mark in marks(SECRET) if mark in held(tmp_path)] == []


def test_without_the_key_nothing_opens(
    sealed: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed.add(SECRET)
    monkeypatch.delenv("ENGRAMS_KEY")
    with pytest.raises(Denied, match="is encrypted; put its key into the environment variable ENGRAMS_KEY"):
        Memory.open(tmp_path / "m.db")
    monkeypatch.setenv("ENGRAMS_KEY", "another passphrase")
    with pytest.raises(Denied, match="not the one"):
        Memory.open(tmp_path / "m.db")


def test_a_plain_memory_is_not_mixed_with_encrypted_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Memory.open(tmp_path / "m.db") as memory:
        memory.add(SECRET)
    monkeypatch.setenv("ENGRAMS_KEY", KEY)
    with pytest.raises(Mismatch, match=r"engrams encrypt NEW\.db"):
        Memory.open(tmp_path / "m.db")


def test_an_encrypted_copy_holds_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    with Memory.open(tmp_path / "plain.db") as memory:
        event = memory.add(SECRET, namespace="a/b", idempotency_key="once").event_ids[0]
        memory.update(event, SECRET + " Still.")
        gone = memory.add("to be erased").event_ids[0]
        memory.delete(gone)
        memory.encrypted_copy(folder / "m.db", KEY)
        with pytest.raises(UsageError, match="there already"):
            memory.encrypted_copy(folder / "m.db", KEY)
        wanted = (
            list(memory.log(namespace="a/b")),
            memory.history(event),
            memory.get_all(namespace="a/b").items,
        )
    assert [mark for mark in marks(SECRET) if mark in held(folder)] == []
    monkeypatch.setenv("ENGRAMS_KEY", KEY)
    with Memory.open(folder / "m.db") as copy:
        assert (
            list(copy.log(namespace="a/b")),
            copy.history(event),
            copy.get_all(namespace="a/b").items,
        ) == wanted
        assert copy.search("quokka", namespace="a/b")[0].text == SECRET + " Still."
        assert copy.add(SECRET, namespace="a/b", idempotency_key="once").repeated
        assert copy.check() == []


def test_a_change_of_key_changes_who_can_read(
    sealed: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed.add(SECRET)
    fresh = new_encryption_key()
    sealed.change_key(fresh)
    with pytest.raises(Denied):
        Memory.open(tmp_path / "m.db")
    monkeypatch.setenv("ENGRAMS_KEY", fresh)
    with Memory.open(tmp_path / "m.db") as memory:
        assert memory.search("quokka")[0].text == SECRET


def test_a_text_that_was_changed_or_swapped_is_refused(sealed: Memory, tmp_path: Path) -> None:
    one, two = sealed.add("first " + SECRET), sealed.add("second " + SECRET)
    raw = sqlite3.connect(tmp_path / "m.db")
    rows = dict(raw.execute('select "row", content from contents'))
    assert all(text.startswith(MARK) for text in rows.values())
    raw.execute('update contents set content = ? where "row" = 1', (rows[2],))
    raw.execute('update contents set content = ? where "row" = 2', (rows[2][:-8] + "AAAAAAA=",))
    raw.commit()
    raw.close()
    for receipt in (one, two):
        with pytest.raises(Corrupt, match="was changed after it was encrypted"):
            sealed.history(receipt.event_ids[0])


@pytest.mark.parametrize("key", ["short", "engrams-key-AAAA"])
def test_a_weak_or_cut_key_is_refused_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("ENGRAMS_KEY", key)
    with pytest.raises(BadSetting) as refused:
        Memory.open(tmp_path / "m.db")
    assert key not in str(refused.value)


def test_a_key_wraps_the_data_key() -> None:
    key = new_key()
    seal, data_key = make_seal(key)
    assert unwrap(seal, key) == data_key
    assert unwrap(wrap(data_key, KEY), KEY) == data_key
    assert data_key.hex() not in seal
    with pytest.raises(Denied):
        unwrap(seal, new_key())


def test_hashes_go_there_and_back_and_tell_nothing_without_the_key() -> None:
    one, two = Cipher(b"1" * 32), Cipher(b"2" * 32)
    hashes = np.array([0, 1, 2**16, 2**31, 2**32 - 1, term_hash("quokka")], np.uint32)
    pieces = np.arange(2**16, dtype=np.uint16)
    assert (one.terms_back(one.terms(hashes)) == hashes).all()
    assert (one.pieces_back(one.pieces(pieces)) == pieces).all()
    assert len(set(one.pieces(pieces).tolist())) == 2**16
    many = np.random.default_rng(3).integers(0, 2**32, 20_000, dtype=np.uint32)
    assert len(set(one.terms(many).tolist())) == len(set(many.tolist()))
    assert not (one.terms(hashes) == hashes).any()
    assert not (one.terms(hashes) == two.terms(hashes)).any()
    assert shipped_table().pieces("quokka").dtype == np.uint16
    sealed = one.seal("text \ud800", "event 1")
    assert one.open(sealed, "event 1") == "text \ud800"
    assert one.seal("text", "event 1") != one.seal("text", "event 1")
    for text, about, cipher in (
        (sealed, "event 2", one),
        (sealed, "event 1", two),
        ("plain", "event 1", one),
    ):
        with pytest.raises(Corrupt):
            cipher.open(text, about)
