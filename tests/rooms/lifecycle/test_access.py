"""Keys: what each right opens and what it does not, what is stored of a key, and an audit that shows what was changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engrams import Memory
from engrams.errors import BadSetting, Denied, NotFound, UsageError

ANN, BOB, ELSE = "acme/ann", "acme/bob", "zeta"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    with Memory.open(tmp_path / "m.db") as memory:
        for name in (ANN, BOB, ELSE):
            memory.add(f"the kettle of {name}", namespace=name, metadata={"of": name})
    return tmp_path / "m.db"


@pytest.fixture
def memory(place: Path) -> Iterator[Memory]:
    with Memory.open(place) as opened:
        yield opened


def test_a_reader_reads_what_it_names_and_nothing_else(memory: Memory, place: Path) -> None:
    mine, other = (memory.log(namespace=n)[0] for n in (ANN, BOB))
    engram = memory.get_all(namespace=BOB)[0].id
    key = memory.create_key("reader", {ANN: "read"})
    with Memory.open(place, key=key.secret) as guarded:
        assert guarded.search("kettle", namespace=ANN)[0].text == f"the kettle of {ANN}"
        assert guarded.context("kettle", namespace=ANN).found
        assert guarded.get(mine.id).id == mine.id
        assert guarded.namespaces() == [ANN]
        assert guarded.stats(namespace=ANN).events == 1
        for id in (other.id, engram):  # as if they were not there
            for call in (guarded.get, guarded.history, guarded.delete, guarded.pin):
                with pytest.raises(NotFound):
                    call(id)
        refused: list[Callable[[], object]] = [
            lambda: guarded.search("kettle", namespace=BOB),
            lambda: guarded.search("kettle", namespace="acme/*"),
            lambda: guarded.context("kettle"),
            lambda: guarded.get_all(namespace=BOB),
            lambda: guarded.log(namespace=ELSE),
            lambda: guarded.stats(namespace=BOB),
            lambda: guarded.stats(),
            lambda: guarded.add("x", namespace=ANN),
            lambda: guarded.add("x", namespace=BOB),
            lambda: guarded.update(mine.id, "x"),
            lambda: guarded.delete(mine.id),
            lambda: guarded.pin(mine.id),
            lambda: guarded.reset(),
            lambda: guarded.vacuum(),
            lambda: guarded.check(),
            lambda: guarded.audit(),
            lambda: guarded.list_keys(),
            lambda: guarded.create_key("mine", {"*": "admin"}),
            lambda: guarded.revoke_key(key.id),
            lambda: guarded.retain(ANN, max_events=0),
            lambda: guarded.backup(place.with_name("copy.db")),
            lambda: guarded.export_container(place.with_name("copy.engrams")),
        ]
        for number, act in enumerate(refused):
            with pytest.raises(Denied, match="may not"):
                act()
                pytest.fail(f"number {number} was let through")
    assert [memory.stats(namespace=n).events for n in (ANN, BOB, ELSE)] == [1, 1, 1]
    assert sorted(
        p.name for p in place.parent.iterdir() if p.suffix != ".db-wal" and p.suffix != ".db-shm"
    ) == ["m.db"]


def test_a_writer_writes_below_its_path(memory: Memory, place: Path) -> None:
    key = memory.create_key("writer", {"acme/*": "write"})
    with Memory.open(place, key=key.secret, actor="agent") as guarded:
        receipt = guarded.add("a new kettle", namespace=BOB)
        guarded.update(receipt.event_ids[0], "an old kettle")
        assert guarded.search("old kettle", namespace="acme/*")[0].text == "an old kettle"
        guarded.delete(receipt.event_ids[0])
        for namespace in (ELSE, "acme"):
            with pytest.raises(Denied):
                guarded.add("x", namespace=namespace)
        with pytest.raises(Denied):
            guarded.audit()
    actors = {row["actor"] for row in memory.audit()}
    assert f"agent key:{key.id}" in actors


def test_an_administrator_does_everything(memory: Memory, place: Path) -> None:
    key = memory.create_key("chief", {"*": "admin"})
    with Memory.open(place, key=key.secret) as guarded:
        assert guarded.stats().events == 3
        assert guarded.check() == guarded.verify_audit() == []
        other = guarded.create_key("another", {ELSE: "read"})
        assert [k.name for k in guarded.list_keys()] == ["chief", "another"]
        guarded.revoke_key(other.id)
        guarded.reset()


def test_jobs_are_seen_and_changed_as_far_as_the_rights_go(memory: Memory) -> None:
    mine, other = (memory.schedule("consolidate", namespace=n) for n in (ANN, BOB))
    whole = memory.schedule("catch-up")
    assert mine
    assert other
    assert whole
    keys = [memory.create_key("k", {ANN: right}).secret or "" for right in ("read", "write")]
    reader, writer = map(memory.held_by, keys)
    for view in (reader, writer):
        assert [job.id for job in view.jobs()] == [mine]
        for id in (other, whole):  # as if they were not there
            for act in (view.retry_job, view.drop_job):
                with pytest.raises(NotFound):
                    act(id)
    refused: list[Callable[[], object]] = [
        lambda: reader.schedule("consolidate", namespace=ANN),
        lambda: reader.drop_job(mine),
        lambda: writer.schedule("consolidate", namespace=BOB),
        lambda: writer.schedule("rebuild"),
        lambda: writer.work(),
    ]
    for number, call in enumerate(refused):
        with pytest.raises(Denied, match="may not"):
            call()
            pytest.fail(f"number {number} was let through")
    writer.retry_job(mine)
    writer.drop_job(mine)
    assert [job.id for job in memory.jobs()] == [other, whole]


def test_only_a_digest_of_a_key_is_kept(memory: Memory, place: Path) -> None:
    key = memory.create_key("app", {ANN: "read"})
    assert key.secret is not None
    assert key.secret.startswith(f"engrams_{key.id}_")
    assert len(key.secret) > 50
    assert [k.secret for k in memory.list_keys()] == [None]
    assert memory.create_key("app", {ANN: "read"}).secret != key.secret
    memory.vacuum()
    held = b"".join(p.read_bytes() for p in place.parent.iterdir())
    assert key.secret.split("_", 2)[2].encode() not in held


@pytest.mark.parametrize("wrong", ["", "x", "engrams_0_0", "engrams__", 7])
def test_what_is_no_key_opens_nothing(memory: Memory, place: Path, wrong: object) -> None:
    with pytest.raises(Denied, match="opens nothing here"):
        Memory.open(place, key=wrong)  # type: ignore[arg-type]


def test_a_changed_or_revoked_key_opens_nothing(memory: Memory, place: Path) -> None:
    key = memory.create_key("app", {"*": "admin"})
    assert key.secret is not None
    with pytest.raises(Denied):
        Memory.open(place, key=key.secret[:-1] + ("a" if key.secret[-1] != "a" else "b"))
    Memory.open(place, key=key.secret).close()
    assert memory.revoke_key(key.id).revoked_at
    first = memory.list_keys()[0].revoked_at
    assert memory.revoke_key(key.id).revoked_at == first
    with pytest.raises(Denied):
        Memory.open(place, key=key.secret)
    with pytest.raises(NotFound, match="engrams keys list"):
        memory.revoke_key("nobody")


@pytest.mark.parametrize(
    ("name", "rights"),
    [
        ("", {"a": "read"}),
        ("x", {}),
        ("x", {"a": "own"}),
        ("x", {"a//b": "read"}),
        ("x", "read"),
        ("two\nlines", {"a": "read"}),
    ],
)
def test_keys_that_cannot_be_made(memory: Memory, name: str, rights: object) -> None:
    with pytest.raises(BadSetting):
        memory.create_key(name, rights)  # type: ignore[arg-type]
    assert memory.list_keys() == []


# --- the audit


def test_the_audit_pages_and_holds_no_text(memory: Memory) -> None:
    for n in range(5):
        memory.add(f"zyzzyva {n}", namespace=ANN)
    rows = []
    cursor = None
    while True:
        page = memory.audit(limit=3, cursor=cursor)
        rows += page
        cursor = page.next
        if cursor is None:
            break
    assert [row["seq"] for row in rows] == list(range(1, 9))
    assert {row["action"] for row in rows} == {"add"}
    assert "zyzzyva" not in json.dumps(rows)
    assert memory.verify_audit() == []


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        ("update audit set actor = 'nobody' where seq = 2", "row 2 was altered"),
        ("update audit set note = '' where seq = 3", "row 3 was altered"),
        ("delete from audit where seq = 2", "rows 2 to 2 are missing"),
        ("delete from audit where seq = 3", "the audit ends at row 2"),
        ("update audit set digest = 'x' where seq = 1", "row 1 was altered"),
        (
            "insert into audit select 4, at, actor, action, namespace, ids, note, digest from audit where seq = 3",
            "row 4 was altered",
        ),
    ],
)
def test_what_was_done_to_the_audit_is_found(place: Path, harm: str, says: str) -> None:
    raw = sqlite3.connect(place)
    for trigger in ("audit_is_never_altered", "audit_is_never_shortened"):
        raw.execute(f"drop trigger {trigger}")
    raw.execute(harm)
    raw.commit()
    raw.close()
    with Memory.open(place) as memory:
        found = memory.verify_audit()
        assert found
        assert says in found[0].what
        assert "backup" in found[0].mend


def test_a_view_by_key_shares_the_memory_and_leaves_it_open(tmp_path: Path) -> None:
    with Memory.open(tmp_path / "memory.db") as memory:
        memory.add("The tent is in the cellar.", user_id="ann")
        memory.add("The canoe is in the garage.", user_id="ben")
        key = memory.create_key("ann's agent", {"ann": "read"})
        assert key.secret is not None
        with memory.held_by(key.secret) as view:
            assert [hit.text for hit in view.search("Where is the tent?", user_id="ann")] == [
                "The tent is in the cellar."
            ]
            with pytest.raises(Denied, match="may not read ben"):
                view.search("Where is the canoe?", user_id="ben")
            with pytest.raises(UsageError, match="opened with a key already"):
                view.held_by(key.secret)
        assert memory.search("canoe", user_id="ben")
        with pytest.raises(Denied):
            memory.held_by("no key at all")
