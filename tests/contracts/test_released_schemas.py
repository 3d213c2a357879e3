"""Every schema that was ever released opens in this version, with everything that was in it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from engrams.errors import BadSetting, UsageError
from engrams.ports import OPEN_END, Store, Where
from engrams.records import Attachment, Scope
from engrams.store import open_store
from engrams.store.sqlite.schema import CURRENT, MIGRATIONS
from tests.contracts.stores import add, commit_of, said

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
ALICE, BOB = Scope("acme/alice"), Scope("acme/bob")
START = datetime(2024, 3, 1, 9, tzinfo=UTC)
ALL = Where()


@pytest.fixture(params=range(1, CURRENT + 1))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy of one released file."""
    return Path(shutil.copy(FIXTURES / f"schema-{request.param}.db", tmp_path / "memory.db"))


@pytest.fixture
def store(place: Path) -> Iterator[Store]:
    opened = open_store(place)
    yield opened
    opened.close()


def test_every_migration_has_its_file() -> None:
    assert [migration.version for migration in MIGRATIONS] == list(range(1, CURRENT + 1))
    assert {path.name for path in FIXTURES.glob("schema-*.db")} == {
        f"schema-{m.version}.db" for m in MIGRATIONS
    }


def test_the_journal_is_what_it_was(store: Store) -> None:
    assert store.check() == []
    assert [event.content for _, event in store.journal(ALICE, ALL, kinds=None)] == [
        "I moved to Bern last week.",
        "Bern is on the Aare. 🏔",
        "half an emoji: \ud83d",
        "I moved to Biel last week.",
    ]
    [(_, bob)] = store.journal(BOB, ALL)
    assert (bob.content, bob.speaker, bob.agent_id, bob.run_id) == ("I like tea.", "Bob", "a", "r")
    assert bob.occurred_at == START + timedelta(hours=5)
    events = store.events(["event-1", "event-2", "event-3", "event-4"])
    assert events["event-1"].metadata == {"tags": ["home", 1]}
    assert events["event-2"].attachments == (Attachment("image", "aare.jpg"),)
    assert events["event-3"].source == "chat.json#3"
    assert "event-4" not in events
    assert store.known_sources("acme/alice", ["chat.json#3"]) == {"chat.json#3"}
    assert [fix.content for fix in store.about(["passage-1"])["passage-1"]] == ["I moved to Biel last week."]


def test_engrams_and_their_past_are_what_they_were(store: Store) -> None:
    now = store.engrams(["passage-1", "passage-2", "passage-3", "passage-4", "passage-5"])
    assert list(now) == ["passage-1", "passage-2", "passage-3", "passage-5"]
    assert (now["passage-1"].content, now["passage-1"].version) == ("I moved to Biel last week.", 2)
    assert now["passage-1"].sources == ("event-1", "event-6")
    assert (now["passage-5"].recall_count, now["passage-5"].last_recalled_at) == (
        1,
        START + timedelta(hours=400),
    )
    history = store.versions("passage-1")
    assert [(r.change, r.content, r.reason, r.event_id) for r in history] == [
        ("ADD", "I moved to Bern last week.", "", None),
        ("UPDATE", "I moved to Biel last week.", "misheard", "event-6"),
    ]
    then = Where(as_of=START + timedelta(hours=299))
    assert "I moved to Bern last week." in [g.content for _, g in store.list_engrams(ALICE, then)]
    assert [(each.source, each.target, each.weight) for each in store.links(["passage-2"])] == [
        ("passage-1", "passage-2", 0.5)
    ]
    rows = [row for row in store.entries(ALICE) if row.closed_at == OPEN_END]
    assert [row.source for row in rows] == ["event-2", "event-3", "event-1"]
    assert rows[0].entry.pieces.tolist() == [7, 9]
    numbers, vectors = store.entry_vectors(BOB, "model")
    assert len(numbers) == 1
    assert np.array_equal(vectors, np.array([[0.6, 0.8]], np.float32))


def test_promises_are_kept(store: Store) -> None:
    assert store.commit(commit_of(idempotency=("key-1", "digest-1"))).event_ids == ("event-1", "event-2")
    with pytest.raises(BadSetting, match="idempotency_key"):
        store.commit(commit_of(idempotency=("key-1", "other")))
    with pytest.raises(UsageError, match="erased"):
        add(store, said(id="event-4"))
    assert [row["action"] for row in store.audit()] == ["add", "add", "add", "add", "erase"]


def test_it_goes_on(store: Store) -> None:
    event = said("and on")
    add(store, event)
    assert [e.content for _, e in store.journal(ALICE, ALL)][-1] == "and on"
    assert set(store.erase(ALICE, ["event-1"], actor="t", at=START, reason="").events) == {
        "event-1",
        "event-6",
    }
    assert store.check() == []


def test_an_old_file_ends_up_with_the_tables_of_a_new_one(place: Path, tmp_path: Path) -> None:
    def tables(path: Path) -> set[tuple[str, str]]:
        open_store(path).close()
        db = sqlite3.connect(path)
        found = set(db.execute("select name, sql from sqlite_master where sql is not null"))
        version = db.execute("pragma user_version").fetchone()[0]
        db.close()
        assert version == CURRENT
        return found

    assert tables(place) == tables(tmp_path / "new.db")
