"""How one engram, and one run of engrams of the same conversation and day, reads in a context."""

from __future__ import annotations

from collections.abc import Sequence

from engrams.records import Engram

#: What a context says when the memory holds no answer. It is a sentence, so that an agent can pass it on.
NOTHING_FOUND = "Nothing about this was found in memory."


def heading(engram: Engram) -> str:
    """The line above a group: the day, its weekday, and the session where there is one."""
    day = f"{engram.occurred_at:%Y-%m-%d} ({engram.occurred_at:%a})"
    return f"## {day}, session {engram.session}" if engram.session else f"## {day}"


def line(engram: Engram, mark: int, text: str | None = None) -> str:
    """`[3] 14:05 Anna: text`: mark, time of day, who spoke, what was said. Line breaks inside stay, indented."""
    said = (engram.content if text is None else text).strip().replace("\n", "\n    ")
    who = engram.speaker or (engram.role if engram.role not in ("", "user") else None)
    clock = (
        f"{engram.occurred_at:%H:%M} "
        if (engram.occurred_at.hour, engram.occurred_at.minute) != (0, 0)
        else ""
    )
    return f"[{mark}] {clock}{who}: {said}" if who else f"[{mark}] {clock}{said}"


def render(engrams: Sequence[Engram], texts: Sequence[str]) -> str:
    """The whole context: a heading wherever day or session changes, then the marked lines in the order given."""
    out: list[str] = []
    above = ""
    for number, (engram, text) in enumerate(zip(engrams, texts, strict=True), start=1):
        head = heading(engram)
        if head != above:
            out.append(head if not out else f"\n{head}")
            above = head
        out.append(line(engram, number, text))
    return "\n".join(out)
