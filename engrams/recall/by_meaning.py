"""Finds by meaning without a model: the closest word piece of a row for each word piece of the question."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engrams.arithmetic import Indices, largest_of_each, moments, ranges
from engrams.errors import BadSetting
from engrams.ports import Float32, Int32, TokenTable, UInt16, View
from engrams.recall.by_words import reach
from engrams.recall.found import Found, Signal
from engrams.step import Run, Step

SAMPLE = 1024
"""Where not every row is a candidate, mean and deviation come from so many evenly spaced rows: off by about 3 %."""


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
        own, near = self._of(value.rows, view, similar, weights)
        if value.whole:
            own_moments, near_moments = moments(own), moments(near)
        else:
            some = np.arange(0, view.size, max(1, view.size // SAMPLE), dtype=np.int32)
            own_moments, near_moments = map(moments, self._of(some, view, similar, weights))
        found = value.with_signal("meaning", Signal(own, *own_moments))
        return found.with_signal("meaning nearby", Signal(near, *near_moments))

    def _of(self, rows: Int32, view: View, similar: Float32, weights: Float32) -> tuple[Float32, Float32]:
        """float32[q, v], float32[q] -> the two scores of the rows, each float32[len(rows)]."""
        _, previous, following = reach(view, rows, 1)
        whole = len(rows) == view.size
        needed = rows
        if not whole:
            marks = np.zeros(view.size + 1, dtype=np.bool_)
            for here in (rows, previous, following):
                marks[here] = True
            needed = np.flatnonzero(marks[: view.size]).astype(np.int32)
        at = [here if whole else _positions(needed, here) for here in (rows, previous, following)]
        at = [np.where(here < len(needed), here, len(needed)) for here in at]
        held, lengths = held_pieces(view, needed)
        best = np.zeros((len(similar), len(needed) + 1), dtype=np.float32)  # the last column: no such row
        best[:, :-1] = largest_of_each(np.take(similar, held, axis=1), lengths)
        own = best[:, at[0]]
        around = np.maximum(np.float32(self.before) * best[:, at[1]], np.float32(self.after) * best[:, at[2]])
        return weights @ own, weights @ np.maximum(own, around)


def _positions(needed: Indices, rows: Indices) -> Indices:
    """Where each of `rows` stands in `needed` (ascending); len(needed) for a row that is none."""
    return np.searchsorted(needed, rows)


def held_pieces(view: View, rows: Indices) -> tuple[UInt16, Indices]:
    """The pieces of some rows one after the other, int[p], and how many each row has, int[len(rows)]."""
    if len(rows) == view.size:
        return view.pieces, np.diff(view.offsets)
    starts = view.offsets[rows]
    lengths = view.offsets[rows + 1] - starts
    return view.pieces[ranges(starts, lengths)], lengths


def similarities(view: View, table: TokenTable, pieces: tuple[int, ...]) -> Float32:
    """Similarity of the question's pieces with every piece that occurs in the view, float32[q, v]."""
    if not pieces:
        return np.zeros((0, 0), dtype=np.float32)
    return table.similarities(pieces, np.flatnonzero(view.piece_frequency))


def piece_rarity(view: View, piece: int) -> float:
    """How much a piece of the question weighs: ln(1 + N / (1 + n)), N rows of which n hold it; above 0."""
    return math.log1p(view.size / (1 + int(view.piece_frequency[piece])))
