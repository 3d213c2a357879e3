"""The log: what happens is told in one form, to those who listen, and nothing of what a memory holds is in it."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from engrams import Memory
from engrams.errors import BadSetting, Denied, EngramsError
from engrams.lifecycle.jobs import MOST_ATTEMPTS
from engrams.lifecycle.telling import EVENTS, LOGGER
from engrams.serve.logs import NAME, JsonForm, TextForm, listen, shown
from tests.rooms.lifecycle import failing

#: Planted in every argument that is content.
RARE = "quokka"


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What a door at its most talkative would show, as JSON."""
    monkeypatch.setenv("ENGRAMS_LOG", "json")
    monkeypatch.setenv("ENGRAMS_LOG_LEVEL", "debug")
    out, ours = io.StringIO(), logging.getLogger(NAME)
    before, level = list(ours.handlers), ours.level
    listen(stream=out)
    yield out
    ours.handlers[:] = before
    ours.setLevel(level)


def rows(log: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def test_every_event_is_told_with_its_fields_and_nothing_else(log: io.StringIO, tmp_path: Path) -> None:
    secret = f"The {RARE} sleeps."
    with Memory.open(tmp_path / "m.db", actor="tester") as memory:
        scope = {"namespace": "acme/ann", "session": "s"}
        first = memory.add(
            {"role": "user", "content": secret, "name": f"{RARE} name"}, metadata={RARE: RARE}, **scope
        ).event_ids[0]
        second = memory.add(secret + " Twice.", namespace="acme/ann").event_ids[0]
        memory.search(f"where is the {RARE}?", namespace="acme/ann", filters={RARE: RARE})
        memory.context(f"where is the {RARE}?", namespace="acme/ann")
        memory.feedback(f"where is the {RARE}?", cited=[second], namespace="acme/ann")
        memory.update(first, f"The {RARE} wakes.", metadata={"k": RARE}, reason=f"the {RARE} said so")
        memory.pin(first)
        memory.undo(first, reason=RARE)
        memory.export_container(tmp_path / f"{RARE}.engrams")
        with Memory.open(":memory:") as other:
            other.restore_container(tmp_path / f"{RARE}.engrams")
        memory.delete(second, reason=f"no more {RARE}")
        key = memory.create_key(f"{RARE} reader", {"acme/ann": "read"})
        assert key.secret is not None
        with memory.held_by(key.secret) as view, pytest.raises(Denied):
            view.add(secret, namespace="acme/ben")
        for wrong in (
            lambda: memory.add(secret, occurred_at=f"{RARE} o'clock"),
            lambda: memory.search(secret, filters={"n": {"gte": [RARE]}}),
            lambda: memory.get(f"{RARE}-id"),
        ):
            with pytest.raises(EngramsError):
                wrong()
        memory.delete_all(namespace="acme/ann")
    told = rows(log)
    for row in told:
        assert row["logger"] == LOGGER
        assert set(row) == {"time", "level", "logger", "event", *EVENTS[str(row["event"])]}
    seen = [row["event"] for row in told]
    assert {*EVENTS} - {*seen} == {"job.done", "job.again", "job.dead"}
    added = next(row for row in told if row["event"] == "memory.added")
    assert {k: added[k] for k in EVENTS["memory.added"]} == {
        "action": "add",
        "namespace": "acme/ann",
        "events": 1,
        "engrams": 1,
        "pending": 0,
        "repeated": False,
    }
    denied = next(row for row in told if row["event"] == "access.denied")
    assert (denied["level"], denied["key"], denied["namespace"]) == ("warning", key.id, "acme/ben")
    assert RARE not in log.getvalue()
    assert key.secret not in log.getvalue()


def test_jobs_are_told_with_the_type_of_what_they_met(
    log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(failing.FAULTS, RARE, 99)
    clock = failing.Ticking()
    with Memory.open(":memory:", recipe=failing.FRAGILE, clock=clock) as memory:
        memory.add(f"fail on {RARE}", namespace="ann")
        for _ in range(MOST_ATTEMPTS):
            memory.work()
            clock.move(days=30)
        failing.FAULTS[RARE] = 0
        [dead] = memory.jobs("dead")
        memory.retry_job(dead.id)
        memory.work()
    told = [row for row in rows(log) if str(row["event"]).startswith("job.")]
    assert [row["event"] for row in told if row["kind"] == "derive"] == [
        *["job.again"] * (MOST_ATTEMPTS - 1),
        "job.dead",
        "job.done",
    ]
    assert {row["error"] for row in told if "error" in row} == {"StepFailed"}
    assert RARE not in log.getvalue()


def test_what_others_log_under_our_names_is_cut_to_names_and_numbers(log: io.StringIO) -> None:
    ours = logging.getLogger("engrams.serve")
    try:
        raise ValueError(f"found a {RARE}")
    except ValueError as error:
        ours.error("unexpected failure %s", "ab12", exc_info=error)
        ours.warning("it went on: %s: %s", type(error).__name__, error)
    ours.warning("%d things of %s", 3, f"a {RARE} farm")
    ours.warning(f"put together with a {RARE} before")
    ours.info("%(who)s came", {"who": "acme/ann"})
    ours.warning("%.1f of a decimal", Decimal("0.5"))
    failed, *rest = rows(log)
    assert (failed["event"], failed["error"]) == ("unexpected failure ab12", "ValueError")
    assert "test_what_others_log" in str(failed["at"])
    assert [row["event"] for row in rest] == [
        "it went on: ValueError: ValueError",
        f"3 things of (text of {len(f'a {RARE} farm')} characters)",
        f"(text of {len(f'put together with a {RARE} before')} characters)",
        "acme/ann came",
        "%.1f of a decimal",
    ]
    assert RARE not in log.getvalue()


@pytest.mark.parametrize(
    ("value", "as_shown"),
    [
        (None, None),
        (3, 3),
        (0.5, 0.5),
        ("acme/ann", "acme/ann"),
        ("two words", "(text of 9 characters)"),
        (KeyError("x"), "KeyError"),
        (KeyError, "KeyError"),
        (["x"], "(list)"),
        (b"x", "(bytes)"),
    ],
)
def test_what_is_shown_of_a_value(value: object, as_shown: object) -> None:
    assert shown(value) == as_shown


def test_a_line_for_people() -> None:
    record = logging.LogRecord(LOGGER, logging.INFO, "", 0, "memory.erased", (), None)
    record.created = 0.0
    record.told = {"namespace": "acme", "events": 2, "state": "done", "links": None}
    line = "1970-01-01T00:00:00.000+00:00 info memory.erased namespace=acme events=2 state=done"
    assert TextForm().format(record) == line
    assert json.loads(JsonForm().format(record))["links"] is None


def test_listening_twice_says_things_once(log: io.StringIO) -> None:
    listen(stream=log)
    logging.getLogger(LOGGER).warning("%s", "once")
    assert len(rows(log)) == 1


@pytest.mark.parametrize(("form", "level"), [("xml", None), (None, "loud")])
def test_forms_and_levels_that_are_none(
    monkeypatch: pytest.MonkeyPatch, form: str | None, level: str | None
) -> None:
    monkeypatch.setenv("ENGRAMS_LOG", "off")
    monkeypatch.setenv("ENGRAMS_LOG_LEVEL", "error")
    with pytest.raises(BadSetting, match="expected"):
        listen(form, level)


# --- in processes of their own


def ran(*argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("ENGRAMS_")}
    environ |= {"ENGRAMS_EMBEDDER": "none", **variables}
    return subprocess.run(
        [sys.executable, *argv], capture_output=True, text=True, env=environ, timeout=120, check=True
    )


def test_the_library_prints_nothing_and_installs_nothing(tmp_path: Path) -> None:
    script = (
        "import logging, engrams\n"
        f"memory = engrams.Memory.open({str(tmp_path / 'm.db')!r})\n"
        "memory.add('x'); memory.search('x')\n"
        "key = memory.create_key('k', {'a': 'read'})\n"
        "try:\n    memory.held_by(key.secret).add('x')\n"
        "except engrams.errors.Denied: pass\n"
        "names = [n for n in logging.root.manager.loggerDict if n.startswith('engrams')]\n"
        "assert names, 'it asked whether anybody listens'\n"
        "assert not any(logging.getLogger(n).handlers for n in ['engrams', *names])\n"
    )
    done = ran("-c", script)
    assert (done.stdout, done.stderr) == ("", "")


def test_the_command_line_tells_where_it_is_asked_to(tmp_path: Path) -> None:
    place = ("--db", str(tmp_path / "m.db"))
    quiet = ran("-m", "engrams", "add", f"The {RARE} sleeps.", *place)
    assert "memory.added" not in quiet.stderr
    loud = ran(
        *("-m", "engrams", "search", f"the {RARE}", "--json", "--log", "json", "--log-level", "info"), *place
    )
    told = [json.loads(line) for line in loud.stderr.splitlines()]
    assert [row["event"] for row in told] == ["memory.opened", "memory.searched"]
    assert RARE in loud.stdout
    assert RARE not in loud.stderr
    by_variable = ran(
        "-m", "engrams", "search", RARE, *place, ENGRAMS_LOG="text", ENGRAMS_LOG_LEVEL="info"
    ).stderr
    assert "info memory.searched namespace=default" in by_variable
