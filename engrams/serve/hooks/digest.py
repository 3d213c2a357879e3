"""From what happened in a session to what is worth remembering: what was said, answered, decided, and what failed and
how it was fixed.

Tool traffic is left out, but for a command that failed and passed after files were edited. Of the agent's words the last
before the person speaks again is its answer; of the others only sentences that give a decision or a cause are kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from engrams.serve.hooks.transcripts import Entry

State = dict[str, Any]

#: Letters kept of each kind of record; what a person said is cut only where it is a document.
MOST = {"prompt": 20_000, "answer": 4_000, "decision": 1_000, "fix": 1_200, "open": 800}
MOST_PENDING = 8  # commands that failed and wait for their fix
MOST_EDITS = 8  # files named in a fix
_ERROR_LINES = 4  # lines of an output that say what went wrong

#: Words by which an agent's sentence tells a decision or a cause (English; answers are kept in every language).
_DECIDES = re.compile(
    r"\b(?:decid(?:e|ed|ing)|decision|instead of|rather than|chose|choosing|opted|going with|went with|root cause|"
    r"cause[ds]? (?:is|was|by)|because|turns out|fix (?:is|was)|fixed by|won't work|does(?:n't| not) work|trade-?off)\b",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_WRONG = re.compile(
    r"error|exception|fail|assert|cannot|can't|not found|undefined|denied|panic|fatal", re.IGNORECASE
)
_BEFORE = re.compile(r"^(?:cd\s+\S+\s*(?:&&|;)\s*|\w+=\S*\s+|sudo\s+|time\s+)+")


class Digest:
    """Makes records of one session's entries. `state` is what the session's captures pass on, changed in place."""

    def __init__(self, client: str, session: str, namespace: str, state: State) -> None:
        self.client, self.session, self.namespace = client, session, namespace
        self.state = state
        self.records: list[dict[str, Any]] = []

    def told_by_hook(self, source: str, kind: str, text: str, at: str | None) -> None:
        """What a hook's own message tells; the transcript will tell it again, under the same key."""
        self._keep(source, kind, text, at)

    def read(self, found: Iterable[Entry]) -> None:
        """Takes in what the transcript tells."""
        for entry in found:
            match entry.kind:
                case "said":
                    self.answered()
                    self._keep("transcript", "prompt", entry.text, entry.at)
                case "told":
                    self._between()
                    self.state["told"] = [entry.text, entry.at]
                case "ran":
                    self._between()  # words before a tool is used are no answer
                    self.state.setdefault("running", {})[entry.id] = entry.text
                case "edited":
                    self._between()
                    self._edited(entry.text)
                case "came":
                    self._came(entry)

    def answered(self, given: str | None = None) -> None:
        """The turn is over: the last words of the agent are its answer; `given`: what the hook says they were.

        Where both differ, the transcript lags behind, and what it has are words in between.
        """
        told = self.state.get("told")
        if told and (given is None or told[0].strip() == given.strip()):
            self._keep("transcript", "answer", told[0], told[1])
        else:
            self._between()
        self.state["told"] = None

    def ended(self) -> None:
        """The session is over: what was worked on and still fails stays open."""
        self.answered()
        for each in self.state.pop("pending", []):
            if each["edits"] or each["tries"] > 1:
                text = f"Not fixed: `{each['command']}` fails: {each['wrong']}"
                self._keep("transcript", "open", text, each["at"])
        self.state["running"] = {}

    def _between(self) -> None:
        told = self.state.get("told")
        if told:
            kept = [s.strip() for s in _SENTENCE.split(told[0]) if _DECIDES.search(s)]
            if kept:
                self._keep("transcript", "decision", " ".join(kept), told[1])
        self.state["told"] = None

    def _edited(self, path: str) -> None:
        for each in self.state.get("pending", []):
            if path not in each["edits"] and len(each["edits"]) < MOST_EDITS:
                each["edits"].append(path)

    def _came(self, entry: Entry) -> None:
        command = self.state.setdefault("running", {}).pop(entry.id, None)
        if command is None:
            return
        pending: list[dict[str, Any]] = self.state.setdefault("pending", [])
        same = [p for p in pending if p["command"] == command]
        alike = same or [p for p in pending if p["edits"] and _head(p["command"]) == _head(command)]
        if entry.failed:
            if same:
                same[0].update(wrong=_wrong(entry.text), tries=same[0]["tries"] + 1)
                return
            new = {"command": command, "wrong": _wrong(entry.text), "edits": [], "tries": 1, "at": entry.at}
            pending[:] = [*pending, new][-MOST_PENDING:]
            return
        for each in alike:
            pending.remove(each)
            if each["edits"]:
                files = ", ".join(each["edits"])
                text = (
                    f"`{each['command']}` failed: {each['wrong']}\nIt passes since these were edited: {files}"
                )
                self._keep("transcript", "fix", text, entry.at)

    def _keep(self, source: str, kind: str, text: str, at: str | None) -> None:
        text = text.encode("utf-8", "replace").decode().replace("\0", "").strip()
        if not text:
            return
        text = text if len(text) <= MOST[kind] else text[: MOST[kind]].rstrip() + " […]"
        role = "user" if kind == "prompt" else "assistant"
        counts = self.state.setdefault("counts", {}).setdefault(source, {})
        # The same words a second time are a second event, whoever tells of them: the person's hook or the transcript.
        named = _digest(self.client, self.session, role, " ".join(text.split()))
        counts[named] = counts.get(named, 0) + 1
        key = f"hook-{named}-{counts[named]}"
        if any(r["key"] == key for r in self.records):  # the hook and the transcript told of it at once
            return
        self.records.append(
            {
                "key": key, "namespace": self.namespace, "client": self.client,
                "session": self.session, "role": role, "kind": kind, "text": text, "at": at,
            }
        )  # fmt: skip


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def _head(command: str) -> str:
    """What is run, without its arguments: program and the word after it."""
    return " ".join(_BEFORE.sub("", command).split()[:2])


def _wrong(output: str) -> str:
    """The lines of an output that say what went wrong: those that name an error, else the last."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if _WRONG.search(line)] or lines
    return " | ".join(telling[-_ERROR_LINES:])[:400] or "no output"
