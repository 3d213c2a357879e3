"""Puts what is always there before what was found: portraits, running summaries, core memories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.ports import Where
from engrams.recall.seen import may_see
from engrams.records import Engram, Ranked, Scored
from engrams.step import Run, Step

#: Blocks fetched at most.
MOST = 100


@dataclass(frozen=True)
class Preface(Step[Ranked[Engram], Ranked[Engram]]):
    """Puts the engrams of `kinds` and of `grain` (metadata; "" any) first, whatever was asked; it composes, and ranks nothing.

    Source: MemoryBank (Zhong et al. 2023): the portrait and the summary of all stand in every prompt.
    """

    composes: ClassVar[bool] = True

    kinds: tuple[str, ...]
    grain: str = ""

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """Fetches and puts first."""
        where = Where(kinds=self.kinds, writer=value.query.writer or run.recipe)
        found = [e for _, e in run.store.list_engrams(value.query.scope, where, limit=MOST)]
        blocks = [
            e
            for e in found
            if (not self.grain or e.metadata.get("grain") == self.grain) and may_see(value.query, e)
        ]
        ids = {e.id for e in blocks}
        top = max((s.score for s in value.items), default=0.0)
        return replace(
            value,
            items=(
                *(Scored(e, top, {"always": top}) for e in blocks),
                *(s for s in value.items if s.item.id not in ids),
            ),
        )
