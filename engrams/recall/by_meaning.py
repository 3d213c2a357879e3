"""Finds by meaning without a model: the closest word piece of a row for each word piece of the question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engrams.arithmetic import Indices, Runs, moments
from engrams.errors import BadSetting
from engrams.ports import Float32, Int32, Int64, TokenTable, UInt16, View
from engrams.recall.by_words import reach
from engrams.recall.derived import once
from engrams.recall.found import Found, Signal
from engrams.step import Run, Step

SAMPLE = 1024
"""Where not every row is a candidate, mean and deviation come from so many rows, spread evenly: off by 3 to 4 %."""


WIDEST_COPY = 8
"""Numbers of single precision that numpy's `take` copies at once, as it does 4, 2 and 1 of them: twice as fast as other numbers."""


@dataclass(frozen=True)
class StaticMaxSim(Step[Found, Found]):
    """Late interaction over the static token table: signals `meaning` and `meaning nearby`, float32[c].

    For each piece of the question the most similar piece of the row counts (cosine, negative ones as 0), weighted by
    how rare the question's piece is: sum over pieces of ln(1 + N / (1 + n)) * max similarity. Nearby, the row before
    counts `before` times and the row after `after` times as much (both 0..1), whichever is the most: an answer often
    stands behind a turn that speaks of its subject.

    Source: MaxSim of ColBERT (Khattab and Zaharia 2020, equation 3), with static vectors and rarity added here.
    """

    before: float = 0.8
    after: float = 0.5

    def __post_init__(self) -> None:
        for name, share in (("before", self.before), ("after", self.after)):
            if not 0 <= share <= 1:
                raise BadSetting(f"StaticMaxSim.{name}", share, "a share from 0 to 1")

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds both signals."""
        view, pieces = value.view, value.question.pieces
        weights = np.array([piece_rarity(view, piece) for piece in pieces], dtype=np.float32)
        similar = value.closeness if value.closeness is not None else similarities(view, run.table, pieces)
        tables = by_piece(similar, weights)
        if value.whole:
            places = once(view, ("places of all",), lambda: Places.of(view, value.rows))
            own, near = self._of(places, tables)
            own_moments, near_moments = moments(own), moments(near)
        else:
            own, near = self._of(Places.of(view, value.rows), tables)
            sample = once(view, ("places of a sample",), lambda: Places.of(view, in_threes(view, SAMPLE)))
            own_moments, near_moments = map(moments, self._of(sample, tables))
        found = value.with_signal("meaning", Signal(own, *own_moments))
        return found.with_signal("meaning nearby", Signal(near, *near_moments))

    def _of(self, places: Places, tables: Sequence[tuple[Float32, Float32]]) -> tuple[Float32, Float32]:
        """What `by_piece` gave -> the two scores of the rows, each float32[len(rows)]."""
        own, near = np.zeros((2, len(places.rows)), dtype=np.float32)
        for table, weights in tables:
            best = np.zeros((places.runs.count + 1, len(weights)), dtype=np.float32)  # the last: no such row
            best[:-1] = places.runs.largest(table)
            here = best.take(places.rows, axis=0)
            around, after = best.take(places.before, axis=0), best.take(places.after, axis=0)
            around *= np.float32(self.before)
            after *= np.float32(self.after)
            np.maximum(around, after, out=around)
            # Not by BLAS, whose threads cost more than so small a product.
            own += np.einsum("nq,q->n", here, weights)
            near += np.einsum("nq,q->n", np.maximum(here, around, out=around), weights)
        return own, near


@dataclass(frozen=True, slots=True)
class Places:
    """Some rows with their neighbours: `runs` holds the pieces of all of them, the others say where each row stands there.

    A piece is told by its place in `occurring`: tables for these alone are small, and stay in the cache.
    """

    runs: Runs
    rows: Indices
    before: Indices
    after: Indices

    @classmethod
    def of(cls, view: View, rows: Int32) -> Places:
        """Those of some rows of a view, ascending."""
        around = reach(view, rows, 1)
        stands = once(view, ("places of pieces",), lambda: _places_of_pieces(view))
        if len(rows) == view.size:
            return cls(Runs(view.pieces, np.diff(view.offsets), places=stands), *around)
        marks = np.zeros(view.size + 1, dtype=np.bool_)
        for here in around:
            marks[here] = True
        needed = np.flatnonzero(marks[:-1])
        # A row that there is not stands behind all others: its number is the view's size.
        starts = view.offsets[needed]
        runs = Runs(view.pieces, view.offsets[needed + 1] - starts, starts, stands)
        place = np.cumsum(marks) - 1
        place[-1] = len(needed)
        return cls(runs, *(place[here] for here in around))


def evenly(view: View, count: int) -> Int32:
    """At least `count` rows at even distances, all where there are fewer."""
    return np.arange(0, view.size, max(1, view.size // count), dtype=np.int32)


def in_threes(view: View, count: int) -> Int32:
    """About `count` rows, all where there are fewer: three that were written one after the other, at even distances.

    Neighbours of a row are mostly in its three, so that the rows and their neighbours are half as many as of rows that lie apart.
    """
    if view.size <= max(count, 3):
        return np.arange(view.size, dtype=np.int32)
    middle: Int32 = np.arange(1, view.size - 1, max(3, 3 * view.size // count), dtype=np.int32)
    threes: Int32 = np.stack([middle - 1, middle, middle + 1], axis=1).ravel()
    return threes


def similarities(view: View, table: TokenTable, pieces: tuple[int, ...]) -> Float32:
    """Similarity of the question's pieces with the o pieces that occur in the view (see `occurring`), float32[q, o]."""
    if not pieces:
        return np.zeros((0, len(occurring(view))), dtype=np.float32)
    return table.similarities(pieces, occurring(view))


def occurring(view: View) -> Int64:
    """The pieces that occur in a view, ascending, int64[o]."""
    return once(view, ("pieces that occur",), lambda: np.flatnonzero(view.piece_frequency))


def _places_of_pieces(view: View) -> UInt16:
    """Where each piece stands in `occurring`, uint16[v] as the pieces themselves; of one that does not occur: any."""
    return (np.cumsum(view.piece_frequency > 0) - 1).astype(np.uint16)


def by_piece(similar: Float32, weights: Float32) -> list[tuple[Float32, Float32]]:
    """float32[q, o] and float32[q], cut into tables float32[o, w] to look up by piece, each with its weights float32[w].

    w is a power of two up to `WIDEST_COPY`, filled up with 0.
    """
    tables = []
    for begin in range(0, len(weights), WIDEST_COPY):
        part = weights[begin : begin + WIDEST_COPY]
        width = 1 << (len(part) - 1).bit_length()
        table = np.zeros((similar.shape[1], width), dtype=np.float32)
        table[:, : len(part)] = similar[begin : begin + WIDEST_COPY].T
        tables.append((table, np.append(part, np.zeros(width - len(part), dtype=np.float32))))
    return tables


def piece_rarity(view: View, piece: int) -> float:
    """How much a piece of the question weighs: ln(1 + N / (1 + n)), N rows of which n hold it; above 0."""
    return math.log1p(view.size / (1 + int(view.piece_frequency[piece])))
