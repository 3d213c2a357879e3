"""Takes another way as a memory grows: all of it while it is small, a search of two signals, then the full one."""

from __future__ import annotations

from dataclasses import dataclass

from engrams.errors import BadSetting
from engrams.records import Engram, Query, Ranked
from engrams.step import Run, Step


@dataclass(frozen=True)
class ByConversations(Step[Query, Ranked[Engram]]):
    """Up to `full_until` (>= 0) conversations `full` is run, up to `hybrid_until` `hybrid`, and `beyond` where there are more.

    A conversation is a session, or what one add brought without one. Those of the whole scope count, whatever a question's filters
    leave of them.

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
