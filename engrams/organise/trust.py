"""Trust in a memory, and how long it persists: what agreed with it, what did not, how it was used."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engrams.arithmetic import retention
from engrams.errors import BadSetting
from engrams.organise.forget import days_since
from engrams.records import Decision, Draft, Engram
from engrams.step import Run, Step

#: Keys of a memory's metadata: how often it was told again, and how often something else was told instead.
AGREED, DISAGREED = "agreed", "disagreed"
#: What nothing speaks for or against is as likely right as wrong; below that it does not stand.
LEAST_TRUST = 0.5
#: The verdicts of people that speak for a memory.
GOOD = ("cited", "chosen")


def trust(engram: Engram, good: int = 0, bad: int = 0) -> float:
    """How likely, 0..1, a memory is right: (for + 1) / (for + against + 2), with verdicts of people counted like what was told.

    Source: the rule of succession (Laplace); MARK names a trust score and gives no formula that could be read.
    """
    speak_for = int(engram.metadata.get(AGREED, 0)) + good
    against = int(engram.metadata.get(DISAGREED, 0)) + bad
    return (speak_for + 1) / (speak_for + against + 2)


def counted(engram: Engram, key: str) -> Engram:
    """The memory with one more under a key of its metadata."""
    return replace(engram, metadata={**engram.metadata, key: int(engram.metadata.get(key, 0)) + 1})


@dataclass(frozen=True)
class Persist(Step[Draft, Draft]):
    """Archives memories of `kind` whose persistence is below `least` (0..1): trust times e^(-t / S). What is pinned stays.

    t is days from the last recall, or from when it was said, to the newest memory; S is `days` (> 0) and as many for each recall; trust
    is of what agreed, disagreed, and of people's verdicts. For a consolidate chain.

    No option of `Forget`, which draws by chance: here a memory that is trusted and used stays for sure.

    Source: MARK (Ganguli et al. 2025), trust score and persistence score, in an approximation: neither formula could be read.
    """

    kind: str = "fact"
    least: float = 0.1
    days: float = 365.0

    def __post_init__(self) -> None:
        if not 0 <= self.least <= 1:
            raise BadSetting("Persist.least", self.least, "a persistence from 0 to 1")
        if self.days <= 0:
            raise BadSetting("Persist.days", self.days, "a number of days above 0")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Decides."""
        held = [e for e in value.engrams if e.kind == self.kind and e.state == "active" and not e.pinned]
        now = max((e.occurred_at for e in value.engrams), default=run.clock.now())
        told = run.store.about([e.id for e in held])
        made = []
        for engram in held:
            verdicts = [e.metadata.get("verdict") for e in told.get(engram.id, ()) if e.kind == "feedback"]
            good = sum(v in GOOD for v in verdicts)
            trusted = trust(engram, good, len(verdicts) - good)
            days = days_since(engram, now)
            left = trusted * float(retention(days, self.days * (1 + engram.recall_count)))
            if left < self.least:
                why = f"trust {trusted:.2f}, {days} days unused: persistence {left:.2f}"
                made.append(Decision("DELETE", replace(engram, state="archived"), why))
        return replace(value, decisions=(*value.decisions, *made))
