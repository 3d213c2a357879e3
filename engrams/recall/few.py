"""Takes another way as a memory grows: all of it while it is small, then what is best."""

from __future__ import annotations

from dataclasses import dataclass

from engrams.errors import BadSetting
from engrams.recall.derived import once
from engrams.recall.fuse import Summed
from engrams.recall.nearest import rows_of
from engrams.recall.select import fetch
from engrams.records import Engram, Query, Ranked
from engrams.step import Run, Step


@dataclass(frozen=True)
class ByConversations(Step[Query, Ranked[Engram]]):
    """Up to `full_until` (>= 0) conversations `full` is run, up to `hybrid_until` `hybrid`, and `beyond` where there are more.

    A conversation is a session, or what one add brought without one. Those of the whole scope count, whatever a question's filters
    leave of them.

    No option of `OrElse` or `When`: it chooses by how much the memory holds, not by what a step finds, and among three.

    Source: ConvoMem (Pakhomov et al. 2025), whose transition points are 30 and 150 conversations.
    """

    full: Step[Query, Ranked[Engram]]
    hybrid: Step[Query, Ranked[Engram]]
    beyond: Step[Query, Ranked[Engram]]
    full_until: int = 30
    hybrid_until: int = 150

    def __post_init__(self) -> None:
        if self.full_until < 0:
            raise BadSetting(
                "ByConversations.full_until", self.full_until, "a number of conversations, at least 0"
            )
        if self.hybrid_until < self.full_until:
            raise BadSetting(
                "ByConversations.hybrid_until",
                self.hybrid_until,
                f"a number of conversations, at least full_until ({self.full_until})",
            )

    def __call__(self, value: Query, run: Run) -> Ranked[Engram]:
        """Counts and goes on."""
        there = run.index.view(value).threads
        if there <= self.full_until:
            return self.full(value, run)
        return (self.hybrid if there <= self.hybrid_until else self.beyond)(value, run)


@dataclass(frozen=True)
class WhileItFits(Step[Summed, Ranked[Engram]]):
    """Runs `whole` while the memories of `kinds` together have at most `tokens` (>= 0), and `beyond` where they have more.

    All that stand count, whatever a question's filters leave of them. No option of `ByConversations`: that counts conversations, and
    chooses before anything is scored.

    Source: Mem-alpha (Wang et al. 2025), `memory_server.py` of the authors' code: everything up to 30,720 tokens.
    """

    whole: Step[Summed, Ranked[Engram]]
    beyond: Step[Summed, Ranked[Engram]]
    kinds: tuple[str, ...]
    tokens: int = 30_720

    def __post_init__(self) -> None:
        if self.tokens < 0:
            raise BadSetting("WhileItFits.tokens", self.tokens, "a number of tokens, at least 0")

    def __call__(self, value: Summed, run: Run) -> Ranked[Engram]:
        """Counts and goes on."""
        view = value.view

        def fits() -> bool:
            rows = rows_of(view, self.kinds)
            if len(rows) > self.tokens:  # none is empty: so many need not be read
                return False
            held = fetch(run, view, rows)
            return sum(run.tokenizer.count(e.content) for e in held if e is not None) <= self.tokens

        fitting = once(view, ("fits", self.kinds, self.tokens, type(run.tokenizer)), fits)
        return self.whole(value, run) if fitting else self.beyond(value, run)
