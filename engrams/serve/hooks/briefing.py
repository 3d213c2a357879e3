"""What the next session should know of its project: rules people gave, fixes, what is open, how the last session ended."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engrams.serve.fence import fenced
from engrams.serve.hooks import spool

if TYPE_CHECKING:
    from engrams.memory import Memory

#: Tokens of a briefing, at four letters each. Claude Code cuts what a hook says at 10,000 letters; this stays well below.
BUDGET, LETTERS_PER_TOKEN, MOST_LETTERS = 1_200, 4, 9_000
_LOOKED_AT = 400  # entries of the project's journal, newest first
_LONGEST = 420  # letters of one line
#: Words by which a person gives a rule for the sessions to come.
_RULE = re.compile(
    r"\b(?:always|never|don't|do not|prefer|must(?:n't)?|remember|from now on|make sure|we use|use \S+ (?:not|instead)|"
    r"immer|nie|niemals|toujours|jamais|siempre|nunca)\b|(?:总是|不要|必须|请用)",
    re.IGNORECASE,
)
_HEADINGS = {
    "kept": "Remembered on purpose",
    "rule": "What people asked for in this project",
    "open": "Not solved when a session ended",
    "fix": "Failures and their fixes",
    "decision": "Decisions and causes",
    "last": "The last session",
}
#: Share of the budget a section may fill before the others had their turn.
_SHARE = {"kept": 0.3, "rule": 0.3, "open": 0.15, "fix": 0.25, "decision": 0.2, "last": 0.35}


class Note(NamedTuple):
    """One remembered line: its kind, text, day, and the session it is from."""

    kind: str
    text: str
    day: str
    session: str


def briefing(
    memory: Memory, namespace: str, folder: Path | None, budget: int = BUDGET, *, without: str | None = None
) -> str:
    """The fenced briefing of a project within `budget` tokens; empty where nothing is known.

    `folder`: the spool, whose records are told although no memory has taken them in yet. `without`: a session that knows
    itself.
    """
    notes = [*_spooled(folder, namespace), *_remembered(memory, namespace)]
    seen: set[str] = set()
    sections: dict[str, list[str]] = {name: [] for name in _HEADINGS}
    newest = next((n.session for n in notes if n.session and n.session != without), None)
    for note in notes:
        section = _section(note, newest)
        line = " ".join(note.text.split())
        if section is None or (without and note.session == without) or line.casefold() in seen:
            continue
        seen.add(line.casefold())
        who = {"prompt": "Person: ", "answer": "Agent: "}.get(note.kind, "") if section == "last" else ""
        sections[section].append(
            f"- {note.day} {who}{line if len(line) <= _LONGEST else line[:_LONGEST] + ' […]'}"
        )
    sections["last"] = sections["last"][:6][::-1]
    return _fitted(sections, min(budget * LETTERS_PER_TOKEN, MOST_LETTERS))


def _section(note: Note, newest: str | None) -> str | None:
    if note.kind == "prompt" and _RULE.search(note.text):
        return "rule"
    if note.kind in ("kept", "fix", "open", "decision"):
        return note.kind
    return "last" if note.session == newest else None


def _fitted(sections: dict[str, list[str]], room: int) -> str:
    """The sections, each up to its share, then whatever still fits, newest first."""
    chosen: dict[str, list[str]] = {}
    left = room - len(fenced(""))
    later: list[tuple[str, str]] = []
    for name, lines in sections.items():
        share = int(room * _SHARE[name]) - len(_HEADINGS[name])
        for line in lines:
            if len(line) <= min(share, left):
                chosen.setdefault(name, []).append(line)
                left -= len(line) + 1 + (len(_HEADINGS[name]) + 2 if len(chosen[name]) == 1 else 0)
                share -= len(line) + 1
            else:
                later.append((name, line))
    for name, line in later:
        if name in chosen and len(line) + 1 <= left:
            chosen[name].append(line)
            left -= len(line) + 1
    body = "\n".join(f"{_HEADINGS[n]}:\n" + "\n".join(chosen[n]) for n in sections if n in chosen)
    return fenced(body) if body else ""


def _remembered(memory: Memory, namespace: str) -> Iterable[Note]:
    page = memory.log(namespace=namespace, limit=_LOOKED_AT, newest_first=True)
    for event in page:
        if event.kind == "message":
            kind = str(event.metadata.get("hook", "kept"))  # what no hook wrote, somebody asked to remember
            yield Note(kind, event.content, event.occurred_at.date().isoformat(), event.session or "")


def _spooled(folder: Path | None, namespace: str) -> Iterable[Note]:
    for path in reversed(spool.waiting(folder) if folder else []):
        try:
            records = spool.read(path)
        except (OSError, ValueError):  # whoever drains it says so
            continue
        for record in reversed(records):
            if record["namespace"] == namespace:
                yield Note(record["kind"], record["text"], str(record["at"] or "")[:10], record["session"])
