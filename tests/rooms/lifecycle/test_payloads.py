"""Blocks and adapters in a memory: with sources and versions, under rights, gone with what they rest on, carried along."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engrams import Memory
from engrams.errors import BadSetting, Denied, Mismatch, NotFound, OverBudget, UsageError
from engrams.records import Engram

TEXT = "The spare key is under the blue flower pot."
BLOCK = b"what a model computed for it"


def kept(memory: Memory, chunks: bytes = BLOCK, kind: str = "kv-block", **more: object) -> tuple[str, str]:
    """An event with something that rests on it: (event id, engram id)."""
    event = memory.add(TEXT).event_ids[0]
    handle = memory.keep_payload(TEXT, kind, chunks, fingerprint="f1", sources=[event], **more)  # type: ignore[arg-type]
    return event, handle.id


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory.open(tmp_path / "memory.db")


def test_it_comes_back_with_all_that_was_said_of_it(memory: Memory) -> None:
    event = memory.add(TEXT, namespace="acme/ada", session="s1").event_ids[0]
    handle = memory.keep_payload(
        TEXT,
        "kv-block",
        iter([BLOCK[:5], BLOCK[5:]]),
        fingerprint="f1",
        sources=[event],
        media_type="application/x",
        metadata={"tokens": 9, "layers": 4, "milliseconds_saved": 12.5, "colour": "blue"},
        namespace="acme/ada",
        session="s1",
    )
    assert (handle.fingerprint, handle.bytes, handle.tokens, handle.layers) == ("f1", len(BLOCK), 9, 4)
    assert handle.milliseconds_saved == 12.5
    assert memory.payload(handle.id) == BLOCK
    (found,) = memory.payloads(namespace="acme/*")
    assert (found.kind, found.content, found.sources, found.session) == ("kv-block", TEXT, (event,), "s1")
    assert found.metadata["colour"] == "blue"
    assert found.payload is not None
    assert (found.payload.bytes, found.payload.media_type) == (len(BLOCK), "application/x")
    assert memory.payloads(namespace="acme") == []
    assert memory.payloads("adapter", namespace="acme/*") == []
    assert memory.payloads(fingerprint="f2", namespace="acme/*") == []


def test_nobody_finds_it_by_words_and_a_context_names_it(memory: Memory) -> None:
    memory.add("Lunch was soup.")
    event, id = kept(memory, metadata={"tokens": 9, "layers": 4, "milliseconds_saved": 12.5})
    _, adapter = kept(memory, b"trained", "adapter")
    assert {hit.kind for hit in memory.search("spare key flower pot")} == {"passage"}
    context = memory.context("where is the spare key?", k=1)
    assert [h.id for h in context.kv + context.weights if event in context.hits[0].event_ids] == [id]
    context = memory.context("where is the spare key?", k=3)
    assert [(h.id, h.bytes, h.layers, h.milliseconds_saved) for h in context.kv] == [
        (id, len(BLOCK), 4, 12.5)
    ]
    assert [h.id for h in context.weights] == [adapter]
    assert memory.context("what was for lunch?", k=1).kv == ()
    assert not [p for p in memory.check() if "vector" in p.what or "payload" in p.what]


def test_a_corrected_text_no_longer_offers_its_block(memory: Memory) -> None:
    event, id = kept(memory)
    memory.update(event, "The spare key is under the red flower pot.")
    assert memory.context("where is the spare key?").kv == ()
    memory.keep_payload("...", "kv-block", b"new", fingerprint="f1", sources=[event], id=id)
    assert [h.id for h in memory.context("where is the spare key?").kv] == [id]


def test_a_new_version_stands_in_place_of_the_old(memory: Memory) -> None:
    event, id = kept(memory)
    digest = memory.payloads()[0].payload
    memory.keep_payload(TEXT, "kv-block", b"smaller", fingerprint="f1", sources=[event], id=id)
    assert memory.payload(id) == b"smaller"
    assert [(r.change, r.version, r.reason) for r in memory.history(id)] == [
        ("ADD", 1, ""),
        ("UPDATE", 2, "kept"),
    ]
    assert digest is not None
    assert memory._house.store.payloads.size("default", digest.digest) is None
    with pytest.raises(NotFound, match="no adapter"):
        memory.keep_payload(TEXT, "adapter", b"x", fingerprint="f1", sources=[event], id=id)


def test_dropped_bytes_leave_the_text(memory: Memory) -> None:
    event, id = kept(memory)
    assert memory.drop_payload(id)
    assert not memory.drop_payload(id)
    with pytest.raises(NotFound, match="dropped"):
        memory.payload(id)
    assert [(e.content, e.payload) for e in memory.payloads()] == [(TEXT, None)]
    assert memory.context("where is the spare key?").kv == ()
    assert memory.check() == []
    memory.keep_payload(TEXT, "kv-block", BLOCK, fingerprint="f1", sources=[event], id=id)
    assert memory.payload(id) == BLOCK
    rows = [row for row in memory.audit().items if "payload" in row["action"]]
    assert [row["action"] for row in rows] == ["keep_payload", "drop_payload", "keep_payload"]
    assert all(id in json.dumps(row) for row in rows)


def test_two_with_the_same_bytes_do_not_take_them_from_each_other(memory: Memory) -> None:
    _, one = kept(memory)
    _, other = kept(memory)
    assert memory.drop_payload(one)
    assert memory.payload(other) == BLOCK


def test_an_erased_event_takes_it_along(memory: Memory, tmp_path: Path) -> None:
    event, id = kept(memory)
    other = memory.add("Lunch was soup.").event_ids[0]
    both = memory.keep_payload(
        "both", "adapter", b"trained on both", fingerprint="f1", sources=[event, other]
    )
    blobs = tmp_path / "memory.db.blobs"
    assert sum(p.is_file() for p in blobs.rglob("*")) == 2
    memory.delete(event)
    for gone in (id, both.id):
        with pytest.raises(NotFound):
            memory.payload(gone)
    assert memory.payloads() == []
    assert sum(p.is_file() for p in blobs.rglob("*")) == 0


def test_a_later_version_goes_with_what_an_earlier_one_learnt(memory: Memory) -> None:
    """An adapter trained on from its version before holds what that one learnt, whatever its sources say."""
    event, id = kept(memory, kind="adapter")
    other = memory.add("Lunch was soup.").event_ids[0]
    memory.keep_payload("soup", "adapter", b"trained on", fingerprint="f1", sources=[other], id=id)
    memory.delete(event)
    assert memory.payloads() == []


def test_a_rejected_one_is_offered_no_more(memory: Memory) -> None:
    _, id = kept(memory)
    memory.delete(id)
    assert memory.payloads() == []
    assert memory.context("where is the spare key?").kv == ()


def test_a_rebuild_and_another_recipe_leave_it(memory: Memory) -> None:
    _, id = kept(memory)
    memory.rebuild("full-context-first" if "full-context-first" in Memory.catalogue() else None)
    memory.rebuild("engrams")
    assert memory.payload(id) == BLOCK
    assert [h.id for h in memory.context("where is the spare key?").kv] == [id]


def test_a_container_carries_it(memory: Memory, tmp_path: Path) -> None:
    event, id = kept(memory)
    memory.export_container(tmp_path / "all.engram")
    with Memory.open(tmp_path / "other.db") as other:
        other.restore_container(tmp_path / "all.engram")
        assert other.payload(id) == BLOCK
        assert other.payloads()[0].sources == (event,)
        other.delete(event)
        assert other.payloads() == []


def test_an_encrypted_memory_keeps_it_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGRAMS_KEY", "correct horse battery staple")
    with Memory.open(tmp_path / "sealed.db") as memory:
        _, id = kept(memory)
        assert memory.payload(id) == BLOCK
        assert memory.drop_payload(id)
        _, id = kept(memory)
    raw = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert BLOCK not in raw
    assert b"flower" not in raw


def test_keys_do_what_their_rights_allow(memory: Memory) -> None:
    _, id = kept(memory)
    reader = memory.held_by(memory.create_key("r", {"default": "read"}).secret or "")
    stranger = memory.held_by(memory.create_key("s", {"acme/*": "admin"}).secret or "")
    assert reader.payload(id) == BLOCK
    assert [e.id for e in reader.payloads()] == [id]
    with pytest.raises(Denied):
        reader.drop_payload(id)
    with pytest.raises(Denied):
        reader.keep_payload(TEXT, "kv-block", b"x", fingerprint="f", sources=[id])
    with pytest.raises(NotFound):
        stranger.payload(id)
    with pytest.raises(Denied):
        stranger.payloads()
    with pytest.raises(NotFound):
        stranger.keep_payload(TEXT, "kv-block", b"x", fingerprint="f", sources=[id], namespace="acme/ada")
    assert memory.payload(id) == BLOCK


def test_a_quota_of_bytes_counts_it(memory: Memory) -> None:
    event = memory.add("x" * 50).event_ids[0]
    memory.retain("default", quota_bytes=100)
    memory.keep_payload("x", "kv-block", b"b" * 30, fingerprint="f", sources=[event])
    with pytest.raises(OverBudget):
        memory.keep_payload("x", "kv-block", iter([b"c" * 15, b"c" * 6]), fingerprint="f", sources=[event])
    memory.keep_payload("x", "kv-block", iter([b"c" * 14, b"c" * 6]), fingerprint="f", sources=[event])
    assert [e.payload.bytes for e in memory.payloads() if e.payload] == [30, 20]


def test_what_cannot_be_kept_is_refused(memory: Memory) -> None:
    event = memory.add(TEXT).event_ids[0]
    elsewhere = memory.add(TEXT, namespace="acme").event_ids[0]
    refused: list[tuple[type[Exception], dict[str, object]]] = [
        (UsageError, {"sources": []}),
        (UsageError, {"sources": event}),
        (NotFound, {"sources": [elsewhere]}),
        (NotFound, {"sources": ["nobody"]}),
        (BadSetting, {"kind": "passage"}),
        (BadSetting, {"fingerprint": ""}),
        (BadSetting, {"media_type": "a\nb"}),
        (BadSetting, {"content": b"bytes"}),
        (BadSetting, {"metadata": {"when": object()}}),
        (NotFound, {"id": event}),
    ]
    for kind, wrong in refused:
        given: dict[str, object] = {
            "content": TEXT,
            "kind": "kv-block",
            "chunks": b"x",
            "fingerprint": "f",
            "sources": [event],
        }
        with pytest.raises(kind):
            memory.keep_payload(**(given | wrong))  # type: ignore[arg-type]
    assert memory.payloads() == []
    with pytest.raises(BadSetting):
        memory.payloads("passage")


def test_text_alone_is_an_engram_like_others(memory: Memory) -> None:
    _, id = kept(memory)
    found = memory.get(id)
    assert isinstance(found, Engram)
    assert (found.recipe, found.content) == ("payloads", TEXT)
    assert not isinstance(found, Mismatch)
