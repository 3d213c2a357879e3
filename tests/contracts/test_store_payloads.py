"""Payloads: put before the engram that names them, there as long as a version does, gone with the last one."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engrams.errors import BadSetting, Corrupt, NotFound, UsageError
from engrams.ports import Store
from engrams.ports.payloads import Blob
from engrams.records import Event, Payload, Scope
from engrams.store import open_store
from engrams.store.moving import content, move
from tests.contracts.stores import NAMESPACE, add, commit_of, erase, from_event, note, revise, said

BYTES = b"a rare xylograph " * 200_000  # 3.4 MB: several parts
DIGEST = hashlib.sha256(BYTES).hexdigest()
ELSEWHERE = "globex/gus"
EARLY, LATE = datetime(1990, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=2)


def chunks(raw: bytes, size: int = 300_000) -> list[bytes]:
    return [raw[start : start + size] for start in range(0, len(raw), size)]


def held(store: Store, digest: str, namespace: str = NAMESPACE) -> bytes:
    return b"".join(store.payloads.open(namespace, digest))


def with_payload(store: Store, raw: bytes = BYTES, namespace: str = NAMESPACE, **fields: object) -> Event:
    digest = store.payloads.put(namespace, chunks(raw))
    event = said("told", namespace)
    payload = Payload(digest, len(raw), "application/octet-stream")
    made = from_event(event, payload=payload, **fields)
    store.commit(commit_of([event], [made], namespace))
    return event


def test_what_is_put_comes_back(store: Store) -> None:
    payloads = store.payloads
    assert payloads.put(NAMESPACE, chunks(BYTES)) == DIGEST
    assert payloads.put(NAMESPACE, chunks(BYTES, 7_777)) == DIGEST
    assert held(store, DIGEST) == BYTES
    assert payloads.size(NAMESPACE, DIGEST) == len(BYTES)
    empty = payloads.put(NAMESPACE, [])
    assert (held(store, empty), payloads.size(NAMESPACE, empty)) == (b"", 0)
    [first, second] = sorted([(DIGEST, len(BYTES)), (empty, 0)])
    listed = payloads.list(NAMESPACE)
    assert [(b.namespace, b.digest, b.bytes) for b in listed] == [(NAMESPACE, *first), (NAMESPACE, *second)]
    assert all(isinstance(b, Blob) and b.put_at.tzinfo is not None for b in listed)


def test_namespaces_know_nothing_of_each_other(store: Store) -> None:
    store.payloads.put(NAMESPACE, [b"abc"])
    digest = hashlib.sha256(b"abc").hexdigest()
    assert store.payloads.size("acme/bob", digest) is None
    assert store.payloads.list("acme/bob") == []
    with pytest.raises(NotFound, match="acme/bob"):
        store.payloads.open("acme/bob", digest)
    event = said("x", "acme/bob")
    made = from_event(event, payload=Payload(digest, 3, "x/y"))
    with pytest.raises(NotFound, match="put it first"):
        store.commit(commit_of([event], [made], "acme/bob"))
    assert store.events([event.id]) == {}


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "0" * 63, "0" * 64 + ".part"])
def test_no_name_leads_elsewhere(store: Store, name: str) -> None:
    with pytest.raises(NotFound):
        store.payloads.open(NAMESPACE, name)
    assert store.payloads.size(NAMESPACE, name) is None
    assert store.payloads.drop(NAMESPACE, name) is False
    with pytest.raises(BadSetting):
        store.payloads.put(NAMESPACE, [b"x"], name=lambda: name)


def test_a_name_given_is_the_name(store: Store) -> None:
    name = "0" * 64 + ".sealed"
    assert store.payloads.put(NAMESPACE, [b"one"], name=lambda: name) == name
    assert store.payloads.put(NAMESPACE, [b"two"], name=lambda: name) == name
    assert held(store, name) == b"two"


def test_it_travels_in_the_row_and_a_revision_may_name_another(store: Store) -> None:
    event = with_payload(store, b"first")
    [engram] = store.engrams(store.derived_from([event.id])).values()
    assert engram.payload == Payload(hashlib.sha256(b"first").hexdigest(), 5, "application/octet-stream")
    second = store.payloads.put(NAMESPACE, [b"second"])
    new = revise(store, engram, payload=Payload(second, 6, "x/y"))
    assert store.engrams([new.id])[new.id].payload == Payload(second, 6, "x/y")
    assert held(store, engram.payload.digest) == b"first"  # an earlier version names it
    assert store.payloads.collect(LATE) == 0
    assert store.check() == []


def test_erase_takes_what_nobody_names_any_more(store: Store) -> None:
    one, two = with_payload(store, b"shared"), with_payload(store, b"shared")
    alone, other = with_payload(store, b"alone"), with_payload(store, b"shared", ELSEWHERE)
    shared, single = (hashlib.sha256(raw).hexdigest() for raw in (b"shared", b"alone"))
    erase(store, one, alone)
    assert store.payloads.size(NAMESPACE, single) is None
    assert held(store, shared) == b"shared"
    erase(store, two)
    assert store.payloads.size(NAMESPACE, shared) is None
    assert held(store, shared, ELSEWHERE) == b"shared"
    erase(store, other, scope=Scope(ELSEWHERE))
    assert store.payloads.list() == []
    assert store.settings("erase") == {}
    assert store.check() == []


def test_a_writers_payloads_go_with_its_engrams(store: Store) -> None:
    with_payload(store, b"both")
    with_payload(store, b"both", recipe="other")
    with_payload(store, b"theirs", recipe="other")
    with_payload(store, b"elsewhere", ELSEWHERE, recipe="other")
    assert store.drop_engrams("other") == 3
    assert [b.bytes for b in store.payloads.list()] == [len(b"both")]
    assert held(store, hashlib.sha256(b"both").hexdigest()) == b"both"


def test_what_nobody_came_to_name_is_collected_after_a_while(store: Store) -> None:
    with_payload(store, b"named")
    orphan = store.payloads.put(NAMESPACE, [b"orphan"])
    assert store.payloads.collect(EARLY) == 0
    assert store.check() == []  # it may be about to be named
    assert store.payloads.collect(LATE) == 1
    assert store.payloads.size(NAMESPACE, orphan) is None
    assert [b.bytes for b in store.payloads.list()] == [5]


def test_a_repeated_commit_needs_no_payload(store: Store) -> None:
    digest = store.payloads.put(NAMESPACE, [b"once"])
    event = said()
    made = from_event(event, payload=Payload(digest, 4, "x/y"))
    store.commit(commit_of([event], [made], idempotency=("key", "digest")))
    again = store.commit(commit_of([event], [made], idempotency=("key", "digest")))
    assert again.repeated


def test_a_dropped_payload_is_a_problem_unless_it_is_a_cache(store: Store) -> None:
    with_payload(store, b"recording", kind="example")
    with_payload(store, b"block", kind="kv-block")
    for raw in (b"recording", b"block"):
        digest = hashlib.sha256(raw).hexdigest()
        assert store.payloads.drop(NAMESPACE, digest) is True
        assert store.payloads.drop(NAMESPACE, digest) is False
        with pytest.raises(NotFound):
            store.payloads.open(NAMESPACE, digest)
    [problem] = store.check()
    assert hashlib.sha256(b"recording").hexdigest() in problem.what
    assert "missing" in problem.what


def test_reset_takes_all(store: Store) -> None:
    with_payload(store)
    store.payloads.put(NAMESPACE, [b"in flight"])
    store.reset()
    assert store.payloads.list(NAMESPACE) == store.payloads.list() == []


def test_payloads_move_and_are_backed_up(store: Store, tmp_path: Path) -> None:
    event = with_payload(store)
    cache = with_payload(store, b"cache", kind="kv-block")
    store.payloads.drop(NAMESPACE, hashlib.sha256(b"cache").hexdigest())
    store.backup(tmp_path / "backup.db")
    copies = [open_store(tmp_path / "backup.db"), open_store(":memory:")]
    move(store, copies[1])  # type: ignore[arg-type]
    for copy in copies:
        assert held(copy, DIGEST) == BYTES
        assert [b.digest for b in copy.payloads.list()] == [DIGEST]
        assert content(copy) == content(store)  # type: ignore[arg-type]
        assert copy.check() == []
        copy.close()
    erase(store, event, cache)
    store.backup(tmp_path / "backup.db")
    left = open_store(tmp_path / "backup.db")
    assert left.payloads.list() == []
    left.close()
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and b"xylograph" in p.read_bytes()]


# --- of one file


def files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and ".blobs" in str(p))


def test_the_bytes_are_gone_from_the_disk(tmp_path: Path) -> None:
    store = open_store(tmp_path / "m.db")
    event = with_payload(store)
    [file] = files(tmp_path)
    assert (file.name, file.parent.name, file.stat().st_mode & 0o777) == (DIGEST, DIGEST[:2], 0o600)
    erase(store, event)
    assert files(tmp_path) == []
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and b"xylograph" in p.read_bytes()]
    store.close()


def test_what_an_erase_could_not_finish_is_finished_at_the_next_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path / "m.db")
    event = with_payload(store)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("engrams.store.sqlite.payloads.SqlitePayloads.sweep", killed)
        with pytest.raises(KeyboardInterrupt):
            erase(store, event)
    assert len(files(tmp_path)) == 1
    store.close()
    open_store(tmp_path / "m.db").close()
    assert files(tmp_path) == []


def test_a_payload_named_again_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(tmp_path / "m.db")
    event = with_payload(store)
    with monkeypatch.context() as patched:
        patched.setattr("engrams.store.sqlite.payloads.SqlitePayloads.sweep", lambda _: None)
        erase(store, event)
    with_payload(store)
    assert store.finish_erasing()
    assert held(store, DIGEST) == BYTES
    assert store.settings("erase") == {}
    store.close()


def test_a_changed_file_is_told_and_mended_by_putting_it_again(tmp_path: Path) -> None:
    store = open_store(tmp_path / "m.db")
    with_payload(store)
    [file] = files(tmp_path)
    file.write_bytes(BYTES[:-1] + b"?")
    with pytest.raises(Corrupt, match="was changed since it was put"):
        held(store, DIGEST)
    assert [p.what for p in store.check()] == [f"payload {DIGEST} was changed since it was put"]
    store.payloads.put(NAMESPACE, [BYTES])
    assert store.check() == []
    store.close()


def test_what_a_killed_writer_left_is_collected(tmp_path: Path) -> None:
    store = open_store(tmp_path / "m.db")
    with_payload(store)

    def broken() -> object:
        yield b"half"
        raise UsageError("the model went away")

    with pytest.raises(UsageError):
        store.payloads.put(NAMESPACE, broken())  # type: ignore[arg-type]
    [file] = files(tmp_path)
    left = file.parents[1] / "0123.part"
    left.write_bytes(b"half a payload")
    orphan = store.payloads.put(NAMESPACE, [b"never named"])
    assert store.check() == []
    for each in (left, file.parents[1] / orphan[:2] / orphan):
        os.utime(each, (1_000_000, 1_000_000))
    assert {p.what for p in store.check()} == {
        "payload 0123.part that no engram names",
        f"payload {orphan} that no engram names",
    }
    assert {p.severity for p in store.check()} == {"warning"}
    store.vacuum()
    assert files(tmp_path) == [file]
    assert store.check() == []
    store.close()


def test_stats_count_what_lies_beside_the_file(tmp_path: Path) -> None:
    store = open_store(tmp_path / "m.db")
    add(store, said())
    before = store.stats(None).bytes
    with_payload(store)
    assert store.stats(None).bytes - before >= len(BYTES)
    assert note("x", ()).payload is None
    store.close()
