"""Splits what is over-long into passages, at the borders that writing itself has; nothing is lost or repeated."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from unicodedata import combining

from engrams.errors import BadSetting
from engrams.records import Draft, Engram, Event, derived_id
from engrams.step import Run, Step

#: About 400 English words, the passage length of HippoRAG 2's corpora and of most passage retrieval since DPR.
DEFAULT_CHARACTERS = 2000

#: Borders, strongest first; a passage ends behind the match. Sentence marks of scripts without spaces need none after.
_BORDERS = (
    re.compile(r"\n[ \t\r]*\n\s*"),
    re.compile(r"\n\s*"),
    re.compile(r"""[.!?…؟۔।]['"”’»)\]]*\s+|[。！？｡][」』”’）]*\s*"""),
    re.compile(r"[,;:—–]\s+|[，、；：]\s*"),
    re.compile(r"\s+"),
)
#: A border is taken if the passage is at least this full; else the next weaker kind of border is tried.
_FULL_ENOUGH = 0.5
#: Joins what stands left and right of it into one sign, so nothing is cut beside it.
_ZERO_WIDTH_JOINER = "\u200d"


def split_passages(text: str, max_characters: int = DEFAULT_CHARACTERS) -> list[str]:
    """The text in pieces of at most `max_characters`, cut at paragraph, line, sentence, clause or word borders.

    Joined together the pieces are the text. A text that fits is one piece, an empty one none.

    Raises:
        BadSetting: `max_characters` below 1.
    """
    if max_characters < 1:
        raise BadSetting("max_characters", max_characters, "at least 1 character")
    pieces, start = [], 0
    while len(text) - start > max_characters:
        end = _cut(text, start, start + max_characters)
        pieces.append(text[start:end])
        start = end
    if start < len(text):
        pieces.append(text[start:])
    return pieces


def _cut(text: str, start: int, end: int) -> int:
    """Where the passage that begins at `start` ends, at most at `end`."""
    earliest = start + max(1, int((end - start) * _FULL_ENOUGH))
    for border in _BORDERS:
        # A border may run on beyond the limit (blank lines): only the part that fits counts.
        found = [m.end() for m in border.finditer(text, earliest - 1, end) if earliest <= m.end() <= end]
        if found:
            return found[-1]
    cut = end
    while cut > start + 1 and _joined(text[cut - 1], text[cut]):
        cut -= 1
    return cut if cut > start + 1 else end


def _joined(left: str, right: str) -> bool:
    """Whether two characters make one sign: an accent, a variation selector, a joined emoji."""
    return bool(combining(right)) or _ZERO_WIDTH_JOINER in (left, right) or "\ufe00" <= right <= "\ufe0f"


@dataclass(frozen=True)
class SplitPassages(Step[Draft, Draft]):
    """Derives the passages of each new event: one when it is short, several when it is over-long.

    A passage carries the event's time, role, speaker and session, and names the event as its source.

    Source: passage indexing as in HippoRAG 2 (2025), section 3.1; borders instead of a fixed token count.
    """

    max_characters: int = DEFAULT_CHARACTERS

    def __post_init__(self) -> None:
        if self.max_characters < 1:
            raise BadSetting("SplitPassages.max_characters", self.max_characters, "at least 1 character")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """The draft with the passages of its messages behind what it held."""
        made = [
            p
            for event in value.events
            if event.kind == "message" and event.content.strip()
            for p in self._passages(event, run)
        ]
        return replace(value, engrams=(*value.engrams, *made))

    def _passages(self, event: Event, run: Run) -> list[Engram]:
        return [
            Engram(
                id=derived_id(run.recipe, "passage", (event.id,), ordinal),
                namespace=event.namespace,
                recipe=run.recipe,
                kind="passage",
                content=content,
                occurred_at=event.occurred_at,
                recorded_at=event.recorded_at,
                sources=(event.id,),
                role=event.role,
                speaker=event.speaker,
                session=event.session,
                agent_id=event.agent_id,
                run_id=event.run_id,
                thread=event.thread,
                metadata=event.metadata,
            )
            for ordinal, content in enumerate(split_passages(event.content, self.max_characters))
        ]
