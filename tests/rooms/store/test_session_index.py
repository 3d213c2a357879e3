"""What was said last in a session is looked up by an index, not by reading the journal of its namespace backwards."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from engrams.ports import Where
from engrams.records import Scope
from engrams.store import open_store
from engrams.store.sqlite.conditions import of_events


def test_the_journal_of_a_session_is_read_by_its_index(tmp_path: Path) -> None:
    open_store(tmp_path / "memory.db").close()
    made = of_events(Scope("acme/alice", session="s1"), Where(), ("message",))
    db = sqlite3.connect(tmp_path / "memory.db")
    plan = db.execute(
        f"explain query plan select v.seq from events v where {made.sql} order by v.seq desc limit 3",
        made.params,
    ).fetchall()
    db.close()
    steps = [step for *_, step in plan]
    assert any("events_by_session" in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), "in the order of the journal as it lies"
