"""The hooks' own entry: reads a message, captures it or answers with a briefing, and never disturbs the agent.

What goes wrong stands in `hooks.log` beside the spool; the exit code is 0 and nothing is said. No click, no numpy: an
agent waits for this.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from engrams.serve.hooks import spool

#: Commands of `engrams hook` that are answered here, before the command line is loaded.
FAST = frozenset({"run", "notify", "drain"})
_OPTIONS = ("--client", "--db", "--namespace", "--budget")
#: Where a session begins with what it knew before, nothing is told again.
_TOLD_AT = frozenset({"startup", "clear", "compact"})


def main(argv: Sequence[str]) -> int:
    """`run` (a message on standard input), `notify MESSAGE`, `drain`; options --client, --db, --namespace, --budget."""
    folder: Path | None = None
    try:
        given, words = _options(list(argv))
        place = given.get("db") or os.environ.get("ENGRAMS_DB") or _place()
        folder = spool.spool_of(place)
        if folder is not None:
            _answer(words, given, place, folder)
    except Exception as error:  # an agent must go on, whatever a hook meets
        with contextlib.suppress(Exception):
            spool.log(folder or spool.spool_of(_place()) or Path.cwd(), f"{type(error).__name__}: {error}")
    return 0


def _answer(words: list[str], given: Mapping[str, str], place: str, folder: Path) -> None:
    client, namespace = given.get("client", "claude-code"), given.get("namespace")
    if words[:1] == ["drain"]:
        _drain(place, folder)
    elif words[:1] == ["notify"]:
        from engrams.serve.hooks.capture import notified

        notified(_message(words[-1] if len(words) > 1 else sys.stdin.read()), folder, client, namespace)
    else:
        message = _message(sys.stdin.buffer.read().decode("utf-8", "replace"))
        if message.get("hook_event_name") == "SessionStart":
            if message.get("source") in _TOLD_AT:
                _tell(message, place, folder, given)
            else:
                from engrams.serve.hooks.capture import resumed

                resumed(message, folder, client)
        else:
            from engrams.serve.hooks.capture import capture

            capture(message, folder, client, namespace)


def _tell(message: Mapping[str, Any], place: str, folder: Path, given: Mapping[str, str]) -> None:
    """Prints the briefing of the project in the hooks' own form, then has the spool emptied by a process of its own."""
    from engrams.serve.hooks.briefing import BUDGET, briefing
    from engrams.serve.hooks.project import project_namespace

    if "://" not in place and not Path(place).expanduser().exists() and not spool.waiting(folder):
        return
    from engrams.memory import Memory

    namespace = given.get("namespace") or project_namespace(str(message.get("cwd") or "."))
    # A compacted session has lost what it knew; any other new one is told of all sessions but itself.
    without = None if message.get("source") == "compact" else str(message.get("session_id") or "")
    budget = int(given.get("budget", BUDGET))
    with Memory.open(place, embedder="none", actor="hook") as memory:
        text = briefing(memory, namespace, folder, budget, without=without)
    if text:
        told = {"hookSpecificOutput": {"hookEventName": "SessionStart", "additionalContext": text}}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
    if spool.waiting(folder):
        _start_draining(place)


def _drain(place: str, folder: Path) -> None:
    from engrams.memory import Memory
    from engrams.serve.hooks.draining import drain

    with Memory.open(place, actor="hook") as memory:
        drain(memory, folder)


def _start_draining(place: str) -> None:
    """Empties the spool in a process that outlives this one, with the embedder that a briefing does without."""
    import subprocess

    command = [sys.executable, "-m", "engrams.serve.hooks", "drain", "--db", place]
    nowhere = subprocess.DEVNULL
    subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True)


def _options(argv: list[str]) -> tuple[dict[str, str], list[str]]:
    given: dict[str, str] = {}
    words: list[str] = []
    while argv:
        word = argv.pop(0)
        name, equals, value = word.partition("=")
        if name in _OPTIONS:
            given[name[2:]] = value if equals else argv.pop(0)
        else:
            words.append(word)
    return given, words


def _message(text: str) -> Mapping[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("a hook's message is a JSON object")
    return found


def _place() -> str:
    from engrams.settings import Settings, default_path

    return Settings.load().db or str(default_path())
