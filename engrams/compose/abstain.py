"""Says "nothing found" instead of filling a context with what does not answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.records import Engram, Ranked
from engrams.step import Run, Step


@dataclass(frozen=True)
class NeedConfidence(Step[Ranked[Engram], Ranked[Engram]]):
    """Lets nothing into the context where the confidence is below `least` (0..1; 0 never abstains).

    A search still gives its hits, with the confidence on each. Where no confidence is known, everything passes.
    `least` is chosen so that at most one answerable question in fifty is lost (docs, "How sure is it?").

    No option of `FitBudget`: that chooses by length among what was found; this empties all of it, by one figure for the whole
    search that only the house recipe works out.
    """

    least: float = 0.14

    composes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 <= self.least <= 1:
            raise BadSetting("NeedConfidence.least", self.least, "a confidence from 0 to 1")

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """Keeps all items or none."""
        if value.confidence is None or value.confidence >= self.least:
            return value
        return replace(value, items=())
