"""One hook of a session, written down: what its message tells, and what is new in the transcript it names."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engrams.serve.hooks import spool
from engrams.serve.hooks.digest import Digest
from engrams.serve.hooks.project import project_namespace
from engrams.serve.hooks.transcripts import entries, read_new, said

#: After these a turn is over; after `SessionEnd` the session is.
_TURN_ENDS = frozenset({"Stop", "SessionEnd", "PreCompact"})
_SECONDS = "%Y-%m-%dT%H:%M:%S"
_COMMAND = re.compile(r"!|/[a-z][\w:-]*(?:\s|$)")


def capture(message: Mapping[str, Any], folder: Path, client: str, namespace: str | None) -> Path | None:
    """Spools what a hook's message tells; the spool file, or None where it tells nothing new.

    First the records are on disk, then the session's state: cut off in between, the same is read again and gets the same
    keys. `namespace`: None for that of the project in whose folder the session runs.
    """
    event, session = _word(message, "hook_event_name"), _word(message, "session_id")
    if not session or message.get("agent_id"):  # a subagent's turns are the agent's own doing
        return None
    state = spool.load_session(folder, client, session)
    place = namespace or state.get("namespace") or project_namespace(_word(message, "cwd") or ".")
    state["namespace"] = place
    digest = Digest(client, session, place, state)
    transcript = _word(message, "transcript_path") or None
    if transcript:
        state["transcript"] = transcript
        _catch_up(digest, transcript, folder)
    now = time.strftime(_SECONDS + "Z", time.gmtime())
    if event == "UserPromptSubmit":
        text = said(_word(message, "prompt"))
        if text and not _is_command(text):
            digest.told_by_hook("hook", "prompt", text, now)
    elif event in _TURN_ENDS:
        state["over"] = event == "SessionEnd"
        _end_turn(digest, message, now)
    found = spool.append(folder, digest.records)
    spool.save_session(folder, client, session, state)
    return found


def _end_turn(digest: Digest, message: Mapping[str, Any], now: str) -> None:
    last = said(_word(message, "last_assistant_message")) or None
    if not digest.state.get("more"):
        digest.answered(last)
    if last:
        digest.told_by_hook("hook", "answer", last, now)
    if digest.state["over"] and not digest.state.get("more"):
        digest.ended()


def notified(message: Mapping[str, Any], folder: Path, client: str, namespace: str | None) -> Path | None:
    """Spools a turn as Codex's `notify` program gets it: what was asked, and the last answer."""
    session = _word(message, "thread-id")
    if message.get("type") != "agent-turn-complete" or not session:
        return None
    state = spool.load_session(folder, client, session)
    place = namespace or state.get("namespace") or project_namespace(_word(message, "cwd") or ".")
    state["namespace"] = place
    digest = Digest(client, session, place, state)
    now = time.strftime(_SECONDS + "Z", time.gmtime())
    asked = message.get("input-messages")
    for text in asked if isinstance(asked, list) else []:
        digest.told_by_hook("notify", "prompt", said(text) if isinstance(text, str) else "", now)
    digest.told_by_hook("notify", "answer", said(_word(message, "last-assistant-message")), now)
    found = spool.append(folder, digest.records)
    spool.save_session(folder, client, session, state)
    return found


def resumed(message: Mapping[str, Any], folder: Path, client: str) -> None:
    """Notes that a session goes on from another, whose turns its transcript repeats: they are not this session's.

    A session that was captured before goes on where it stopped.
    """
    session = _word(message, "session_id")
    if session and not spool.load_session(folder, client, session):
        since = time.strftime(_SECONDS, time.gmtime())
        spool.save_session(folder, client, session, {"since": since})


def finish(folder: Path, client: str, session: str, state: dict[str, Any]) -> Path | None:
    """Reads what a session's transcript still holds, where its hooks stopped before its end."""
    digest = Digest(client, session, state["namespace"], state)
    while state.get("more"):
        _catch_up(digest, state["transcript"], folder)
    if state.get("over"):
        digest.ended()
    found = spool.append(folder, digest.records)
    spool.save_session(folder, client, session, state)
    return found


def _catch_up(digest: Digest, transcript: str, folder: Path) -> None:
    state = digest.state
    state.update(client=digest.client, session=digest.session)
    try:
        offset = int(state.get("offset", 0))
        if (
            Path(transcript).stat().st_size < offset
        ):  # it was written anew: what was told before keeps its keys
            offset = 0
            state["counts"] = {k: v for k, v in state.get("counts", {}).items() if k != "transcript"}
        lines, state["offset"], state["more"] = read_new(transcript, offset)
        since = state.get("since", "")
        lines = [x for x in lines if not since or str(x.get("timestamp", since))[: len(since)] >= since]
    except FileNotFoundError:  # before the first turn is over there is none
        state["more"] = False
        return
    except OSError as error:
        state["more"] = False
        spool.log(folder, f"the transcript {transcript} cannot be read: {error}")
        return
    for line in lines:
        try:
            digest.read(entries([line]))
        except Exception as error:  # a line of a form to come costs itself, not the session
            spool.log(folder, f"a line of {transcript} was left out: {type(error).__name__}: {error}")


def _is_command(text: str) -> bool:
    """Whether a prompt only steers the program: `/clear`, `/model opus`, `!ls`; a path at the front is no command."""
    return _COMMAND.match(text) is not None and "\n" not in text


def _word(message: Mapping[str, Any], key: str) -> str:
    value = message.get(key)
    return value if isinstance(value, str) else ""
