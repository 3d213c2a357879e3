"""Finds the nearest engrams of some kinds by their vectors: the dense look-up that most published memories begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from engrams.arithmetic import cross_polytope, dots, min_max, products, top_k
from engrams.errors import BadSetting, NeedsExtra
from engrams.ports import Bool, Embedder, Float32, Int64, View
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
#: Questions whose products are made at once: so many numbers a row are held meanwhile.
TOGETHER = 16
#: Rows whose groups are worked out at once, in double precision.
AT_ONCE = 16_384
#: By how much two sums of the same products of two unit vectors may differ, many times over.
ROUNDING = 1e-4


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
        rows = self._best(scores, self._looked_at(value), view, value.text, run)
        return self._ranked(value, view, rows, scores, fetch(run, view, rows), run)

    def many(self, values: Sequence[Query], run: Run) -> Sequence[Ranked[Engram]]:
        """What is nearest to each question: embedded at once, what may be near told by products at once, and read at once.

        Raises as `__call__`.
        """
        views = [run.index.view(value) for value in values]
        # Then all scores count, or what one question finds changes what the next one does.
        alone = self.scale == "min-max" or self.reinforce
        if len(values) < 2 or alone or not of_one_state(views):
            return [self(value, run) for value in values]
        embedder = _embedder_of(run)
        asked = embedder.embed([value.text for value in values])
        may = [view.allowed for view in views]
        if self.groups:
            of_all = self._groups_of_all(views[0], embedder.fingerprint)
            own = cross_polytope(asked, self.groups, self.seed).tolist()
            may = [
                of_all == group if ok is None else ok & (of_all == group)
                for group, ok in zip(own, may, strict=True)
            ]
        found: list[Ranked[Engram]] = []
        for begin in range(0, len(values), TOGETHER):
            part = slice(begin, begin + TOGETHER)
            counts = [self._looked_at(value) for value in values[part]]
            scores = cosines_of_nearest(
                views[0], asked[part], self.kinds, counts, may[part], embedder.fingerprint
            )
            for each in scores:
                each[each < self.least] = -np.inf
            wanted = [top_k(each, count) for each, count in zip(scores, counts, strict=True)]
            every = np.unique(np.concatenate(wanted))
            held = dict(zip(every.tolist(), fetch(run, views[0], every), strict=True))
            found += [
                self._ranked(value, view, rows, each, [held[row] for row in rows.tolist()], run)
                for value, view, rows, each in zip(values[part], views[part], wanted, scores, strict=True)
            ]
        return found

    def _looked_at(self, value: Query) -> int:
        """How many of the best rows are looked at for a question."""
        return self._wanted(value) * (PER_WANTED if self.distinct else 1)

    def _wanted(self, value: Query) -> int:
        return max(self.k, value.limit or 0) if self.widen else self.k

    def _ranked(
        self,
        value: Query,
        view: View,
        rows: Int64,
        scores: Float32,
        engrams: Sequence[Engram | None],
        run: Run,
    ) -> Ranked[Engram]:
        """The engrams of the best rows, int64[n], with the scores of all rows, float32[size]."""
        items: list[Scored[Engram]] = []
        recalled: list[Row] = []
        said: set[str] = set()
        k = self._wanted(value)
        for at, engram in zip(rows.tolist(), engrams, strict=True):
            if engram is not None and not (self.distinct and engram.content in said) and len(items) < k:
                said.add(engram.content)
                recalled.append(Row(int(view.rows[at])))
                items.append(Scored(engram, float(scores[at]), {"dense": float(scores[at])}))
        if self.reinforce and recalled:
            run.store.touch(recalled, run.clock.now())
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
        embedder = _embedder_of(run)
        vectors = view.vectors(embedder.fingerprint)
        if vectors is None:
            return np.zeros(len(rows), dtype=np.bool_)
        groups = cross_polytope(vectors[rows], self.groups, self.seed)
        asked = int(cross_polytope(embedder.embed([text]), self.groups, self.seed)[0])
        same: Bool = groups == asked
        return same

    def _groups_of_all(self, view: View, fingerprint: str) -> Int64:
        """The group of every row of a view, int64[size]; -1 where no row has a vector."""

        def make() -> Int64:
            vectors = view.vectors(fingerprint)
            if vectors is None:
                return np.full(view.size, -1, dtype=np.int64)
            parts = (vectors[begin : begin + AT_ONCE] for begin in range(0, len(vectors), AT_ONCE))
            return np.concatenate(
                [
                    np.empty(0, dtype=np.int64),
                    *(cross_polytope(part, self.groups, self.seed) for part in parts),
                ]
            )

        return once(view, ("groups", fingerprint, self.groups, self.seed), make)


def _embedder_of(run: Run) -> Embedder:
    if run.embedder is None:
        raise NeedsExtra(f"{run.recipe!r} finds by vectors, and so", "embed")
    return run.embedder


def cosines(view: View, text: str, kinds: tuple[str, ...], run: Run) -> Float32:
    """The cosine of each row of a view with a text, float32[size]; -inf for rows of other kinds or without a vector.

    Raises:
        NeedsExtra: there is no embedder.
        ModelError: the embedder failed.
    """
    embedder = _embedder_of(run)
    out = np.full(view.size, -np.inf, dtype=np.float32)
    vectors = view.vectors(embedder.fingerprint)
    rows = rows_of(view, kinds)
    if vectors is None or not len(rows):
        return out
    # A chain that writes looks up each of its statements in the same view: which rows have a vector is told once for all.
    there = once(view, ("with a vector", embedder.fingerprint, kinds), lambda: _not_zero(vectors, rows))
    asked = embedder.embed([text])[0]
    few = len(rows) * COPIED < view.size
    found = dots(vectors[rows], asked) if few else dots(vectors, asked)[rows]
    out[rows] = np.where(there, found, -np.inf)
    return out


def cosines_of_nearest(
    view: View,
    asked: Float32,
    kinds: tuple[str, ...],
    counts: Sequence[int],
    may: Sequence[Bool | None],
    fingerprint: str,
) -> list[Float32]:
    """The cosine of each row with each of float32[q, d], [q] of float32[size]; -inf for all rows but the nearest `counts` of those
    that `may` be near (bool[size]; None: all), and what is as near or nearly so.

    Products of all at once tell what is near, up to rounding; its cosines are those of `cosines`.
    """
    vectors = view.vectors(fingerprint)
    rows = rows_of(view, kinds)
    out = [np.full(view.size, -np.inf, dtype=np.float32) for _ in asked]
    if vectors is None or not len(rows):
        return out
    there = once(view, ("with a vector", fingerprint, kinds), lambda: _not_zero(vectors, rows))
    few = len(rows) * COPIED < view.size
    rough = np.ascontiguousarray(
        (products(vectors[rows], asked) if few else products(vectors, asked)[rows]).T
    )
    for ok, close, one, scores, count in zip(may, rough, asked, out, counts, strict=True):
        close[~(there if ok is None else there & ok[rows])] = -np.inf
        if count < len(close):
            close = np.where(close >= np.partition(close, -count)[-count] - ROUNDING, close, -np.inf)
        near = rows[np.isfinite(close)]
        scores[near] = dots(vectors[near], one)
    return out


def _not_zero(vectors: Float32, rows: Int64) -> Bool:
    """Which of some rows (ascending) have a vector, bool[len(rows)]; without a copy where they are all."""
    whole = len(rows) == len(vectors)
    # Almost every vector is told by its first number: to read all of them takes twenty times as long.
    there: Bool = (vectors[:, 0] if whole else vectors[rows, 0]) != 0
    unsure = np.flatnonzero(~there)
    there[unsure] = vectors[unsure if whole else rows[unsure]].any(axis=1)
    return there


def of_one_state(views: Sequence[View]) -> bool:
    """Whether all views show one state of the memory, whatever each allows: nobody wrote while they were made."""
    return all(view.derived is views[0].derived for view in views[1:])


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
