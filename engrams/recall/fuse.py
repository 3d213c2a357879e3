"""Sums the signals into one score, and keeps what is worth a closer look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from engrams.arithmetic import IN_CACHE, best_k, moments
from engrams.errors import BadSetting
from engrams.ports import Float32, View
from engrams.recall.by_meaning import evenly, occurring, piece_rarity, similarities
from engrams.recall.derived import once
from engrams.recall.found import Found, Signal
from engrams.records import Query
from engrams.step import Run, Step

Weights = tuple[tuple[str, float], ...]

LOOKED_AT = 4096
"""Rows, evenly spaced, that are enough to tell a dialogue from notes."""

CHANGES_OF_SPEAKER = 0.1
"""In a dialogue at least this share of the rows is said by somebody else than the row before; notes are far below."""


@dataclass(frozen=True, slots=True)
class Summed:
    """Candidates with their scores: `shares` float32[s, c] of the signals `names`, `scores` float32[c] their sum.

    `asked` is what was summed; `confidence`, in 0..1, says how sure it is that an answer is there (None: not known).
    """

    query: Query
    view: View
    rows: np.ndarray[tuple[int], np.dtype[np.int32]]
    names: tuple[str, ...]
    shares: Float32
    scores: Float32
    asked: Found | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class SumStandardised(Step[Found, Summed]):
    """The weighted sum of the signals, each in standard deviations over the namespace (cues as they are).

    `dialogue` weighs where people take turns, `notes` where nobody answers anybody (documents, memos, facts): there the
    rows before and after say little. Which of the two holds is read from the data (see `is_dialogue`). Statistics are
    those of the whole namespace, also when filters leave few rows. A linear sum of standardised scores generalised
    better than learnt trees and than reciprocal ranks (docs, "How recall works").

    Source: z-score fusion, Lee 1997 ("Analyses of multiple evidence combination").
    """

    dialogue: Weights
    notes: Weights

    def weights(self, value: Found) -> Weights:
        """Those that hold for this data."""
        return self.dialogue if is_dialogue(value.view) else self.notes

    def __call__(self, value: Found, run: Run) -> Summed:
        """Sums.

        Raises:
            BadSetting: a weight for a signal that no step before has made.
        """
        weights = self.weights(value)
        for name, weight in weights:
            if name not in value.signals:
                raise BadSetting(
                    "SumStandardised", (name, weight), f"a signal among {', '.join(value.signals)}"
                )
        shares = np.zeros((len(weights), len(value.rows)), dtype=np.float32)
        for share, (name, weight) in zip(shares, weights, strict=True):
            if not value.signals[name].silent:
                np.multiply(value.signals[name].standard(), np.float32(weight), out=share)
        return Summed(
            value.query,
            value.view,
            value.rows,
            tuple(name for name, _ in weights),
            shares,
            shares.sum(axis=0, dtype=np.float32),
            value,
        )


@dataclass(frozen=True)
class FuseByRank(Step[Found, Summed]):
    """Reciprocal rank fusion: the sum over `signals` of 1 / (k + rank), rank 1 for the best; `k` >= 0.

    Equal scores take ranks in the order of the rows. A signal that tells no two rows apart is left out.

    Source: Cormack, Clarke and Buettcher 2009, with their k of 60.
    """

    signals: tuple[str, ...]
    k: int = 60

    def __post_init__(self) -> None:
        if self.k < 0:
            raise BadSetting("FuseByRank.k", self.k, "a whole number, at least 0")

    def __call__(self, value: Found, run: Run) -> Summed:
        """Fuses.

        Raises:
            BadSetting: a signal that no step before has made.
        """
        shares = np.zeros((len(self.signals), len(value.rows)), dtype=np.float32)
        for share, name in zip(shares, self.signals, strict=True):
            if name not in value.signals:
                raise BadSetting("FuseByRank.signals", name, f"a signal among {', '.join(value.signals)}")
            values = value.signals[name].values
            if len(values) and values.min() < values.max():
                share[np.argsort(-values, kind="stable")] = 1 / (self.k + 1 + np.arange(len(values)))
        return Summed(
            value.query,
            value.view,
            value.rows,
            self.signals,
            shares,
            shares.sum(axis=0, dtype=np.float32),
            value,
        )


def is_dialogue(view: View) -> bool:
    """Whether people take turns: rows often have another speaker or role than the row before in their thread."""
    return once(view, ("is dialogue",), lambda: _take_turns(view))


def _take_turns(view: View) -> bool:
    some = evenly(view, LOOKED_AT)
    some = some[view.previous[some] >= 0]
    if not len(some):
        return False
    before = view.previous[some]
    changes = (view.speaker[some] != view.speaker[before]) | (view.role[some] != view.role[before])
    return bool(changes.mean() >= CHANGES_OF_SPEAKER)


@dataclass(frozen=True)
class Shortlist(Step[Found, Found]):
    """Above `exact` rows (>= 0), keeps the `size` (>= 1) most promising candidates among the rows the query may return.

    What promises is the same sum, with a rough `meaning`: pieces whose similarity to a piece of the question is below
    `floor` (0..1) count as 0, so only rows that hold a similar piece are touched, rarest pieces first, as long as
    no more than `touches` rows are. Up to `exact` rows every row is scored exactly and this step does nothing.
    """

    by: SumStandardised
    size: int = 1000
    exact: int = 5_000
    floor: float = 0.6
    touches: int = 400_000

    def __post_init__(self) -> None:
        if self.size < 1:
            raise BadSetting("Shortlist.size", self.size, "a number of candidates, at least 1")
        if self.exact < 0:
            raise BadSetting("Shortlist.exact", self.exact, "a number of rows, at least 0")
        if not 0 <= self.floor <= 1:
            raise BadSetting("Shortlist.floor", self.floor, "a cosine from 0 to 1")

    def __call__(self, value: Found, run: Run) -> Found:
        """Narrows the candidates."""
        view = value.view
        if view.size <= self.exact:
            return value
        closeness = similarities(view, run.table, value.question.pieces)
        rough = self._rough(value, closeness)
        signals = {**value.signals, "meaning": Signal(rough, *moments(rough))}
        # What all rows have alike, as a signal's mean, does not change their order.
        scores = _added(
            [
                (signals[name].slope(weight), signals[name].values)
                for name, weight in self.by.weights(value)
                if name in signals and not signals[name].constant
            ],
            view.size,
        )
        if view.allowed is not None:
            scores = np.where(view.allowed, scores, -np.inf).astype(np.float32)
        best = best_k(scores, max(self.size, value.query.limit or 0))
        return replace(value, closeness=closeness).narrowed(best.astype(np.int32))

    def _rough(self, value: Found, closeness: Float32) -> Float32:
        """Rough MaxSim of every row, float32[size], from float32[q, o]."""
        view, pieces = value.view, value.question.pieces
        rough = np.zeros(view.size, dtype=np.float32)
        if not pieces:
            return rough
        order = np.argsort(view.piece_frequency[list(pieces)], kind="stable")  # the rarest first
        # Flat, since numpy finds what is not 0 in two dimensions six times as slowly.
        related, of_pieces = np.divmod(np.flatnonzero(closeness.T.ravel() >= self.floor), len(pieces))
        turn = np.argsort(order)[of_pieces]
        similar = closeness[of_pieces, related]
        # The most similar last: of a row with several it is the one that stays.
        sort = np.lexsort((similar, turn))
        turn, similar, related = turn[sort], similar[sort], occurring(view)[related[sort]]
        touched = np.append(0, np.cumsum(view.piece_frequency[related], dtype=np.int64))
        ends = np.searchsorted(turn, np.arange(len(order)), side="right")
        turns = int(np.searchsorted(touched[ends], self.touches, side="right"))
        rows, places = view.rows_with_pieces(related[: ends[turns - 1]] if turns else related[:0])
        rarities = np.array([piece_rarity(view, pieces[at]) for at in order], dtype=np.float32)
        _add_largest(rough, rows.astype(np.intp), turn[places], (rarities[turn] * similar)[places])
        return rough


def _add_largest(
    total: Float32, rows: npt.NDArray[np.intp], turns: npt.NDArray[np.intp], values: Float32
) -> None:
    """Adds to each row of float32[size] the last of its values of each turn, each [m].

    Of one row the turns ascend; a part of the rows comes before another.
    """
    last = np.empty(len(total), dtype=np.float32)
    cuts = np.flatnonzero(turns[1:] != turns[:-1]) + 1
    for begin, end in pairwise([0, *cuts.tolist(), len(rows)]):
        here = rows[begin:end]
        last[here] = values[begin:end]
        # A row twice among them is no harm: both times it gets the same.
        total[here] += last[here]


def _added(parts: Sequence[tuple[np.float32, Float32]], size: int) -> Float32:
    """The sum of slope times values, float32[size]: a cacheful of rows at a time, since columns are longer than caches."""
    total = np.zeros(size, dtype=np.float32)
    product = np.empty(IN_CACHE, dtype=np.float32)
    for begin in range(0, size, IN_CACHE):
        out = total[begin : begin + IN_CACHE]
        for slope, values in parts:
            out += np.multiply(values[begin : begin + IN_CACHE], slope, out=product[: len(out)])
    return total
