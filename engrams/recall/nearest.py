"""Finds the nearest engrams of some kinds by their vectors: the dense look-up that most published memories begin with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from engrams.arithmetic import cross_polytope, dots, min_max, top_k
from engrams.errors import BadSetting, NeedsExtra
from engrams.ports import Bool, Float32, Int64, View
from engrams.recall.derived import once
from engrams.recall.select import fetch
from engrams.records import Engram, Query, Ranked, Row, Scored
from engrams.step import Run, Step

Scale = Literal["cosine", "min-max"]
#: Rows looked at for each engram wanted where repeated texts count once: that many copies of a text are rare.
PER_WANTED = 8
#: To copy a vector and then multiply it takes as long as to multiply so many where they lie.
COPIED = 3
#: Rows looked at for each one wanted of a group; and as many times as many again, while too few of them are of it.
LOOKED_AT = 8


@dataclass(frozen=True)
class Nearest(Step[Query, Ranked[Engram]]):
    """The `k` (>= 1) engrams of `kinds` (none: all) whose vectors are nearest to the question's, best first.

    Scores are cosines, or with `scale="min-max"` cosines moved and stretched to 0..1 over all engrams of these kinds. What lies
    below the cosine `least` (-1..1) is not near. With `distinct`, equal texts count once. With `widen` there are as many as the
    query's own limit asks for, where that is more: for the step that makes the final ranking. With `reinforce`, a recall of what is
    found is counted. With `groups` (even; 0: none) only what falls into the question's group of so many is looked at (see
    `arithmetic.cross_polytope`; `seed` draws it). Signal `dense`.

    Source: Karpukhin et al. 2020 (dense passage retrieval); min-max as in HippoRAG 2's released code; groups as in TiM (Liu et al.
    2023), section 3.3.
    """

    kinds: tuple[str, ...] = ()
    k: int = 10
    scale: Scale = "cosine"
    distinct: bool = False
    widen: bool = False
    reinforce: bool = False
    least: float = -1.0
    groups: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.groups < 0 or self.groups % 2:
            raise BadSetting("Nearest.groups", self.groups, "an even number of groups, or 0 for none")
        if not -1 <= self.least <= 1:
            raise BadSetting("Nearest.least", self.least, "a cosine from -1 to 1")
        if self.k < 1:
            raise BadSetting("Nearest.k", self.k, "a whole number of at least 1")
        if self.scale not in ("cosine", "min-max"):
            raise BadSetting("Nearest.scale", self.scale, "'cosine' or 'min-max'")

    def __call__(self, value: Query, run: Run) -> Ranked[Engram]:
        """Finds.

        Raises:
            NeedsExtra: there is no embedder.
            ModelError: the embedder failed.
        """
        view = run.index.view(value)
        scores = cosines(view, value.text, self.kinds, run)
        if self.least > -1:
            scores[scores < self.least] = -np.inf
        if self.scale == "min-max":
            if self.groups:
                scores[~self._in_group(np.arange(view.size), view, value.text, run)] = -np.inf
            there = np.isfinite(scores)
            scores[there] = min_max(scores[there].astype(np.float64))
        k = max(self.k, value.limit or 0) if self.widen else self.k
        wanted = self._best(scores, k * PER_WANTED if self.distinct else k, view, value.text, run)
        items: list[Scored[Engram]] = []
        rows: list[Row] = []
        said: set[str] = set()
        for at, engram in zip(wanted, fetch(run, view, wanted), strict=True):
            if engram is not None and not (self.distinct and engram.content in said) and len(items) < k:
                said.add(engram.content)
                rows.append(Row(int(view.rows[at])))
                items.append(Scored(engram, float(scores[at]), {"dense": float(scores[at])}))
        if self.reinforce and rows:
            run.store.touch(rows, run.clock.now())
        return Ranked(value, tuple(items))

    def _best(self, scores: Float32, count: int, view: View, text: str, run: Run) -> Int64:
        """The best rows by float32[size], of the question's group where there are groups; int64[<= count]."""
        may = allowed(view, scores)
        if not self.groups or self.scale == "min-max":
            return top_k(may, count)
        # What is near mostly lies in the same group: the best are looked at first, and the groups of few are worked out.
        looked = LOOKED_AT * count
        while True:
            best = top_k(may, looked)
            same = best[self._in_group(best, view, text, run)]
            if len(same) >= count or len(best) < looked:
                return same[:count]
            looked *= LOOKED_AT

    def _in_group(self, rows: Int64, view: View, text: str, run: Run) -> Bool:
        """Which of some rows fall into the same group as a text, bool[len(rows)]."""
        assert run.embedder is not None  # `cosines` has asked it
        vectors = view.vectors(run.embedder.fingerprint)
        if vectors is None:
            return np.zeros(len(rows), dtype=np.bool_)
        groups = cross_polytope(vectors[rows], self.groups, self.seed)
        asked = int(cross_polytope(run.embedder.embed([text]), self.groups, self.seed)[0])
        same: Bool = groups == asked
        return same


def cosines(view: View, text: str, kinds: tuple[str, ...], run: Run) -> Float32:
    """The cosine of each row of a view with a text, float32[size]; -inf for rows of other kinds or without a vector.

    Raises:
        NeedsExtra: there is no embedder.
        ModelError: the embedder failed.
    """
    if run.embedder is None:
        raise NeedsExtra(f"{run.recipe!r} finds by vectors, and so", "embed")
    out = np.full(view.size, -np.inf, dtype=np.float32)
    vectors = view.vectors(run.embedder.fingerprint)
    rows = rows_of(view, kinds)
    if vectors is None or not len(rows):
        return out
    # A chain that writes looks up each of its statements in the same view: which rows have a vector is told once for all.
    there = once(view, ("with a vector", run.embedder.fingerprint, kinds), lambda: _not_zero(vectors, rows))
    asked = run.embedder.embed([text])[0]
    few = len(rows) * COPIED < view.size
    found = dots(vectors[rows], asked) if few else dots(vectors, asked)[rows]
    out[rows] = np.where(there, found, -np.inf)
    return out


def _not_zero(vectors: Float32, rows: Int64) -> Bool:
    """Which of some rows (ascending) have a vector, bool[len(rows)]; without a copy where they are all."""
    held: Float32 = vectors if len(rows) == len(vectors) else vectors[rows]
    there: Bool = np.asarray(held.any(axis=1))
    return there


def rows_of(view: View, kinds: tuple[str, ...]) -> Int64:
    """The rows of some kinds (none: all), int64[n], ascending."""

    def make() -> Int64:
        if not kinds:
            return np.arange(view.size, dtype=np.int64)
        codes = [code for code, kind in enumerate(view.kinds) if kind in kinds]
        return np.flatnonzero(np.isin(view.kind, codes)).astype(np.int64)

    return once(view, ("rows of", kinds), make)


def allowed(view: View, scores: Float32) -> Float32:
    """The scores, -inf where the query may not see the row, float32[size]."""
    return scores if view.allowed is None else np.where(view.allowed, scores, -np.inf).astype(np.float32)
