"""Prunes: every so many turns a small share of what is old and was not asked for goes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from engrams.errors import BadSetting
from engrams.organise.groups import oldest_first
from engrams.ports import Where
from engrams.records import Decision, Draft, Engram, Scope
from engrams.step import Run, Step


@dataclass(frozen=True)
class Prune(Step[Draft, Draft]):
    """Archives, for every `every` (>= 1) turns there were, the part `share` (0..1) of the turns that is worth least, rounded down.

    Turns are engrams of `kinds`. One is worth e^(-`decay` * age) + `bonus` * 1[recalled lately]: its age is how many turns that stand
    were said after it, lately is since the turn `every` before the newest was recorded. Of equals the oldest goes. What is pinned
    stays. What is archived keeps its history, and its events stand in the journal.

    No option of `Forget`: that draws a chance for each memory by itself, this ranks all and takes a fixed share.

    Source: HEMA (Ahn 2025), semantic forgetting: 0.5 % every 100 turns, by age and whether it was retrieved lately. `decay` (by
    which a turn is worth half after 100 others) and `bonus` (by which any turn recalled lately is worth more than one that was
    not) are ours: the paper's constants could not be read.
    """

    kinds: tuple[str, ...] = ("passage",)
    every: int = 100
    share: float = 0.005
    decay: float = math.log(2) / 100
    bonus: float = 1.0

    def __post_init__(self) -> None:
        if self.every < 1:
            raise BadSetting("Prune.every", self.every, "a number of turns, at least 1")
        if not 0 <= self.share <= 1:
            raise BadSetting("Prune.share", self.share, "a share from 0 to 1")
        for name in ("decay", "bonus"):
            if getattr(self, name) < 0:
                raise BadSetting(f"Prune.{name}", getattr(self, name), "a number of at least 0")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Decides."""
        turns = oldest_first(e for e in value.engrams if e.kind in self.kinds and e.state == "active")
        if not turns:
            return value
        where = Where(kinds=self.kinds, states=("archived",), writer=run.recipe)
        gone = len(run.store.matching(Scope(turns[0].namespace), where))
        due = pruned_after(len(turns) + gone, self.every, self.share) - gone
        worth = self.worth(turns)
        order = sorted((n for n, e in enumerate(turns) if not e.pinned), key=lambda n: (worth[n], n))
        made = [
            Decision("DELETE", replace(turns[n], state="archived"), f"pruned: worth {worth[n]:.3g}")
            for n in order[: max(due, 0)]
        ]
        return replace(value, decisions=(*value.decisions, *made))

    def worth(self, turns: list[Engram]) -> list[float]:
        """How much each of some turns, oldest first, is worth: 0..1 + `bonus`."""
        lately = turns[-min(self.every, len(turns))].recorded_at
        return [
            math.exp(-self.decay * age)
            + self.bonus * float(e.last_recalled_at is not None and e.last_recalled_at >= lately)
            for age, e in zip(range(len(turns) - 1, -1, -1), turns, strict=True)
        ]


def pruned_after(turns: int, every: int, share: float) -> int:
    """How many of so many turns are gone when after each `every` of them a share of those that stand went, rounded down."""
    gone = 0
    for said in range(every, turns + 1, every):
        gone += int((said - gone) * share)
    return gone
