"""What the page shows of texts: a context in counted pieces, two versions as what went and what came."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from typing import Any

from engrams.records import Context, Revision

#: Words with the blanks before them; what is counted one by one.
_WORD = re.compile(r"\s*\S+|\s+$")
#: Words and blanks apart, for comparing.
_TOKEN = re.compile(r"\w+|\s+|[^\w\s]")
#: Longer texts, in tokens, are shown as replaced whole: comparing takes time by the square of the length.
LONGEST_COMPARED = 4000


def pieces(context: Context, count: Callable[[list[str]], list[int]]) -> dict[str, Any]:
    """A context line by line: what each is, what it rests on, its tokens, and those of each of its words.

    `counted` is the sum over the lines: where the counter takes word by word it is the context's price in tokens, else
    (a counter of the caller's that joins across words) it may differ, and the price is what counts.
    """
    cited = {c.mark: c for c in context.citations}
    lines = context.text.split("\n")
    words: list[list[str]] = [_WORD.findall(line) for line in lines]
    numbers = iter(count([word for line in words for word in line]))
    found, mark = [], ""
    for text, parts in zip(lines, words, strict=True):
        begins = re.match(r"\[\d+\]", text)
        heading = text.startswith("## ")
        mark = begins.group() if begins and begins.group() in cited else "" if heading else mark
        at = cited.get(mark)
        counted = [(part, next(numbers)) for part in parts]
        found.append(
            {
                "kind": "heading" if heading else "memory" if at else "text",
                "mark": mark if at else None,
                "engram_id": at.engram_id if at else None,
                "event_ids": list(at.event_ids) if at else [],
                "tokens": sum(n for _, n in counted),
                "words": counted,
            }
        )
    return {"lines": found, "counted": sum(line["tokens"] for line in found)}


def versions(revisions: Sequence[Revision]) -> list[dict[str, Any]]:
    """Every version with what changed against the one before of the same engram: parts that stayed, went or came."""
    before: dict[Any, Revision] = {}
    found = []
    for revision in revisions:
        last = before.get(revision.engram_id)
        before[revision.engram_id] = revision
        found.append(
            {
                "revision": revision,
                "parts": [] if last is None else difference(last.content, revision.content),
                "state_before": None if last is None else last.state,
            }
        )
    return found


def difference(old: str, new: str) -> list[tuple[str, str]]:
    """("=", text) for what stayed, ("-", text) for what went, ("+", text) for what came, in reading order."""
    if old == new:
        return [("=", new)] if new else []
    a, b = _TOKEN.findall(old), _TOKEN.findall(new)
    if len(a) > LONGEST_COMPARED or len(b) > LONGEST_COMPARED:
        return [part for part in (("-", old), ("+", new)) if part[1]]
    found: list[tuple[str, str]] = []
    for tag, i, j, k, m in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            found.append(("=", "".join(a[i:j])))
            continue
        if i < j:
            found.append(("-", "".join(a[i:j])))
        if k < m:
            found.append(("+", "".join(b[k:m])))
    return found
