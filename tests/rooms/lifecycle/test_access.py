"""Keys: what each right opens and what it does not, what is stored of a key, and an audit that shows what was changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engrams import Memory
from engrams.errors import BadSetting, Denied, NotFound, UsageError
from engrams.lifecycle.access import Grant
from engrams.lifecycle.access_store import GuardedIndex, GuardedStore
from engrams.ports import Index, Jobs, Revised, Store, Where
from engrams.ports.payloads import Payloads
from engrams.records import EventId, Job, Progress, Scope
from engrams.store.moving import End
from tests.contracts.stores import at, commit_of, entry, link, said

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
            lambda: guarded.export_container(place.with_name("copy.engrams"), namespace=BOB),
            lambda: guarded.export(place.with_name("copy.jsonl"), namespace=BOB),
            lambda: guarded.restore_container(place),
            lambda: guarded.merge_container(place),
            lambda: guarded.encrypted_copy(place.with_name("copy.db"), "a long passphrase"),
            lambda: guarded.change_key("a long passphrase"),
            lambda: guarded.rebuild(),
            lambda: guarded.verify_audit(),
            lambda: guarded.finish_erasing(),
            lambda: guarded.apply_retention() if guarded.retain(ANN, max_events=1) else None,
        ]
        for number, act in enumerate(refused):
            with pytest.raises(Denied, match="may not"):
                act()
                pytest.fail(f"number {number} was let through")
    assert [memory.stats(namespace=n).events for n in (ANN, BOB, ELSE)] == [1, 1, 1]
    assert sorted(
        p.name for p in place.parent.iterdir() if p.suffix != ".db-wal" and p.suffix != ".db-shm"
    ) == ["m.db"]


def test_what_a_key_may_read_it_may_take_along(memory: Memory, place: Path) -> None:
    memory.delete(memory.add("gone", namespace=BOB).event_ids[0])
    memory.delete(memory.add("gone", namespace=ANN).event_ids[0])
    mine = memory.log(namespace=ANN)[0]
    whole = memory.export_container(place.with_name("whole.engrams"), namespace=ANN)
    key = memory.create_key("reader", {ANN: "read"})
    assert key.secret is not None
    with memory.held_by(key.secret) as view:
        made = view.export_container(place.with_name("ann.engrams"), namespace=ANN)
        assert (made.events, made.digest) == (1, whole.digest)
        assert view.export(place.with_name("ann.jsonl"), namespace=ANN) == 1
        with pytest.raises(Denied, match=r"'backup' needs that"):
            view.backup(place.with_name("copy.db"))
    with Memory.open(place.with_name("new.db")) as new:
        assert new.restore_container(place.with_name("ann.engrams")).events == 1
        assert [e.id for e in new.log(namespace=ANN)] == [mine.id]
        assert new.restore(place.with_name("ann.jsonl")) == 0


def members(port: type) -> set[str]:
    return {name for name in vars(port) if not name.startswith("_")}


def what_moves() -> set[str]:
    """Beside the port: what a move, a container and an encrypted copy ask of a store."""
    return {name for name in dir(End) if not name.startswith("_")} - members(Store)


@pytest.fixture
def guarded(memory: Memory) -> GuardedStore:
    return GuardedStore(memory._house.store, Grant("0", "reader", ((ANN, "read"),)))


def test_somebody_has_decided_about_every_call_of_the_ports(memory: Memory, guarded: GuardedStore) -> None:
    """A call that the ports get and nobody thought about raises for every key, one that administers all included."""
    store, index = memory._house.store, memory._house.index
    chief = Grant("0", "chief", (("*", "admin"),))
    views = {
        Store: GuardedStore(store, chief),
        Jobs: GuardedStore(store, chief).jobs,
        Payloads: GuardedStore(store, chief).payloads,
        Index: GuardedIndex(index, chief),
    }
    for port, view in views.items():
        assert len(members(port)) > 2
        for name in members(port) | (what_moves() if port is Store else set()):
            getattr(view, name)
        with pytest.raises(Denied, match=f"{port.__name__}.added_later .* nobody has decided"):
            view.added_later  # noqa: B018


#: What a key without the right to administer everything may begin to call; what is then asked is refused call by call.
OPEN_TO_READERS = {
    *(
        "location",
        "close",
        "jobs",
        "payloads",
        "commit",
        "erase",
        "touch",
        "first_receipt",
        "events",
        "erased",
    ),
    *("about", "journal", "engrams", "engrams_at", "list_engrams", "matching", "version", "versions"),
    *(
        "derived_from",
        "links",
        "stats",
        "namespaces",
        "progress",
        "known_sources",
        "setting",
        "settings",
        "mark",
    ),
    *("entries", "entry_columns", "entry_vectors", "closings"),
}


def test_the_rest_of_the_port_needs_the_right_to_administer(guarded: GuardedStore) -> None:
    for name in (members(Store) | what_moves()) - OPEN_TO_READERS - {"causes", "tombstones"}:
        with pytest.raises(Denied, match=f"'{name}' needs that"):
            getattr(guarded, name)
    assert {n for n in dir(GuardedStore) if not n.startswith("_")} - members(Store) == {
        "causes",
        "tombstones",
    }


def test_no_call_tells_of_other_namespaces(memory: Memory, guarded: GuardedStore) -> None:
    store, now = memory._house.store, datetime.now(UTC)
    rows = {n: [row.row for row in store.entries(Scope(n))] for n in (ANN, BOB)}
    gone = {n: memory.add("x", namespace=n).event_ids[0] for n in (ANN, BOB)}
    for id in gone.values():
        memory.delete(id)
    memory.retain(BOB, max_events=9)
    memory.retain("acme/*", max_events=7)
    digest = {n: store.payloads.put(n, [n.encode()]) for n in (ANN, BOB)}
    store.jobs.put([Job(n, "derive", "k", n, "engrams", now, now) for n in (ANN, BOB)])
    store.commit(commit_of([said("not looked at", BOB)], namespace=BOB))

    guarded.touch([*rows[ANN], *rows[BOB]], now)
    counted = {n: store.engrams_at(rows[n])[0].recall_count for n in (ANN, BOB)}
    assert counted == {ANN: 1, BOB: 0}
    assert guarded.erased(list(gone.values())) == {gone[ANN]}
    assert [row[0] for row in guarded.tombstones()] == [ANN]
    assert list(guarded.causes([*rows[ANN], *rows[BOB]])) == rows[ANN]
    assert set(guarded.settings("rule:")) == {"rule:acme/*"}
    assert guarded.setting("embedder") == store.setting("embedder")
    assert guarded.progress("engrams") == Progress(1, 1, waiting=1)
    assert store.progress("engrams").waiting == 2
    assert [job.id for job in guarded.jobs.all()] == [ANN]
    assert b"".join(guarded.payloads.open(ANN, digest[ANN])) == ANN.encode()
    assert [b.namespace for b in guarded.payloads.list()] == [ANN]
    refused: list[Callable[[], object]] = [
        lambda: guarded.mark(),
        lambda: guarded.mark(Scope(BOB)),
        lambda: guarded.setting("seal"),
        lambda: guarded.setting("rule:acme/bob"),
        lambda: guarded.settings(""),
        lambda: guarded.settings("erase:"),
        lambda: guarded.looked("engrams", ANN, 10**6),
        lambda: guarded.payloads.put(ANN, [b"x"]),
        lambda: guarded.payloads.drop(ANN, digest[ANN]),
        lambda: guarded.payloads.open(BOB, digest[BOB]),
        lambda: guarded.payloads.size(BOB, digest[BOB]),
        lambda: guarded.payloads.list(BOB),
        lambda: guarded.payloads.collect(now),
        lambda: guarded.jobs.spent(now.date()),
    ]
    for number, act in enumerate(refused):
        with pytest.raises(Denied):
            act()
            pytest.fail(f"number {number} was let through")


def test_a_commit_reaches_no_further_than_the_right_to_write(memory: Memory) -> None:
    store = memory._house.store
    writer = GuardedStore(store, Grant("0", "writer", ((ANN, "write"),)))
    mine, other = (store.list_engrams(Scope(n), Where())[0][1] for n in (ANN, BOB))
    event = store.events([other.sources[0]])[EventId(other.sources[0])]
    stolen = replace(other, namespace=ANN, version=2, content="theirs is mine")
    refused = [
        commit_of([said("x", BOB)], namespace=ANN),
        commit_of(namespace=ANN, revised=(Revised(stolen, entry(), "UPDATE", ""),)),
        commit_of(namespace=ANN, links=(link(mine, other),)),
        commit_of([said("x", ANN, kind="rejection", target=event.id)], namespace=ANN),
        commit_of([said("x", ANN)], namespace=ANN, settings={"rule:acme/*": "{}"}),
        commit_of(
            [said("x", ANN)], namespace=ANN, jobs=(Job("j", "rebuild", "k", ANN, "engrams", at(0), at(0)),)
        ),
    ]
    for number, change in enumerate(refused):
        with pytest.raises(Denied):
            writer.commit(change)
            pytest.fail(f"number {number} was let through")
    writer.commit(commit_of([said("x", ANN)], namespace=ANN, links=(link(mine, mine),)))
    assert store.stats(None).events == 4


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


def test_jobs_of_the_whole_memory_are_not_worked_through_with_a_lesser_key(
    memory: Memory, place: Path
) -> None:
    for rights, allowed in (({"acme/*": "admin"}, False), ({"*": "write"}, False), ({"*": "admin"}, True)):
        key = memory.create_key("worker", rights)
        if allowed:
            Memory.open(place, key=key.secret, background=True).close()
            continue
        with pytest.raises(Denied, match="'background' needs that"):
            Memory.open(place, key=key.secret, background=True)


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


@pytest.mark.parametrize(
    "harm",
    [
        "delete from audit where seq > 1; update position set audit = 1, "
        "digest = (select digest from audit where seq = 1)",
        "delete from audit; update position set audit = 0, digest = ''",
    ],
)
def test_a_digest_kept_elsewhere_shows_a_tail_that_was_cut_off_cleanly(place: Path, harm: str) -> None:
    """With the counter beside it set back, the file alone shows nothing."""
    with Memory.open(place) as memory:
        last = list(memory.audit())[-1]
        head = f"{last['seq']}:{last['digest']}"
        assert memory.verify_audit(head) == []
        memory.add("later", namespace=ANN)
        assert memory.verify_audit(head) == []
    raw = sqlite3.connect(place)
    raw.execute("drop trigger audit_is_never_shortened")
    raw.executescript(harm)
    raw.close()
    with Memory.open(place) as memory:
        assert memory.verify_audit() == []
        [found] = memory.verify_audit(head)
        assert "audit row 3 is not there any more" in found.what
        for n in range(4):
            memory.add(f"new {n}", namespace=ANN)
        [found] = memory.verify_audit(head)
        assert "audit row 3 is another now" in found.what


@pytest.mark.parametrize("head", ["", "3", "3:abc", "x:" + "0" * 64, "-1:" + "0" * 64])
def test_what_is_no_head_is_refused(memory: Memory, head: str) -> None:
    with pytest.raises(BadSetting, match="head"):
        memory.verify_audit(head)


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
