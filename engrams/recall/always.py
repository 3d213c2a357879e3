"""Puts what is always there before what was found: portraits, running summaries, core memories, what was said last."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from engrams.errors import BadSetting
from engrams.ports import Where
from engrams.recall.nearest import rows_of
from engrams.recall.seen import may_see
from engrams.recall.select import fetch
from engrams.records import Engram, Query, Ranked, Scored
from engrams.step import Run, Step

#: Blocks fetched at most.
MOST = 100
#: The signal of what stands first whatever was asked.
ALWAYS = "always"


@dataclass(frozen=True)
class Preface(Step[Ranked[Engram], Ranked[Engram]]):
    """Puts the engrams of `kinds` and of `grain` (metadata; "" any) first, whatever was asked; it composes, and ranks nothing.

    With `marked` only those that have a number of at least 0 under that key of their metadata; with `find` only those that it gives for the
    question.

    With `newest` (>= 0) only the last so many by when they were said, the latest first; 0: all. One of more than `whole_until` tokens
    (>= 0; 0: no bound) is given as its summary (`summary` in its metadata), where it has one. Signal `always`.

    Source: MemoryBank (Zhong et al. 2023): the portrait and the summary of all stand in every prompt; SCM (Wang et al. 2023), flash
    memory: the last turn does; MemOS (Li et al. 2025): what was activated does; Second Me (Wei et al.
    2025): the facets of a person nearest to the question do.
    """

    composes: ClassVar[bool] = True

    kinds: tuple[str, ...]
    grain: str = ""
    newest: int = 0
    whole_until: int = 0
    marked: str = ""
    find: Step[Query, Ranked[Engram]] | None = None

    def __post_init__(self) -> None:
        for name in ("newest", "whole_until"):
            if getattr(self, name) < 0:
                raise BadSetting(f"Preface.{name}", getattr(self, name), "a number of at least 0")

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """Fetches and puts first."""
        blocks = [
            e
            for e in self._found(value.query, run)
            if (not self.grain or e.metadata.get("grain") == self.grain) and may_see(value.query, e)
        ]
        ids = {e.id for e in blocks}
        top = max((s.score for s in value.items), default=0.0)
        return replace(
            value,
            items=(
                *(Scored(self._shown(e, run), top, {ALWAYS: top}) for e in blocks),
                *(s for s in value.items if s.item.id not in ids),
            ),
        )

    def _found(self, query: Query, run: Run) -> list[Engram]:
        if self.find is not None:
            given = self.find(replace(query, limit=None), run)
            return [s.item for s in given.items if s.item.kind in self.kinds]
        return self._newest(query, run) if self.newest else self._all(query, run)

    def _all(self, query: Query, run: Run) -> list[Engram]:
        marks = {f"metadata.{self.marked}": {"gte": 0}} if self.marked else None
        where = Where(kinds=self.kinds, writer=query.writer or run.recipe, filters=marks)
        return [e for _, e in run.store.list_engrams(query.scope, where, limit=MOST)]

    def _newest(self, query: Query, run: Run) -> list[Engram]:
        view = run.index.view(query)
        rows = rows_of(view, self.kinds)
        if view.allowed is not None:
            rows = rows[view.allowed[rows]]
        last = rows[np.lexsort((-rows, -view.occurred_at[rows]))][: self.newest]
        return [e for e in fetch(run, view, last) if e is not None]

    def _shown(self, engram: Engram, run: Run) -> Engram:
        summary = str(engram.metadata.get("summary", ""))
        if self.whole_until and summary and run.tokenizer.count(engram.content) > self.whole_until:
            return replace(engram, content=summary)
        return engram
