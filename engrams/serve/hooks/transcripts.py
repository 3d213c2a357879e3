"""What happened in a session, read from the transcript that a coding agent keeps: Claude Code's and Codex's JSON lines.

Only what is new since the last time is read. Claude Code writes a line per message (`type`, `message`, `isMeta`,
`isSidechain`, …), Codex an envelope per event (`type`, `payload`). Lines of other types are left out, so that a newer
version of the agent costs a memory, not a session.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from engrams.serve.fence import unfenced


class Entry(NamedTuple):
    """One thing that happened: the person said, the agent told, a command was run, files were edited, an answer came."""

    kind: Literal["said", "told", "ran", "edited", "came"]
    text: str
    at: str | None
    id: str = ""
    failed: bool = False


#: Bytes that one hook reads, so that it keeps within its time; the rest is for the next hook, or whoever empties the spool.
MOST_BYTES = 500_000
#: Letters of a command's output that are looked at: the first lines say what ran, the last what went wrong.
MOST_OUTPUT = 2_000

#: What the programs put into the person's turn by themselves.
_INJECTED = re.compile(
    r"<(system-reminder|local-command-[\w-]+|command-[\w-]+|bash-[\w-]+|ide_[\w-]+|task-notification|user-prompt-submit-hook|"
    r"session-start-hook|teammate-message|subagent_notification|user_shell_command|"
    r"environment_context|user_instructions|INSTRUCTIONS|turn_aborted|permissions[ \w-]*|collaboration_mode)"
    r"\b[^>]*>.*?(?:</\1\s*>|\Z)",
    re.DOTALL,
)
_NOBODY_SAID = (
    "[Request interrupted",
    "Caveat: The messages below",
    "This session is being continued from a previous conversation",
    "# AGENTS.md instructions",
    "Stop hook feedback:",
)
_EXIT = re.compile(r"(?:[Ee]xit(?:ed with)? code:?|exit_code\"?:)\s*(-?\d+)")
_PATCHED = re.compile(r"^\*\*\* (?:Update|Add|Delete) File: (.+)$", re.MULTILINE)
_EDITORS = frozenset({"Edit", "Write", "MultiEdit", "NotebookEdit"})
_SHELLS = frozenset({"Bash", "shell", "shell_command", "exec_command", "local_shell", "container.exec"})


def said(text: str) -> str:
    """What a person wrote, without what programs put in, and without anything that was recalled."""
    plain = _INJECTED.sub("", unfenced(text)).strip()
    return "" if plain.startswith(_NOBODY_SAID) else plain


def read_new(path: str, offset: int) -> tuple[list[dict[str, Any]], int, bool]:
    """The whole lines behind an offset, where they end, and whether there is more."""
    with open(path, "rb") as file:  # noqa: PTH123 - the hook's own milliseconds
        size = os.fstat(file.fileno()).st_size
        file.seek(offset)
        data = file.read(MOST_BYTES)
        if b"\n" not in data and len(data) == MOST_BYTES:  # one line that is larger than that: an image
            data += file.readline()
    end = data.rfind(b"\n") + 1
    found = []
    for line in data[:end].splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found, offset + end, end > 0 and offset + end < size


def entries(lines: list[dict[str, Any]]) -> Iterator[Entry]:
    """What the lines of a transcript tell, in order."""
    for line in lines:
        if isinstance(line.get("payload"), dict):
            yield from _codex(line, line["payload"])
        elif isinstance(line.get("message"), dict):
            yield from _claude(line, line["message"])


# --- Claude Code


def _claude(line: Mapping[str, Any], message: Mapping[str, Any]) -> Iterator[Entry]:
    kind, at = line.get("type"), _text(line.get("timestamp")) or None
    aside = ("isMeta", "isSidechain", "isCompactSummary", "isVisibleInTranscriptOnly", "isApiErrorMessage")
    if kind not in ("user", "assistant") or any(line.get(flag) for flag in aside):
        return
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    words, tools = [], []
    for block in blocks if isinstance(blocks, list) else []:
        if not isinstance(block, dict):
            continue
        form = block.get("type")
        if form == "text":
            words.append(_text(block.get("text")))
        elif form == "tool_result":
            text = _text(block.get("content"))
            tools.append(
                Entry(
                    "came", _clipped(text), at, _text(block.get("tool_use_id")), bool(block.get("is_error"))
                )
            )
        elif form == "tool_use":
            tools.extend(_tool(block.get("name"), block.get("input"), _text(block.get("id")), at))
    text = said("\n".join(w for w in words if w))
    if text and kind == "assistant":
        yield Entry("told", text, at)
    yield from tools
    if text and kind == "user":
        yield Entry("said", text, at)


# --- Codex


def _codex(line: Mapping[str, Any], payload: Mapping[str, Any]) -> Iterator[Entry]:
    at, form = _text(line.get("timestamp")) or None, payload.get("type")
    if line.get("type") == "event_msg" and form in ("user_message", "agent_message"):
        text = said(_text(payload.get("message")))
        if text:
            yield Entry("said" if form == "user_message" else "told", text, at)
    elif line.get("type") == "response_item":
        id = _text(payload.get("call_id"))
        if form in ("function_call", "custom_tool_call", "local_shell_call"):
            given = payload.get("arguments", payload.get("input", payload.get("action")))
            yield from _tool(payload.get("name", "local_shell"), _parsed(given), id, at)
        elif form in ("function_call_output", "custom_tool_call_output"):
            output = payload.get("output")
            found = _EXIT.search(output if isinstance(output, str) else _text(output))
            failed = found is not None and found[1] != "0"
            yield Entry("came", _clipped(_text(_parsed(output))), at, id, failed)


def _parsed(given: object) -> object:
    if isinstance(given, str) and given.lstrip()[:1] == "{":
        try:
            return json.loads(given)
        except ValueError:
            return given
    return given


# --- both


def _tool(name: object, given: object, id: str, at: str | None) -> Iterator[Entry]:
    """A command or an edit; what else a tool does is noise."""
    held = given if isinstance(given, Mapping) else {}
    name = name if isinstance(name, str) else ""
    command = held.get("command", held.get("cmd"))
    if isinstance(command, list):
        parts = [c for c in command if isinstance(c, str)]
        command = parts[-1] if parts[:1] and parts[0].endswith("sh") and len(parts) > 1 else " ".join(parts)
    patch = given if isinstance(given, str) else _text(held.get("input", held.get("patch"))) or _text(command)
    patched = _PATCHED.findall(patch)
    if name in _EDITORS:
        path = held.get("file_path", held.get("notebook_path"))
        if isinstance(path, str):
            yield Entry("edited", path, at, id)
    elif patched:
        yield from (Entry("edited", path.strip(), at, id) for path in patched)
    elif name in _SHELLS and isinstance(command, str) and command.strip():
        yield Entry("ran", command.strip(), at, id)


def _text(value: object) -> str:
    """The words of a value that is text, parts of text, or an object around them."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return _text(value.get("text", value.get("output", value.get("content"))))
    if isinstance(value, list):
        return "\n".join(t for t in map(_text, value) if t)
    return ""


def _clipped(text: str) -> str:
    half = MOST_OUTPUT // 2
    return text if len(text) <= MOST_OUTPUT else f"{text[:half]}\n…\n{text[-half:]}"
