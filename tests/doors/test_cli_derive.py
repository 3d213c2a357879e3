"""The commands that derive: rebuild, compare, undo, jobs, work, consolidate."""

from __future__ import annotations

from pathlib import Path

from engrams import Memory
from tests.doors.conftest import BOAT, KEY, PLUMBER, Engrams
from tests.rooms.lifecycle.failing import FAULTS, FRAGILE


def test_rebuild_changes_the_recipe_a_memory_opens_with(engrams: Engrams) -> None:
    for text in (KEY, PLUMBER, BOAT):
        engrams("add", text)
    assert engrams("rebuild", "--recipe", "bm25").rows == [["bm25", "3", "0", "0"]]
    assert engrams("rebuild", "--json").json == {"recipe": "bm25", "entries": 3, "made": 0, "changed": 0}
    assert engrams("rebuild", "--recipe", "bm52").code == 2
    assert engrams("search", "spare key", "--json").json[0]["text"] == KEY


def test_compare_shows_two_recipes_side_by_side(engrams: Engrams) -> None:
    for text in (KEY, PLUMBER, BOAT):
        engrams("add", text)
    rows = engrams("compare", "Where", "is", "the", "key?", "--recipes", "engrams,bm25", "-k", "1").rows
    assert [(row[0], row[3], row[5]) for row in rows] == [("engrams", "1", KEY), ("bm25", "1", KEY)]
    both = engrams("compare", "key", "--recipes", "engrams,none", "--json").json
    assert [(c["recipe"], len(c["hits"]), c["derived"]) for c in both] == [
        ("engrams", len(both[0]["hits"]), False),
        ("none", 0, False),
    ]
    assert engrams("compare", "key", "--recipes", ",").code == 2


def test_undo_takes_a_correction_back(engrams: Engrams) -> None:
    id = engrams("add", BOAT, "--json").json["event_ids"][0]
    engrams("update", id, "We bought the boat for nine hundred pounds.")
    assert engrams("undo", id, "--reason", "typing error").code == 0
    assert engrams("search", "boat", "--json").json[0]["text"] == BOAT
    assert engrams("history", id, "--json").json[-1]["reason"] == "typing error"
    assert engrams("undo", engrams("add", KEY, "--json").json["event_ids"][0]).code == 2


def test_jobs_are_shown_tried_again_done_and_dropped(engrams: Engrams, database: Path) -> None:
    FAULTS["boat"] = 1
    with Memory.open(database, FRAGILE) as memory:
        memory.add(BOAT)
        [job] = memory.jobs()
    FAULTS.clear()
    [row] = engrams("jobs").rows
    assert row[:5] == [job.id, "waiting", "derive", "fragile", "0"]
    assert engrams("jobs", "--state", "dead").rows == []
    # This program knows no recipe of that name: the job stays, and says so.
    assert engrams("work", "--once").rows == [["0", "1", "0"]]
    assert "unknown recipe 'fragile'" in engrams("jobs").rows[0][6]
    assert engrams("jobs", "retry", job.id).lines == [job.id]
    with Memory.open(database, FRAGILE) as memory:
        assert memory.work().done == 1
    assert engrams("jobs", "drop", job.id).code == 3
    assert engrams("jobs", "retry").code == 2
    [put] = engrams("jobs", "add", "catch-up").lines
    assert engrams("jobs", "add", "catch-up", "--json").json == {"id": None}
    assert engrams("work", "--once", "--jobs-per-day", "0", "--json").json["stopped"] is True
    assert engrams("jobs", "drop", put).code == 0
    assert engrams("consolidate").code == 2
