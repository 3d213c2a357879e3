"""Files that are no memory, not ours to write, too new, damaged, or on a full disk: each is told apart and left whole."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engrams.errors import BadSetting, Corrupt, Full, NewerSchema, NotAMemory, Unavailable, UsageError
from engrams.ports import Where
from engrams.store import open_store
from engrams.store.sqlite import SqliteStore, care
from tests.contracts.stores import HERE, add, commit_of, from_event, said

Start = Callable[..., "subprocess.Popen[str]"]
ALL = Where()
PAGE = 4_096


def filled(place: Path, turns: int = 3) -> list[str]:
    """A memory of some turns, closed."""
    store = open_store(place)
    texts = [f"turn {number} {'filler ' * 20}" for number in range(turns)]
    add(store, *(said(text) for text in texts))
    store.close()
    return texts


def state_of(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}


def foreign_sqlite(place: Path, journal_mode: str) -> None:
    other = sqlite3.connect(place)
    other.execute(f"pragma journal_mode = {journal_mode}")
    other.execute("create table theirs (x)")
    other.execute("insert into theirs values ('precious')")
    other.commit()
    other.close()


# --- what is no memory


@pytest.mark.parametrize(
    "content",
    [
        b"hello",
        b"\0" * 5000,
        b"SQLite format 3",
        b"SQLite format 3\0" + b"x" * 200,
        b"PK\x03\x04zip",
        b"{}\n",
    ],
)
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, content: bytes) -> None:
    place = tmp_path / "notes.txt"
    place.write_bytes(content)
    before = state_of(tmp_path)
    with pytest.raises(NotAMemory, match="left it alone; choose another path"):
        open_store(place)
    assert state_of(tmp_path) == before


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
def test_another_programs_database_is_left_alone(tmp_path: Path, journal_mode: str) -> None:
    place = tmp_path / "theirs.db"
    foreign_sqlite(place, journal_mode)
    before = state_of(tmp_path)
    with pytest.raises(NotAMemory, match="another program's SQLite database"):
        open_store(place)
    assert state_of(tmp_path) == before


def test_a_later_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    place = tmp_path / "memory.db"
    filled(place)
    later = sqlite3.connect(place)
    later.execute("pragma user_version = 99")
    later.close()
    before = state_of(tmp_path)
    with pytest.raises(NewerSchema, match=r"schema 99.*upgrade engrams"):
        open_store(place)
    assert state_of(tmp_path) == before


@pytest.mark.parametrize("place", ["", " ", "a\0b"])
def test_a_path_that_is_none_is_refused(place: str) -> None:
    with pytest.raises(BadSetting, match="path"):
        open_store(place)


def test_a_folder_or_a_pipe_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="found a folder"):
        open_store(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Unavailable, match="found a device or pipe"):
        open_store(tmp_path / "pipe")


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(Unavailable, match="file"):
        open_store(tmp_path / "file" / "memory.db")


# --- what is made


def test_missing_folders_are_made_and_only_the_owner_reads(tmp_path: Path) -> None:
    place = tmp_path / "new" / "deep er" / "memory?#%41.db"
    store = open_store(place)
    add(store, said())
    assert place.is_file()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.parent.iterdir()}
    assert set(modes.values()) == {0o600}
    assert store.location == str(place)
    store.close()
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_an_empty_file_becomes_a_memory(tmp_path: Path) -> None:
    place = tmp_path / "memory.db"
    place.touch()
    assert filled(place)


def test_a_relative_path_stays_where_it_was_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store("memory.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    add(store, said())
    assert store.stats(None).bytes > 0
    store.close()
    assert (tmp_path / "memory.db").is_file()


def test_a_link_is_followed(tmp_path: Path) -> None:
    texts = filled(tmp_path / "memory.db")
    (tmp_path / "link.db").symlink_to(tmp_path / "memory.db")
    store = open_store(tmp_path / "link.db")
    assert [event.content for _, event in store.journal(HERE, ALL)] == texts
    store.close()


# --- damage


def test_a_damaged_page_is_found_and_named(tmp_path: Path) -> None:
    place = tmp_path / "memory.db"
    filled(place, 2_000)
    raw = bytearray(place.read_bytes())
    chance = random.Random(3)
    pages = len(raw) // PAGE
    for page in chance.sample(range(pages // 4, pages), pages // 3):
        raw[page * PAGE : (page + 1) * PAGE] = chance.randbytes(PAGE)
    place.write_bytes(raw)
    store = open_store(place)
    problems = store.check()
    assert problems
    assert all(problem.severity == "error" and "damaged" in problem.what for problem in problems)
    assert all("backup" in problem.mend for problem in problems)
    with pytest.raises(Corrupt, match="engrams doctor"):
        store.journal(HERE, ALL, limit=10_000)
    store.close()


@pytest.mark.parametrize("keep", [200, PAGE, 3 * PAGE])
def test_a_cut_off_file_is_damaged_not_empty(tmp_path: Path, keep: int) -> None:
    place = tmp_path / "memory.db"
    filled(place)
    place.write_bytes(place.read_bytes()[:keep])
    with pytest.raises(Corrupt, match="damaged"):
        store = open_store(place)
        try:
            store.journal(HERE, ALL)
        finally:
            store.close()


def test_damage_to_the_schema_is_damage(tmp_path: Path) -> None:
    place = tmp_path / "memory.db"
    filled(place)
    raw = bytearray(place.read_bytes())
    raw[100:PAGE] = b"\xff" * (PAGE - 100)
    place.write_bytes(raw)
    with pytest.raises(Corrupt, match="restore a backup"):
        open_store(place)


def test_a_memory_without_its_tables_is_damaged(tmp_path: Path) -> None:
    place = tmp_path / "memory.db"
    filled(place)
    other = sqlite3.connect(place)
    other.execute("drop table position")
    other.commit()
    other.close()
    with pytest.raises(Corrupt, match="table"):
        open_store(place)


DAMAGE = {
    "engram without contents": 'delete from contents where "row" = 1; delete from sources where "row" = 1',
    "contents without an engram": 'delete from engrams where "row" = 1',
    "engram whose source is gone": "update sources set source = 'x' where \"row\" = 1",
    "terms and counts differ": "update engrams set counts = x'' where \"row\" = 1",
    "more than one current": "insert into engrams select ns, 99, id, 2, event, thread, session, agent_id, run_id, speaker, "
    "role, kind, recipe, state, pinned, occurred_at, recorded_at, closed_at, valid_from, valid_to, length, flags, terms, "
    'counts, pieces from engrams where "row" = 1; insert into contents select 99, ns, content, keys, payload, metadata, '
    'strength, confidence, change, actor, reason, event_id from contents where "row" = 1',
    "link with an end that is gone": "insert into links values ('x', 'y', 'next', 'engrams', 1.0, 1)",
    "erased event that is still": "insert into tombstones select id, ns, 0, '' from events where seq = 1",
    "counters are behind": "update position set event = 0",
    "audit row 1 was altered": "drop trigger audit_is_never_altered; update audit set actor = 'mallory' where seq = 1",
    "audit ends at row 0": "drop trigger audit_is_never_shortened; delete from audit",
    "rows point at nothing": 'update sources set "row" = 77 where "row" = 1',
    "engram that cannot be read": 'update contents set metadata = \'{"a\' where "row" = 1',
    "event that cannot be read": "drop trigger events_are_never_altered; update events set attachments = '[' where seq = 1",
    "migrations on record": "delete from migrations",
}


@pytest.mark.parametrize("what", DAMAGE)
def test_check_finds(tmp_path: Path, what: str) -> None:
    place = tmp_path / "memory.db"
    filled(place)
    store = open_store(place)
    assert store.check() == []
    other = sqlite3.connect(place)
    other.executescript(DAMAGE[what])
    other.close()
    found = [problem.what for problem in store.check()]
    assert any(what in each for each in found), found
    store.close()


@pytest.mark.parametrize(
    "damage", ["update contents set metadata = '{\"a'", "update contents set content = cast(x'ff41' as text)"]
)
def test_a_record_that_cannot_be_read_is_damage(tmp_path: Path, damage: str) -> None:
    place = tmp_path / "memory.db"
    filled(place)
    other = sqlite3.connect(place)
    other.execute(damage)
    other.commit()
    other.close()
    store = open_store(place)
    with pytest.raises(Corrupt, match="engrams doctor"):
        store.list_engrams(HERE, ALL)
    assert store.stats(None).events == 3
    store.close()


def test_the_journal_and_the_audit_cannot_be_altered_by_plain_sql(tmp_path: Path) -> None:
    place = tmp_path / "memory.db"
    filled(place)
    other = sqlite3.connect(place)
    for statement in (
        "update events set content = 'forged'",
        "delete from events",
        "update audit set actor = 'mallory'",
        "delete from audit",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            other.execute(statement)
    other.close()


# --- nobody's rights


def ran(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    merged: dict[str, Any] = {}
    for line in out.splitlines():
        merged.update(json.loads(line))
    assert merged.pop("plain write fails") is True
    return merged


def test_who_may_not_write_may_read(start: Start, open_folder: Path) -> None:
    place = open_folder / "memory.db"
    texts = filled(place)
    place.chmod(0o444)
    open_folder.chmod(0o555)
    before = state_of(open_folder)
    said_so = ran(start("unprivileged", open_folder, place, "open", "read", "write"))
    assert said_so["open"] == "open"
    assert said_so["read"] == texts
    assert said_so["write"].startswith("Unavailable: ")
    assert "reading only" in said_so["write"]
    assert state_of(open_folder) == before


def test_who_may_not_write_sees_what_another_process_just_wrote_or_is_told(
    start: Start, open_folder: Path
) -> None:
    place = open_folder / "memory.db"
    texts = filled(place)
    store = open_store(place)
    add(store, said("just now"))
    for path in open_folder.iterdir():
        path.chmod(0o444)
    open_folder.chmod(0o555)
    said_so = ran(start("unprivileged", open_folder, place, "read"))
    assert said_so["read"] == [*texts, "just now"]
    store.close()


def test_newest_writes_that_cannot_be_read_are_not_left_out_silently(start: Start, open_folder: Path) -> None:
    place = open_folder / "memory.db"
    filled(place)
    store = open_store(place)
    add(store, said("just now"))
    left = open_folder / "left"
    left.mkdir()
    for suffix in ("", "-wal"):  # as after a crash, before anyone who may write opened it again
        (left / f"memory.db{suffix}").write_bytes(Path(f"{place}{suffix}").read_bytes())
        (left / f"memory.db{suffix}").chmod(0o444)
    left.chmod(0o555)
    said_so = ran(start("unprivileged", left, left / "memory.db", "read"))
    assert said_so["read"].startswith("Unavailable: ")
    assert "memory.db-wal" in said_so["read"]
    store.close()
    left.chmod(0o755)


def test_who_may_not_enter_is_told(start: Start, open_folder: Path) -> None:
    filled(open_folder / "memory.db")
    said_so = ran(start("unprivileged", open_folder, open_folder / "memory.db", "open"))
    assert said_so["open"].startswith("Unavailable: ")
    assert "permission" in said_so["open"].lower()
    said_so = ran(start("unprivileged", open_folder, open_folder / "new" / "memory.db", "open"))
    assert said_so["open"].startswith("Unavailable: ")
    assert "may write" in said_so["open"]
    (open_folder / "empty.db").touch(mode=0o444)
    said_so = ran(start("unprivileged", open_folder, open_folder / "empty.db", "open"))
    assert said_so["open"].startswith("Unavailable: ")


# --- a full disk


def test_a_full_disk_refuses_the_write_and_keeps_the_rest(tmp_path: Path) -> None:
    place = tmp_path / "memory.db"
    store = SqliteStore.open(place)
    add(store, said("first"))
    with store._connections.alone() as db:
        pages = int(db.execute("pragma page_count").fetchone()[0])
        db.execute(f"pragma max_page_count = {pages + 2}")
    before = (store.mark(), store.stats(None).events)
    batch = [said("filler " * 200) for _ in range(50)]
    with pytest.raises(Full, match="nothing of this write was kept; free some space"):
        store.commit(commit_of(batch, [from_event(event) for event in batch]))
    assert (store.mark(), store.stats(None).events) == before
    with store._connections.alone() as db:
        db.execute(f"pragma max_page_count = {10 * pages}")
    store.commit(commit_of(batch, [from_event(event) for event in batch]))
    assert store.stats(None).events == 51
    assert store.check() == []
    store.close()


def test_a_limit_on_files_loses_nothing_that_was_acknowledged(start: Start, tmp_path: Path) -> None:
    place = tmp_path / "memory.db"
    out, err = (process := start("limited", place, 400_000)).communicate(timeout=60)
    assert process.returncode == 0, err
    told = json.loads(out)
    assert told["refused"].startswith(("Unavailable: ", "Full: "))
    assert told["seen"] == told["acknowledged"] > 0
    store = open_store(place)
    assert store.stats(None).events == told["acknowledged"]
    assert store.check() == []
    add(store, said("with room again"))
    store.close()


# --- copies, erasing


def test_a_backup_is_whole_and_replaces_only_memories(tmp_path: Path) -> None:
    place, copy = tmp_path / "memory.db", tmp_path / "copy.db"
    texts = filled(place, 200)
    store = open_store(place)
    calls: list[tuple[int, int]] = []
    store.backup(copy, progress=lambda done, of: calls.append((done, of)))
    assert calls[-1][0] == calls[-1][1]
    add(store, said("later"))
    backed = open_store(copy)
    assert [event.content for _, event in backed.journal(HERE, ALL, limit=999)] == texts
    assert backed.check() == []
    backed.close()
    store.backup(copy)  # a second backup takes the place of the first
    backed = open_store(copy)
    assert backed.stats(None).events == 201
    backed.close()
    notes = tmp_path / "notes.txt"
    notes.write_text("precious")
    foreign_sqlite(tmp_path / "theirs.db", "delete")
    for target, error in ((notes, NotAMemory), (tmp_path / "theirs.db", NotAMemory), (place, UsageError)):
        before = target.read_bytes()
        with pytest.raises(error):
            store.backup(target)
        assert target.read_bytes() == before
    with pytest.raises(Unavailable):
        store.backup(tmp_path / "no" / "such" / "folder.db")
    store.close()
    assert {path.suffix for path in tmp_path.iterdir()} == {".db", ".txt"}


def test_memory_in_the_process_can_be_backed_up(tmp_path: Path) -> None:
    store = open_store(":memory:")
    add(store, said("kept"))
    store.backup(tmp_path / "copy.db")
    store.close()
    backed = open_store(tmp_path / "copy.db")
    assert [event.content for _, event in backed.journal(HERE, ALL)] == ["kept"]
    backed.close()


def bytes_of(place: Path) -> bytes:
    return b"".join(path.read_bytes() for path in place.parent.glob(f"{place.name}*"))


def test_no_byte_of_what_was_erased_stays(tmp_path: Path) -> None:
    place = tmp_path / "memory.db"
    store = open_store(place)
    chance = random.Random(11)
    living: list[tuple[str, Any]] = []
    gone: list[str] = []
    for number in range(40):
        events = []
        for each in range(chance.choice([1, 5, 25])):
            word = f"zq{number:03d}x{each:03d}q"
            events.append(
                said(f"{word} {'filler ' * chance.choice([1, 50, 700])}", session=word, metadata={"w": word})
            )
            living.append((word, events[-1]))
        add(store, *events)
        if number % 4 == 3:
            chance.shuffle(living)
            out, living = living[:20], living[20:]
            assert all(word.encode() in bytes_of(place) for word, _ in out)
            deletion = store.erase(
                HERE, [e.id for _, e in out], actor="t", at=said().occurred_at, reason=out[0][0]
            )
            assert deletion.state == "done"
            gone += [word for word, _ in out]
            held = bytes_of(place)
            assert [word for word in gone if word.encode() in held] == []
    store.reset()
    assert [word for word, _ in living if word.encode() in bytes_of(place)] == []
    store.close()


def test_while_somebody_reads_the_old_state_the_erase_is_pending(tmp_path: Path) -> None:
    place = tmp_path / "memory.db"
    store = open_store(place)
    event = said("xylophone")
    add(store, event)
    other = sqlite3.connect(place, isolation_level=None)
    other.execute("begin")
    other.execute("select count(*) from events").fetchone()
    deletion = store.erase(HERE, [event.id], actor="t", at=event.occurred_at, reason="")
    assert deletion.state == "pending"
    assert store.events([event.id]) == {}
    other.close()
    store.vacuum()
    assert b"xylophone" not in bytes_of(place)
    store.close()


def test_a_large_file_waits_for_vacuum_which_makes_it_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(care, "MOST_REWRITTEN", 0)
    place = tmp_path / "memory.db"
    filled(place, 2_000)
    store = open_store(place)
    before = store.stats(None).bytes
    ids = [event.id for _, event in store.journal(HERE, ALL, limit=1_950)]
    assert store.erase(HERE, ids, actor="t", at=said().occurred_at, reason="").state == "pending"
    assert store.stats(None).bytes >= before
    store.vacuum()
    assert store.stats(None).bytes < before / 2  # what stays is mostly the first page of each table
    assert store.stats(None).events == 50
    store.close()


def test_a_store_that_was_never_closed_leaves_a_file_that_opens(tmp_path: Path) -> None:
    place = tmp_path / "memory.db"
    store = open_store(place)
    add(store, said("kept"))
    del store
    again = open_store(place)
    assert again.stats(None).events == 1
    again.close()
