"""What language models took and would take, at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from engrams import Memory
from engrams.models.scripted import ScriptedServer
from engrams.models.scripted_wire import Said
from tests.doors.conftest import Engrams
from tests.rooms.models.chat_recipe import NOTES


@pytest.fixture
def asked(database: Path, engrams: Engrams) -> Engrams:
    with Memory.open(database, NOTES, model=lambda request: {"note": "noted", "keywords": []}) as memory:
        memory.add("one", user_id="ada")
        memory.add("two", user_id="ben")
        memory.work()
    return engrams


def test_costs_are_shown_by_line_and_added_up(asked: Engrams) -> None:
    rows = asked("cost").rows
    assert [(row[1], row[2], row[4], row[8], row[9]) for row in rows] == [
        ("ada", "extract", "1", "unknown", "0"),
        ("ben", "extract", "1", "unknown", "0"),
    ]
    (row,) = asked("cost", "--by", "operation").rows
    assert (row[0], row[1], row[5]) == ("extract", "2", "unknown")
    found = asked("cost", "--json").json
    assert [line["namespace"] for line in found] == ["ada", "ben"]
    assert found[0]["usage"]["money"] is None
    assert [row[1] for row in asked("cost", "--user", "ben").rows] == ["ben"]
    assert asked("cost", "--namespace", "be/*").rows == []
    assert asked("cost", "--days", "0").code == 2


def test_a_dry_run_spends_nothing(asked: Engrams) -> None:
    before = asked("cost", "--json").json
    waiting = asked("work", "--dry-run")
    assert waiting.rows == [["all", "0", "0", "0", "0.0000"]]
    assert "Nothing was spent" in waiting.err
    assert asked("rebuild", "--dry-run", "--json").json["events"] == 2
    assert asked("cost", "--json").json == before


def test_settings_of_the_model_are_checked(engrams: Engrams, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("ENGRAMS_MODEL", "gpt-5"),
        ("ENGRAMS_MODEL_PRICES", "x"),
        ("ENGRAMS_MODEL_CONCURRENCY", "0"),
        ("ENGRAMS_MODEL_MONEY_PER_DAY", "lots"),
    ):
        with monkeypatch.context() as set:
            set.setenv(name, value)
            assert engrams("add", "one").code == 2


def test_a_model_of_the_settings_answers(
    engrams: Engrams, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer(lambda heard: Said('{"note": "Ada: Porto", "keywords": []}')) as server:
        monkeypatch.setenv("ENGRAMS_MODEL", f"openai:toy@{server.url}")
        with Memory.open(database, NOTES) as memory:
            memory.add("Ada moved to Porto.")
            memory.work()
            assert [engram.content for engram in memory.get_all()] == ["Ada: Porto"]
    assert engrams("cost", "--by", "model").rows[0][0] == f"openai:toy@{server.url}"
