"""Containers: an exact round trip, a merge that counts once, parts by namespace, and files that are refused whole."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from engrams import Memory
from engrams.errors import Corrupt, Denied, EngramsError, NewerSchema, NotFound, UnknownFormat, UsageError
from engrams.lifecycle import container_reading
from engrams.lifecycle.container import MANIFEST, PAYLOADS, digest_of
from engrams.records import Payload
from tests.contracts.stores import commit_of, from_event, said


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    """A memory with corrections, rejections, pins, an erased event, odd texts and two tenants."""
    with Memory.open(tmp_path / "source.db") as made:
        ids = [
            made.add(text, namespace=name, session=session, metadata={"n": n}).event_ids[0]
            for n, (text, name, session) in enumerate(
                [
                    ("Anna moved to Porto in May.", "acme/ann", "s1"),
                    ("She has a cat called Miso. \ud800 ü 中文 🚀", "acme/ann", "s1"),
                    ("Bob plays the oboe.", "acme/bob", None),
                    ("Soon to be erased.", "acme/bob", None),
                    ("Carla grows tomatoes.", "zeta", "garden"),
                    ("Wrong from the start.", "zeta", "garden"),
                ]
            )
        ]
        made.update(ids[0], "Anna moved to Lisbon in May.", reason="she said so")
        made.update(ids[0], "Anna moved to Faro in May.")
        made.pin(ids[2])
        rejected = made.history(ids[5])[0].engram_id
        assert rejected is not None
        made.delete(rejected)
        made.delete(ids[3])
        yield made


def everything(memory: Memory) -> dict[str, Any]:
    """All that a memory shows of itself."""
    out: dict[str, Any] = {}
    for name in memory.namespaces():
        events = list(memory.log(namespace=name, limit=1000))
        out[name] = {
            "events": [asdict(e) for e in events],
            "engrams": [asdict(e) for e in memory.get_all(namespace=name, limit=1000)],
            "history": {
                e.id: [asdict(r) for r in memory.history(e.id)] for e in events if e.kind == "message"
            },
        }
    return out


def test_the_round_trip_is_exact(memory: Memory, place: str, tmp_path: Path) -> None:
    made = memory.export_container(tmp_path / "m.engrams")
    assert (made.events, made.namespaces) == (9, ("acme/ann", "acme/bob", "zeta"))
    with Memory.open(place) as back:
        merged = back.restore_container(tmp_path / "m.engrams")
        assert (merged.events, merged.repeated, merged.conflicts) == (9, 0, ())
        assert everything(back) == everything(memory)
        assert back.check() == []
        again = back.export_container(tmp_path / "again.engrams")
        assert again.digest == made.digest  # also of a container that another kind of store wrote
        hits = back.search("where does Anna live?", namespace="acme/ann")
        assert hits[0].text == "Anna moved to Faro in May."
        assert [h.text for h in hits] == [
            h.text for h in memory.search("where does Anna live?", namespace="acme/ann")
        ]
        # What was erased there is not written again here, and a second restore finds all of it.
        assert back.restore_container(tmp_path / "m.engrams").repeated == merged.events + merged.versions


def test_a_container_is_the_same_bytes_but_for_its_time(memory: Memory, tmp_path: Path) -> None:
    files = [tmp_path / "a.engrams", tmp_path / "b.engrams"]
    for file in files:
        memory.export_container(file)
    one, two = (zipfile.ZipFile(file) for file in files)
    names = one.namelist()
    assert names == two.namelist()
    assert all(one.read(name) == two.read(name) for name in names if name != MANIFEST)
    manifests = [json.loads(z.read(MANIFEST)) for z in (one, two)]
    for manifest in manifests:
        assert manifest.pop("made_at")
    assert manifests[0] == manifests[1]


def test_part_of_a_memory_can_be_exported(memory: Memory, tmp_path: Path) -> None:
    made = memory.export_container(tmp_path / "acme.engrams", namespace="acme/*")
    assert made.namespaces == ("acme/ann", "acme/bob")
    with Memory.open(":memory:") as back:
        back.restore_container(tmp_path / "acme.engrams")
        assert back.namespaces() == ["acme/ann", "acme/bob"]


def test_split_and_put_together_again(memory: Memory, tmp_path: Path) -> None:
    whole = memory.export_container(tmp_path / "m.engrams")
    parts = memory.split_container(tmp_path / "m.engrams", tmp_path / "parts")
    assert sorted(p.namespaces for p in parts) == [("acme/ann",), ("acme/bob",), ("zeta",)]
    assert sum(p.events for p in parts) == whole.events
    with Memory.open(":memory:") as back:
        for part in sorted(parts, key=lambda p: p.namespaces):
            back.restore_container(part.path)
        assert everything(back) == everything(memory)
    with pytest.raises(UsageError, match="there already"):
        memory.split_container(tmp_path / "m.engrams", tmp_path / "parts")


# --- merge


BLOCKS = {"acme/ann": b"\x00\x01 a block of numbers" * 100_000, "zeta": b"another"}


def block(memory: Memory, namespace: str, raw: bytes, kind: str = "adapter") -> str:
    """An engram with a payload, as a step would commit it; its digest."""
    store = memory._house.store
    digest = store.payloads.put(namespace, [raw])
    event = said(f"learnt {len(raw)}", namespace)
    made = from_event(event, payload=Payload(digest, len(raw), "application/octet-stream"), kind=kind)
    store.commit(commit_of([event], [made], namespace, writer=memory.recipe.writer))
    return digest


def test_payloads_come_along(memory: Memory, tmp_path: Path) -> None:
    digests = {name: block(memory, name, raw) for name, raw in BLOCKS.items()}
    block(memory, "acme/bob", BLOCKS["zeta"])  # the same bytes in another namespace: once in the file
    cache = block(memory, "zeta", b"cache", "kv-block")
    memory._house.store.payloads.drop("zeta", cache)
    made = memory.export_container(tmp_path / "m.engrams")
    with zipfile.ZipFile(tmp_path / "m.engrams") as archive:
        held = [name for name in archive.namelist() if name.startswith(PAYLOADS)]
        assert held == [f"{PAYLOADS}{digest}" for digest in sorted(digests.values())]
    parts = memory.split_container(tmp_path / "m.engrams", tmp_path / "parts")
    for sources in ([tmp_path / "m.engrams"], [Path(part.path) for part in parts]):
        with Memory.open(":memory:") as back:
            for source in sources:
                back.restore_container(source)
            store = back._house.store.payloads
            for name, raw in BLOCKS.items():
                assert b"".join(store.open(name, digests[name])) == raw
            assert b"".join(store.open("acme/bob", digests["zeta"])) == BLOCKS["zeta"]
            assert store.size("zeta", cache) is None
            assert back.check() == []
            assert everything(back) == everything(memory)
            if len(sources) == 1:
                assert back.export_container(tmp_path / "again.engrams").digest == made.digest
    with Memory.open(":memory:") as other:
        other.merge_container(tmp_path / "m.engrams")
        assert other._house.store.payloads.size("zeta", digests["zeta"]) == len(BLOCKS["zeta"])


def test_an_erased_payload_is_in_no_container(memory: Memory, tmp_path: Path) -> None:
    digest = block(memory, "zeta", b"xylotomous")
    [event] = [e for e in memory.log(namespace="zeta", limit=100) if e.content == "learnt 10"]
    memory.delete(event.id)
    memory.export_container(tmp_path / "m.engrams")
    with zipfile.ZipFile(tmp_path / "m.engrams") as archive:
        assert [n for n in archive.namelist() if digest in n] == []
        assert not any(b"xylotomous" in archive.read(n) for n in archive.namelist())


def test_the_cards_of_all_recipes_that_derived_something_come_along(memory: Memory, tmp_path: Path) -> None:
    """One is open; another writer's engrams lie beside."""
    other = next(r for r in Memory.catalogue().values() if r.writer == r.name != memory.recipe.writer)
    event = said("derived by another", "zeta")
    memory._house.store.commit(commit_of([event], [from_event(event, recipe=other.writer)], "zeta"))
    memory.export_container(tmp_path / "m.engrams")
    wanted = {f"recipes/{r.name}.txt": r.card() + "\n" for r in (memory.recipe, other)}
    parts = memory.split_container(tmp_path / "m.engrams", tmp_path / "parts")
    for source in (tmp_path / "m.engrams", *(Path(p.path) for p in parts)):
        with zipfile.ZipFile(source) as archive:
            cards = {n: archive.read(n).decode() for n in archive.namelist() if n.startswith("recipes/")}
        assert cards == wanted


def test_a_container_of_version_1_is_still_read(memory: Memory, tmp_path: Path) -> None:
    memory.export_container(tmp_path / "m.engrams")
    old = rewritten(tmp_path / "m.engrams", tmp_path / "old.engrams", of_version(1), mend=False)
    with Memory.open(":memory:") as back:
        assert back.restore_container(old).events == 9
        assert everything(back) == everything(memory)


def test_a_payload_that_is_another_is_refused(memory: Memory, tmp_path: Path) -> None:
    digest = block(memory, "zeta", b"learnt")
    memory.export_container(tmp_path / "m.engrams")
    bad = rewritten(
        tmp_path / "m.engrams", tmp_path / "bad.engrams", put(f"{PAYLOADS}{digest}", b"poison"), mend=True
    )
    with Memory.open(":memory:") as back:
        with pytest.raises(Corrupt, match="not the payload that its name says"):
            back.restore_container(bad)
        assert back.stats().events == 0


@pytest.mark.parametrize("payload", ['"../../evil"', '"abc"', "5", "null"])
def test_a_payload_is_named_by_a_digest_and_nothing_else(
    memory: Memory, tmp_path: Path, payload: str
) -> None:
    digest = block(memory, "zeta", b"learnt")
    memory.export_container(tmp_path / "m.engrams")
    change = edited("engrams.jsonl", f'"{digest}"'.encode(), payload.encode())
    bad = rewritten(tmp_path / "m.engrams", tmp_path / "bad.engrams", change, mend=True)
    with Memory.open(":memory:") as back, pytest.raises(UnknownFormat, match="a payload that is none"):
        back.restore_container(bad)


def test_what_both_know_counts_once_and_conflicts_are_shown(tmp_path: Path) -> None:
    when = "2024-05-01T10:00:00Z"
    with Memory.open(tmp_path / "ours.db") as ours, Memory.open(tmp_path / "theirs.db") as theirs:
        shared = ours.add("We both heard this.", occurred_at=when).event_ids[0]
        ours.export_container(tmp_path / "shared.engrams")
        theirs.restore_container(tmp_path / "shared.engrams")
        ours.update(shared, "We both heard that, I think.")
        theirs.update(shared, "We both heard it, surely.")
        for memory in (ours, theirs):  # the same words at the same time, told to both apart
            memory.add("Told to both apart.", occurred_at=when)
        theirs.add("Only they know.", occurred_at=when)
        theirs.export_container(tmp_path / "theirs.engrams")
        merged = ours.merge_container(tmp_path / "theirs.engrams")
        assert (merged.alike, merged.erased) == (1, 0)
        assert [(c.kind, c.ours, c.theirs) for c in merged.conflicts] == [
            ("engram", "We both heard that, I think.", "We both heard it, surely.")
        ]
        texts = sorted(e.content for e in ours.get_all())
        assert texts == ["Only they know.", "Told to both apart.", "We both heard that, I think."]
        assert ours.check() == []
        again = ours.merge_container(tmp_path / "theirs.engrams")
        assert (again.events, again.versions, again.links) == (0, 0, 0)


def test_what_was_erased_here_stays_erased(memory: Memory, tmp_path: Path) -> None:
    memory.export_container(tmp_path / "m.engrams")
    gone = next(e for e in memory.log(namespace="zeta") if "tomatoes" in e.content)
    memory.delete(gone.id)
    for take in (memory.restore_container, memory.merge_container):
        merged = take(tmp_path / "m.engrams")
        assert (merged.erased, merged.events, merged.versions) == (1, 0, 0)
    assert "tomatoes" not in json.dumps([e.content for e in memory.log(namespace="zeta")])
    assert memory.check() == []


def test_later_versions_of_theirs_follow_ours(memory: Memory, tmp_path: Path) -> None:
    with Memory.open(tmp_path / "other.db") as other:
        memory.export_container(tmp_path / "then.engrams")
        other.restore_container(tmp_path / "then.engrams")
        event = next(e for e in memory.log(namespace="acme/bob") if e.kind == "message")
        memory.update(event.id, "Bob plays the bassoon.")
        memory.export_container(tmp_path / "now.engrams")
        merged = other.merge_container(tmp_path / "now.engrams")
        assert (merged.events, merged.versions, merged.conflicts) == (1, 1, ())
        assert everything(other) == everything(memory)


# --- signatures


def test_a_shared_secret_signs(memory: Memory, tmp_path: Path) -> None:
    assert memory.export_container(tmp_path / "m.engrams", signing_key=b"a shared secret").signed
    memory.export_container(tmp_path / "plain.engrams")
    with Memory.open(":memory:") as back:
        with pytest.raises(Denied, match="not of this key"):
            back.restore_container(tmp_path / "m.engrams", signing_key=b"another")
        with pytest.raises(Denied, match="carries no signature"):
            back.restore_container(tmp_path / "plain.engrams", signing_key=b"a shared secret")
        assert back.stats().events == 0
        assert back.restore_container(tmp_path / "m.engrams", signing_key=b"a shared secret").events == 9


def test_a_key_pair_signs(memory: Memory, tmp_path: Path) -> None:
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    from cryptography.hazmat.primitives import serialization as ser

    def pair() -> tuple[bytes, bytes]:
        private = ed25519.Ed25519PrivateKey.generate()
        return (
            private.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, ser.NoEncryption()),
            private.public_key().public_bytes(ser.Encoding.PEM, ser.PublicFormat.SubjectPublicKeyInfo),
        )

    (private, public), (_, stranger) = pair(), pair()
    memory.export_container(tmp_path / "m.engrams", signing_key=private)
    with Memory.open(":memory:") as back:
        with pytest.raises(Denied):
            back.restore_container(tmp_path / "m.engrams", signing_key=stranger)
        assert back.restore_container(tmp_path / "m.engrams", signing_key=public).events == 9
    with pytest.raises(UnknownFormat, match="Ed25519 private key"):
        memory.export_container(tmp_path / "n.engrams", signing_key=public)


# --- what is refused, before anything is written


def rewritten(source: Path, target: Path, change: Callable[[dict[str, bytes]], None], *, mend: bool) -> Path:
    """A container with its members changed; `mend`: with a manifest that fits them."""
    import hashlib

    with zipfile.ZipFile(source) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    if mend:
        manifest = json.loads(members[MANIFEST])
        inside = {n: raw for n, raw in members.items() if n != MANIFEST}
        listed = {
            n: {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)} for n, raw in inside.items()
        }
        manifest |= {"members": listed, "digest": digest_of(listed)}
        members[MANIFEST] = json.dumps(manifest).encode()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return target


def put(name: str, raw: bytes) -> Callable[[dict[str, bytes]], None]:
    return lambda members: members.__setitem__(name, raw)


def edited(name: str, old: bytes, new: bytes) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        assert old in members[name]
        members[name] = members[name].replace(old, new)

    return change


def of_version(number: int) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        members[MANIFEST] = json.dumps(json.loads(members[MANIFEST]) | {"version": number}).encode()

    return change


@pytest.mark.parametrize(
    ("change", "mend", "error", "says"),
    [
        (edited("journal.jsonl", b"oboe", b"drum"), False, Corrupt, "not what was written"),
        (put("journal.jsonl", b""), False, Corrupt, "not what was written"),
        (put("../../evil.jsonl", b"{}"), True, Corrupt, "which no container has"),
        (put("/etc/passwd", b"x"), True, Corrupt, "which no container has"),
        (put("recipes/engrams.py", b"import os"), True, Corrupt, "which no container has"),
        (put("recipes/other.txt", b"x"), False, Corrupt, "the manifest names"),
        (lambda m: m.pop("links.jsonl"), True, Corrupt, "the manifest names"),
        (lambda m: m.pop(MANIFEST), False, UnknownFormat, "archive of something else"),
        (of_version(3), False, NewerSchema, "version 3.*upgrade engrams"),
        (put(MANIFEST, b"{}"), False, UnknownFormat, "no container"),
        (put(MANIFEST, b"not json"), False, UnknownFormat, "no container"),
        (put("journal.jsonl", b"not json\n"), True, UnknownFormat, "journal.jsonl, row 1"),
        (put("journal.jsonl", b"[1]\n"), True, UnknownFormat, "journal.jsonl, row 1"),
        (edited("journal.jsonl", b'"content"', b'"contend"'), True, UnknownFormat, "unknown field"),
        (
            edited("engrams.jsonl", b'"state":"active"', b'"state":"alive"'),
            True,
            UnknownFormat,
            "unknown state",
        ),
        (edited("engrams.jsonl", b'"version":1', b'"version":0'), True, UnknownFormat, "version"),
        (edited("engrams.jsonl", b'"counts":"', b'"counts":"AQEB'), True, UnknownFormat, "index entry"),
        (put("journal.jsonl", b""), True, Corrupt, "which is not there"),
        (lambda m: m.update({"journal.jsonl": m["journal.jsonl"] * 2}), True, Corrupt, "there twice"),
    ],
)
def test_what_is_damaged_or_built_to_harm_is_refused_before_anything_is_written(
    memory: Memory,
    tmp_path: Path,
    change: Callable[[dict[str, bytes]], None],
    mend: bool,
    error: type[EngramsError],
    says: str,
) -> None:
    memory.export_container(tmp_path / "m.engrams")
    bad = rewritten(tmp_path / "m.engrams", tmp_path / "bad.engrams", change, mend=mend)
    before = sorted(p.name for p in tmp_path.rglob("*"))
    with Memory.open(":memory:") as back:
        for take in (back.restore_container, back.merge_container):
            with pytest.raises(error, match=says):
                take(bad)
        assert back.stats().events == back.stats().engrams == 0
    assert sorted(p.name for p in tmp_path.rglob("*")) == before


def test_a_bomb_is_not_unpacked(memory: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.export_container(tmp_path / "m.engrams")
    bomb = rewritten(
        tmp_path / "m.engrams", tmp_path / "bomb.engrams", put("recipes/a.txt", bytes(10**6)), mend=True
    )
    monkeypatch.setattr(container_reading, "SMALL", 10**5)
    with pytest.raises(Corrupt, match="would unpack to 1,000,000 bytes from"):
        memory.restore_container(bomb)
    with pytest.raises(Corrupt, match="the limit is 1,000"):
        container_reading.checked(bomb, most_bytes=1000)


def test_any_cut_or_flipped_byte_is_noticed_or_harmless(memory: Memory, tmp_path: Path) -> None:
    made = memory.export_container(tmp_path / "m.engrams")
    raw = (tmp_path / "m.engrams").read_bytes()
    chance, bad = random.Random(9), tmp_path / "bad.engrams"
    refused = 0
    for number in range(60):
        changed = bytearray(raw)
        if number % 3 == 0:
            del changed[chance.randrange(len(raw)) :]
        else:
            changed[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        bad.write_bytes(changed)
        try:
            found = container_reading.checked(bad)
        except (Corrupt, UnknownFormat, NewerSchema):
            refused += 1
        else:  # a byte that means nothing, such as a time stamp of the archive
            assert found.manifest["digest"] == made.digest
    assert refused >= 40


@pytest.mark.parametrize("raw", [b"", b"hello", b"SQLite format 3\0", b"{}\n", b"PK\x03\x04 and no more"])
def test_what_is_no_container_is_named(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "x").write_bytes(raw)
    with Memory.open(":memory:") as memory:
        with pytest.raises((UnknownFormat, Corrupt)):
            memory.restore_container(tmp_path / "x")
        with pytest.raises(NotFound):
            memory.restore_container(tmp_path / "none")


def test_an_archive_of_something_else(tmp_path: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("conversations.json", "[]")
    (tmp_path / "x.zip").write_bytes(held.getvalue())
    with Memory.open(":memory:") as memory, pytest.raises(UnknownFormat, match="something else"):
        memory.restore_container(tmp_path / "x.zip")
