"""Finds by words: BM25 over turns, over the turns around them, and over whole threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engrams.arithmetic import IN_CACHE, distinct, length_norms, rarity, saturate_by
from engrams.errors import BadSetting
from engrams.ports import Float32, Int32, View
from engrams.recall.derived import mean_length, of_threads, once, onward
from engrams.recall.found import Found
from engrams.step import Run, Step

SORTED_SHARE = 4
"""Touched rows are sorted while they are less than this part of all rows; above, all rows are looked through."""

DENSE_SHARE = 40
"""A term that stands in more than this part of the rows is scored in all of them: that reads columns from end to end."""


def _check(step: object, k1: float, b: float) -> None:
    if k1 < 0:
        raise BadSetting(f"{type(step).__name__}.k1", k1, "a number of at least 0")
    if not 0 <= b <= 1:
        raise BadSetting(f"{type(step).__name__}.b", b, "a number from 0 to 1")


@dataclass(frozen=True)
class WordScores(Step[Found, Found]):
    """BM25 of each row by itself: signal `words`, float32[size].

    `k1` >= 0 bounds what repetition adds, `b` in 0..1 says how far length is held against a row. Chat turns are short,
    so length says little: b 0.3 finds more of LoCoMo's evidence than the usual 0.75.

    Source: Robertson and Zaragoza 2009, section 3.
    """

    k1: float = 1.2
    b: float = 0.3

    def __post_init__(self) -> None:
        _check(self, self.k1, self.b)

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds the signal."""
        view, scores = value.view, np.zeros(value.view.size, dtype=np.float32)
        norms = once(
            view,
            ("norms", self.k1, self.b),
            lambda: length_norms(view.length, mean_length(view), self.k1, self.b),
        )
        for term in value.question.terms:
            rows, counts = value.postings(term)
            if len(rows):
                weight = saturate_by(counts, norms[rows], self.k1)
                scores[rows] += np.float32(rarity(view.size, len(rows))) * weight
        return value.with_scores("words", scores)


@dataclass(frozen=True)
class WindowScores(Step[Found, Found]):
    """BM25 of each row together with its neighbours in the thread: signal `words nearby`, float32[size].

    An answer shares few words with its question; what was said just before and after shares the others. The text of a
    row is that of the rows at most `radius` (>= 1) before or after it; a term's rarity is that among such windows.
    `k1` and `b` as in `WordScores`.

    Source: passage windows as in Callan 1994; radius chosen by measurement (docs, "How recall works").
    """

    radius: int = 2
    k1: float = 1.2
    b: float = 0.5

    def __post_init__(self) -> None:
        if self.radius < 1:
            raise BadSetting("WindowScores.radius", self.radius, "a whole number of at least 1")
        _check(self, self.k1, self.b)

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds the signal."""
        view, size = value.view, value.view.size
        scores = np.zeros(size, dtype=np.float32)
        norms = once(view, ("window norms", self.radius, self.k1, self.b), lambda: self._norms(view))
        held = np.zeros(size + 1, dtype=np.float32)  # the last element: what reaches beyond a thread
        common = []
        for term in value.question.terms:
            rows, counts = value.postings(term)
            if len(rows) * DENSE_SHARE > size and self.k1 > 0:
                common.append((rows, counts))
                continue
            if not len(rows):
                continue
            around = reach(view, rows, self.radius)
            for at in around:  # no row twice in one `at`, so that adding loses nothing
                held[at] += counts
            near = _distinct(around, held)
            weight = saturate_by(held[near], norms[near], self.k1)
            scores[near] += np.float32(rarity(size, len(near))) * weight
            held[near] = 0
        if common:
            scores += self._of_all(view, common)
        return value.with_scores("words nearby", scores)

    def _of_all(self, view: View, common: Sequence[tuple[Int32, Float32]]) -> Float32:
        """What terms that stand in many rows add to every row, float32[size]: windows as sums of neighbouring cells."""
        lines = once(
            view,
            ("lines", self.radius, self.k1, self.b),
            lambda: Lines.of(view, self.radius, self._norms(view)),
        )
        total = np.zeros(len(lines.norms), dtype=np.float32)
        held, weights = np.zeros_like(total), np.zeros_like(total)
        for rows, counts in common:
            at = lines.at[rows]
            held[at] = counts
            touched = 0
            for begin in range(self.radius, len(total) - self.radius, IN_CACHE):
                end = min(begin + IN_CACHE, len(total) - self.radius)
                around = held[begin:end].copy()
                for off in range(1, self.radius + 1):
                    around += held[begin - off : end - off]
                    around += held[begin + off : end + off]
                weights[begin:end] = saturate_by(around, lines.norms[begin:end], self.k1)
                touched += int(np.count_nonzero(weights[begin:end]))
            weights *= np.float32(rarity(view.size, touched))
            total += weights
            held[at] = 0
        return total[lines.at]

    def _norms(self, view: View) -> Float32:
        padded = np.append(view.length, np.float32(0))
        rows = np.arange(view.size, dtype=np.int32)
        total = np.zeros(view.size, dtype=np.float32)
        for at in reach(view, rows, self.radius):
            total = total + padded[at]
        return length_norms(total, float(total.mean()) if view.size else 0.0, self.k1, self.b)


@dataclass(frozen=True, slots=True)
class Lines:
    """All rows as cells, thread by thread and in a thread's order, `radius` empty cells before, between and behind them.

    `at` int32[size] is the cell of each row, `norms` float32[cells] what `length_norms` gives it; infinite in empty cells.
    """

    at: Int32
    norms: Float32

    @classmethod
    def of(cls, view: View, radius: int, norms: Float32) -> Lines:
        """Those of a view with the norms of its rows."""
        order = np.lexsort((view.event, view.thread))
        begins = np.append(True, view.thread[order[1:]] != view.thread[order[:-1]])[: view.size]
        cells = np.arange(view.size) + radius * np.cumsum(begins)
        at = np.empty(view.size, dtype=np.int32)
        at[order] = cells
        padded = np.full(view.size + radius * (int(np.count_nonzero(begins)) + 1), np.inf, dtype=np.float32)
        padded[at] = norms
        return cls(at, padded)


def _distinct(around: list[Int32], held: Float32) -> npt.NDArray[np.integer]:
    """The rows in any of `around`, ascending; the last row of `held` is none."""
    touched = sum(map(len, around))
    if touched * SORTED_SHARE > len(held):
        return np.flatnonzero(held[:-1])
    rows = distinct(np.concatenate(around))
    return rows[:-1] if len(rows) and rows[-1] == len(held) - 1 else rows


def reach(view: View, rows: Int32, radius: int) -> list[Int32]:
    """The rows themselves and those up to `radius` before and after them, each int32[n]; `size` where there is none."""
    out = [rows]
    for step in onward(view):
        at = rows
        for _ in range(radius):
            at = step[at]
            out.append(at)
    return out


@dataclass(frozen=True)
class SessionScores(Step[Found, Found]):
    """BM25 of the whole thread (session) a row stands in: signal `session`, float32[size].

    `k1` and `b` as in `WordScores`; threads differ much in length, so b is the usual 0.75.
    """

    k1: float = 1.2
    b: float = 0.75

    def __post_init__(self) -> None:
        _check(self, self.k1, self.b)

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds the signal."""
        view = value.view
        norms, there = once(view, ("thread norms", self.k1, self.b), lambda: self._norms(view))
        scores = np.zeros(view.threads, dtype=np.float32)
        for term in value.question.terms:
            rows, counts = value.postings(term)
            if not len(rows):
                continue
            held = np.bincount(view.thread[rows], counts, view.threads)
            some = np.flatnonzero(held)
            weight = saturate_by(held[some].astype(np.float32), norms[some], self.k1)
            scores[some] += np.float32(rarity(there, len(some))) * weight
        return value.with_scores("session", of_threads(view, scores))

    def _norms(self, view: View) -> tuple[Float32, int]:
        """Of each thread, float32[threads], and how many threads have a row (a code may have lost all)."""
        lengths = np.bincount(view.thread, view.length, view.threads).astype(np.float32)
        there = max(int(np.count_nonzero(np.bincount(view.thread, minlength=view.threads))), 1)
        return length_norms(lengths, float(lengths.sum()) / there, self.k1, self.b), there
