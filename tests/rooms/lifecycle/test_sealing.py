"""Encryption at rest: what the file holds, who can read it, what a change of key does, and what a changed byte does."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("cryptography")

from engrams import Memory
from engrams.errors import BadSetting, Corrupt, Denied, Mismatch, NewerSchema, UsageError
from engrams.memory import new_encryption_key
from engrams.models.static_table import shipped_table
from engrams.ports import Store
from engrams.records import Attachment, Job, Payload
from engrams.store.cipher import MARK, Cipher, make_seal, new_key, unwrap, version_of, wrap
from engrams.store.sealed import SealedStore
from engrams.words import term_hash, terms
from tests.contracts.stores import commit_of, from_event, link, said

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
    assert sealed._house.store.check() == []


#: A rare word for each field, and whether docs/security.md says that it is covered.
COVERED = {
    "content": "abligurition",
    "metadata-key": "bumbershoot",
    "metadata-value": "collywobbles",
    "metadata-nested": "doodlesack",
    "attachment-name": "erinaceous",
    "attachment-uri": "flibbertigibbet",
    "key": "gastromancy",
    "payload": "hobbledehoy",
    "media-type": "impignorate",
    "reason": "jentacular",
    "correction": "kakorrhaphiophobia",
    "correction-metadata": "lollygag",
    "job-payload": "mumpsimus",
    "job-error": "nudiustertian",
    "source": "oxter",
}
NOT_COVERED = {
    "speaker": "pauciloquent",
    "role": "quire",
    "session": "ratoon",
    "agent": "snollygoster",
    "run": "tittynope",
    "namespace": "ulotrichous",
    "relation": "valetudinarian",
    "actor": "widdershins",
    "idempotency-key": "xertz",
    "worker": "yarborough",
}


def planted(memory: Memory) -> bytes:
    """Every field that the store keeps, with its rare word; the bytes of the payload."""
    store, where, now = memory._house.store, NOT_COVERED["namespace"], datetime.now(UTC)
    payload = COVERED["payload"].encode() * 100_000
    digest = store.payloads.put(where, [payload[:1000], payload[1000:]])
    event = said(
        COVERED["content"],
        where,
        role=NOT_COVERED["role"],
        speaker=NOT_COVERED["speaker"],
        session=NOT_COVERED["session"],
        agent_id=NOT_COVERED["agent"],
        run_id=NOT_COVERED["run"],
        source=COVERED["source"],
        metadata={
            COVERED["metadata-key"]: COVERED["metadata-value"],
            "in": {"deep": [COVERED["metadata-nested"]]},
        },
        attachments=(Attachment("file", COVERED["attachment-uri"], COVERED["attachment-name"]),),
    )
    made = from_event(
        event,
        keys=(COVERED["key"],),
        payload=Payload(digest, len(payload), f"application/{COVERED['media-type']}"),
    )
    job = Job(
        "j",
        "derive",
        "k",
        where,
        "engrams",
        now,
        now,
        payload={"events": [event.id], "x": COVERED["job-payload"]},
    )
    store.commit(
        replace(
            commit_of(
                [event],
                [made],
                where,
                links=(replace(link(made, made), relation=NOT_COVERED["relation"]),),
                jobs=(job,),
                idempotency=(NOT_COVERED["idempotency-key"], COVERED["content"]),
            ),
            actor=NOT_COVERED["actor"],
        )
    )
    leased = store.jobs.lease(NOT_COVERED["worker"], now, now + timedelta(days=1), ["derive"])
    assert leased is not None
    assert leased.payload == job.payload
    assert store.jobs.fail("j", NOT_COVERED["worker"], COVERED["job-error"], now)
    [waiting] = store.jobs.all()
    assert (waiting.payload, waiting.error) == (job.payload, COVERED["job-error"])
    store.jobs.put([replace(job, id="j2", worker=NOT_COVERED["worker"])])
    memory.update(
        event.id,
        COVERED["correction"],
        metadata={"k": COVERED["correction-metadata"]},
        reason=COVERED["reason"],
    )
    read = store.events([event.id])[event.id]
    assert read == replace(event, source=read.source)
    [engram] = store.engrams(store.derived_from([event.id])).values()
    assert engram.metadata == {"k": COVERED["correction-metadata"]}
    assert store.version(made.id, 1) == made
    assert [r.metadata for r in store.versions(made.id)] == [made.metadata, engram.metadata]
    assert b"".join(store.payloads.open(where, digest)) == payload
    return payload


def shelved(folder: Path) -> bytes:
    """All bytes of a memory: the file, its log, and what lies beside it."""
    return b"".join(p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file() and "m.db" in str(p))


def found(words: Mapping[str, str], raw: bytes) -> set[str]:
    """The fields whose rare word is in the bytes, as it is or as a hash of its stem as the index stores them."""
    stored = {
        field: [w.encode(), *(np.array([term_hash(t)], "<u4").tobytes() for t in terms(w))]
        for field, w in words.items()
    }
    return {field for field, marks in stored.items() if any(mark in raw for mark in marks)}


def test_every_word_can_be_found_in_a_plain_memory(tmp_path: Path) -> None:
    """So that not finding it says something."""
    with Memory.open(tmp_path / "m.db") as memory:
        planted(memory)
        assert found(COVERED, shelved(tmp_path)) == COVERED.keys()


def test_what_is_covered_and_what_is_not_is_what_the_page_says(sealed: Memory, tmp_path: Path) -> None:
    payload = planted(sealed)
    raw = shelved(tmp_path)
    assert found(COVERED, raw) == set()
    assert found(NOT_COVERED, raw) == NOT_COVERED.keys()
    assert hashlib.sha256(payload).hexdigest().encode() not in raw
    assert hashlib.sha256(payload).hexdigest() not in {p.name for p in tmp_path.rglob("*")}
    assert sealed._house.store.check() == []


def test_filters_over_metadata_mean_what_they_mean_in_a_plain_memory(sealed: Memory, tmp_path: Path) -> None:
    with Memory.open(tmp_path / "plain.db") as plain:
        for memory in (sealed, plain):
            memory.add_many(
                {
                    "role": "user",
                    "content": f"kettle number {n}",
                    "name": "Ann" if n % 3 else "Bob",
                    "metadata": {"n": n, "tags": ["odd" if n % 2 else "even"], "deep": {"er": str(n)}}
                    if n
                    else {},
                    "timestamp": f"2024-01-{1 + n % 28:02}",
                }
                for n in range(40)
            )
        asked: list[dict[str, Any]] = [
            {"n": 7},
            {"n": {"gte": 30, "lt": 33}},
            {"tags": {"contains": "odd"}, "speaker": "Bob"},
            {"OR": [{"deep.er": "3"}, {"speaker": "Bob", "n": {"in": [6, 7]}}]},
            {"NOT": {"n": {"gt": 2}}},
            {"n": None},
            {"metadata.n": {"ne": 5}, "occurred_at": "2024-01-06"},
            {"speaker": "Bob"},
            {"nothing": "here"},
        ]
        for filters in asked:
            for limit in (2, 100):
                found = [
                    [e.content for e in memory.get_all(filters=filters, limit=limit)]
                    for memory in (sealed, plain)
                ]
                assert found[0] == found[1], filters
                for newest in (False, True):
                    logs = [
                        [e.content for e in memory.log(filters=filters, limit=limit, newest_first=newest)]
                        for memory in (sealed, plain)
                    ]
                    assert logs[0] == logs[1], filters
            hits = [
                {h.text for h in memory.search("kettle", k=100, filters=filters)}
                for memory in (sealed, plain)
            ]
            assert hits[0] == hits[1], filters
        assert sum(len(plain.get_all(filters=f)) for f in asked) > 30


def test_pages_of_filtered_entries_go_on_where_they_stopped(sealed: Memory) -> None:
    sealed.add_many({"role": "user", "content": f"kettle {n}", "metadata": {"n": n}} for n in range(30))
    told, cursor = [], None
    while True:
        page = sealed.log(filters={"n": {"gte": 4}}, limit=7, cursor=cursor)
        told += [e.content for e in page]
        cursor = page.next
        if cursor is None:
            break
    assert told == [f"kettle {n}" for n in range(4, 30)]


def test_metadata_that_was_changed_or_swapped_is_refused(sealed: Memory, tmp_path: Path) -> None:
    ids = [sealed.add(f"x {n}", metadata={"secret": n}).event_ids[0] for n in range(2)]
    raw = sqlite3.connect(tmp_path / "m.db")
    [one, two] = raw.execute('select metadata from contents order by "row"').fetchall()
    for put_in in (two[0], '{"secret": 7}'):
        raw.execute('update contents set metadata = ? where "row" = 1', (put_in,))
        raw.commit()
        with pytest.raises(Corrupt, match="was changed after it was encrypted"):
            sealed.history(ids[0])
    raw.close()
    assert one[0] != two[0]


def test_a_payload_that_was_changed_swapped_or_cut_is_refused(sealed: Memory, tmp_path: Path) -> None:
    store = sealed._house.store
    raws = [os.urandom(3 * 2**20 + 5), b"", b"short"]
    digests = [store.payloads.put("default", [raw]) for raw in raws]
    for raw, digest in zip(raws, digests, strict=True):
        assert b"".join(store.payloads.open("default", digest)) == raw
        assert store.payloads.size("default", digest) == len(raw)
    assert store.payloads.size("default", "0" * 64) is None
    files = {p.stat().st_size: p for p in tmp_path.rglob("*.sealed")}
    large, small = files[max(files)], files[min(files)]
    good = large.read_bytes()
    part = 2**20 + 16
    begin = len(good) - 3 * part - (5 + 16)
    swapped = good[begin + part :][:part] + good[begin:][:part] + good[begin + 2 * part :]
    harmed = {
        "a byte": good[:-1] + bytes([good[-1] ^ 1]),
        "the last part left out": good[: begin + 3 * part],
        "a part left out": good[:begin] + good[begin + part :],
        "parts in another order": good[:begin] + swapped,
        "another payload": small.read_bytes(),
        "plain bytes": raws[0],
        "nothing": b"",
    }  # fmt: skip
    for what, bad in harmed.items():
        large.write_bytes(bad)
        with pytest.raises(Corrupt, match="was changed since it was put"):
            b"".join(store.payloads.open("default", digests[0]))
            pytest.fail(what)
    event = said("x")
    store.commit(commit_of([event], [from_event(event)], event.namespace))
    assert [p.what for p in store.check()] == [f"payload {large.name} was changed since it was put"]
    assert store.payloads.drop("default", digests[0])
    assert not large.exists()


def test_a_sealed_memory_of_version_1_is_read_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its metadata, attachments and jobs lie unencrypted; what is written from now on does not."""
    monkeypatch.setenv("ENGRAMS_KEY", KEY)
    with Memory.open(tmp_path / "m.db"):
        pass
    raw = sqlite3.connect(tmp_path / "m.db")
    [seal] = raw.execute("select value from settings where key = 'seal'").fetchone()
    raw.execute(
        "update settings set value = ? where key = 'seal'", (seal.replace('"version": 2', '"version": 1'),)
    )
    raw.commit()
    with Memory.open(tmp_path / "m.db") as memory:
        first = memory.add(SECRET, metadata={"k": "old"}).event_ids[0]
        for table in ("events", "contents"):
            if table == "events":
                raw.execute("drop trigger events_are_never_altered")
            raw.execute(f"update {table} set metadata = ?", ('{"k":"old"}',))
        raw.commit()
        second = memory.add("new", metadata={"k": "quokka"}).event_ids[0]
        assert memory.get(first).metadata == {"k": "old"}
        assert memory.get(second).metadata == {"k": "quokka"}
        assert [e.content for e in memory.log(filters={"k": "old"})] == [SECRET]
        memory.change_key("another passphrase")
    raw.close()
    assert b"quokka" not in shelved(tmp_path)
    monkeypatch.setenv("ENGRAMS_KEY", "another passphrase")
    with Memory.open(tmp_path / "m.db") as memory:
        assert memory.get(first).metadata == {"k": "old"}


def test_a_seal_of_a_later_version_is_refused() -> None:
    seal, _ = make_seal(KEY)
    assert version_of(seal) == 2
    with pytest.raises(NewerSchema, match="upgrade engrams"):
        version_of(seal.replace('"version": 2', '"version": 3'))


def test_every_call_that_gives_or_takes_records_is_sealed() -> None:
    """A call that the port gets, and that speaks of records, must be thought about here."""
    speaks = re.compile(
        r"\b(Event|Engram|Revision|Commit|Jobs|Payloads|EntryRow|EntryColumns|Where|Problem)\b"
    )
    asked = {
        name
        for name, call in vars(Store).items()
        if not name.startswith("_")
        and speaks.search(
            str(
                getattr(call, "fget", call).__annotations__
                if isinstance(call, property)
                else call.__annotations__
            )
        )
    }
    assert len(asked) > 12
    assert asked <= vars(SealedStore).keys()


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


def test_payloads_go_into_an_encrypted_copy_and_out_in_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, raw = tmp_path / "copy", RARE[0].encode() * 300_000
    folder.mkdir()
    with Memory.open(tmp_path / "plain.db") as memory:
        store = memory._house.store
        digest = store.payloads.put("acme/alice", [raw])
        event = said("x")
        store.commit(commit_of([event], [from_event(event, payload=Payload(digest, len(raw), "x/y"))]))
        memory.encrypted_copy(folder / "m.db", KEY)
        wanted = memory.export_container(tmp_path / "plain.engrams").digest
    assert RARE[0].encode() not in shelved(folder)
    monkeypatch.setenv("ENGRAMS_KEY", KEY)
    with Memory.open(folder / "m.db") as copy:
        assert b"".join(copy._house.store.payloads.open("acme/alice", digest)) == raw
        assert copy.export_container(tmp_path / "sealed.engrams").digest == wanted
        copy.backup(folder / "backup-of-m.db")
        copy.delete(event.id)
        assert copy._house.store.payloads.list() == []
    with Memory.open(folder / "backup-of-m.db") as backup:
        assert backup._house.store.payloads.size("acme/alice", digest) == len(raw)
        assert backup._house.store.check() == []
    assert RARE[0].encode() not in shelved(folder)


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
