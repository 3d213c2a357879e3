"""Finds by words: BM25 over turns, over the turns around them, and over whole threads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engrams.arithmetic import rarity, saturate
from engrams.errors import BadSetting
from engrams.ports import Float32, Int32, View
from engrams.recall.found import Found
from engrams.step import Run, Step


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
        mean = float(view.length.mean()) if view.size else 0.0
        for term in value.question.terms:
            rows, counts = view.postings(term)
            if len(rows):
                weight = saturate(counts, view.length[rows], mean, self.k1, self.b)
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
        lengths = self._lengths(view)
        mean = float(lengths.mean()) if size else 0.0
        for term in value.question.terms:
            rows, counts = view.postings(term)
            if not len(rows):
                continue
            around = np.concatenate(list(reach(view, rows, self.radius)))
            held = np.bincount(around, np.tile(counts, 2 * self.radius + 1), size + 1)[:size]
            near = np.flatnonzero(held)
            weight = saturate(held[near].astype(np.float32), lengths[near], mean, self.k1, self.b)
            scores[near] += np.float32(rarity(size, len(near))) * weight
        return value.with_scores("words nearby", scores)

    def _lengths(self, view: View) -> Float32:
        padded = np.append(view.length, np.float32(0))
        total = view.length.astype(np.float32)
        for step in (view.previous, view.following):
            at = step
            for _ in range(self.radius):
                total = total + padded[at]
                at = np.append(step, np.int32(-1))[at]
        return total


def reach(view: View, rows: Int32, radius: int) -> list[npt.NDArray[np.integer]]:
    """The rows themselves and those up to `radius` before and after them, each int[n]; `size` where there is none."""
    out: list[npt.NDArray[np.integer]] = [rows]
    for step in (view.previous, view.following):
        # A row past the end stands for "none", and leads to itself.
        onward = np.append(step, np.int32(-1))
        at = rows
        for _ in range(radius):
            at = onward[at]
            at = np.where(at < 0, view.size, at)
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
        lengths = np.bincount(view.thread, view.length, view.threads).astype(np.float32)
        scores = np.zeros(view.threads, dtype=np.float32)
        # A code may have lost all its rows: the mean is over threads that are there.
        there = max(int(np.count_nonzero(np.bincount(view.thread, minlength=view.threads))), 1)
        mean = float(lengths.sum()) / there
        for term in value.question.terms:
            rows, counts = view.postings(term)
            if not len(rows):
                continue
            held = np.bincount(view.thread[rows], counts, view.threads)
            some = np.flatnonzero(held)
            weight = saturate(held[some].astype(np.float32), lengths[some], mean, self.k1, self.b)
            scores[some] += np.float32(rarity(there, len(some))) * weight
        return value.with_scores("session", scores[view.thread])
