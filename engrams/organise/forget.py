"""Forgets: what was not recalled for long goes, by Ebbinghaus' curve."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from engrams.arithmetic import retention
from engrams.errors import BadSetting
from engrams.records import Decision, Draft, Engram
from engrams.step import Run, Step

Form = Literal["paper", "released"]
#: The divisor of the authors' code, in days.
RELEASED_DAYS = 5.0


@dataclass(frozen=True)
class Forget(Step[Draft, Draft]):
    """Archives engrams of `kinds` with the chance that they are forgotten by now: 1 - e^(-t / S).

    t is days from the last recall, or from when it was said, to the newest message: a conversation that rests forgets nothing, and
    one that was imported is not forgotten at once. S is 1 and one more for each recall. With `forgetting="released"` the
    exponent is -(t / 5) S as the authors' code computes it, where what was recalled more often goes sooner. The chance is drawn
    from what the engram says, when it happened, and the day, so that the same memories forget the same wherever they were
    written; `seed` draws anew. What is pinned stays. What is archived keeps its history, and its events stand in the journal.

    No option of a limit such as `KeepCapacities`: that keeps the best so many; this draws for each by itself, by its own age
    and recalls, however many there are.

    Source: MemoryBank (Zhong et al. 2023), memory updating; `forget_memory.py` of the authors' code, where a memory is gone for
    good.
    """

    kinds: tuple[str, ...] = ("round",)
    forgetting: Form = "paper"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.forgetting not in ("paper", "released"):
            raise BadSetting("Forget.forgetting", self.forgetting, "'paper' or 'released'")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Decides."""
        now = max((e.occurred_at for e in value.engrams), default=run.clock.now())
        decided = {d.engram.id for d in value.decisions}
        made = []
        for engram in value.engrams:
            if engram.kind in self.kinds and engram.state == "active" and engram.id not in decided:
                kept = self.chance(engram, now)
                if not engram.pinned and self._draw(engram, now) > kept:
                    why = f"forgotten: {days_since(engram, now)} days, retention {kept:.3g}"
                    made.append(Decision("DELETE", replace(engram, state="archived"), why))
        return replace(value, decisions=(*value.decisions, *made))

    def chance(self, engram: Engram, now: datetime) -> float:
        """The chance, 0..1, that an engram is remembered now."""
        days, strength = days_since(engram, now), 1 + engram.recall_count
        if self.forgetting == "released":
            return float(retention(days * strength, RELEASED_DAYS))
        return float(retention(days, strength))

    def _draw(self, engram: Engram, now: datetime) -> float:
        """A number in 0..1, even over engrams and days. Not from the id, which is another each time the same is written."""
        when, day = engram.occurred_at.astimezone(UTC), now.astimezone(UTC)
        said = f"{self.seed}\x1f{engram.kind}\x1f{when.isoformat()}\x1f{engram.content}\x1f{day:%Y-%m-%d}"
        return int.from_bytes(hashlib.sha256(said.encode()).digest()[:8], "big") / 2**64


def days_since(engram: Engram, now: datetime) -> int:
    """Whole days from the last recall (never before it was said) to now, at least 0."""
    last = max(engram.occurred_at, engram.last_recalled_at or engram.occurred_at)
    return max(0, (now.astimezone(UTC).date() - last.astimezone(UTC).date()).days)
