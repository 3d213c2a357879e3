"""Whether a memory knows when nothing is there: its confidence and its "nothing found", against questions without answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engrams_bench.measures.intervals import LEVEL, RESAMPLES, SEED, Interval


def auroc(answerable: Sequence[float], unanswerable: Sequence[float]) -> float | None:
    """The chance that an answerable question gets more confidence than an unanswerable one; ties count half.

    In 0..1, 0.5 is a coin (Hanley and McNeil, Radiology 143, 1982). None where either side is empty.
    """
    if not answerable or not unanswerable:
        return None
    right, wrong = np.asarray(answerable)[:, None], np.asarray(unanswerable)[None, :]
    return float((right > wrong).mean() + 0.5 * (right == wrong).mean())


@dataclass(frozen=True, slots=True)
class Abstention:
    """How "nothing found" did: precision (share of it that was right; None if never said), recall (share of the
    unanswerable questions that got it) and the share of answerable questions that got it wrongly."""

    precision: float | None
    recall: float
    false_alarms: float


def abstention(nothing_found: Sequence[bool], unanswerable: Sequence[bool]) -> Abstention | None:
    """The quality of "nothing found", one entry a question in both lists; None where all questions are of one kind."""
    said, due = np.asarray(nothing_found, bool), np.asarray(unanswerable, bool)
    if not due.any() or due.all():
        return None
    right = float((said & due).sum())
    return Abstention(
        precision=right / float(said.sum()) if said.any() else None,
        recall=right / float(due.sum()),
        false_alarms=float((said & ~due).sum() / (~due).sum()),
    )


def auroc_interval(
    answerable: Sequence[float], unanswerable: Sequence[float], resamples: int = RESAMPLES, seed: int = SEED
) -> Interval | None:
    """The 95 % interval of `auroc`, both sides drawn anew each time; None with fewer than two questions on a side."""
    if len(answerable) < 2 or len(unanswerable) < 2:
        return None
    right, wrong = np.asarray(answerable, float), np.sort(np.asarray(unanswerable, float))
    draw = np.random.default_rng(seed)
    areas = np.empty(resamples)
    for turn in range(resamples):
        drawn = np.sort(wrong[draw.integers(0, len(wrong), len(wrong))])
        scores = right[draw.integers(0, len(right), len(right))]
        below = np.searchsorted(drawn, scores, "left") + np.searchsorted(drawn, scores, "right")
        areas[turn] = below.sum() / (2.0 * len(right) * len(wrong))
    tail = (1 - LEVEL) / 2 * 100
    low, high = np.percentile(areas, [tail, 100 - tail])
    return float(low), float(high)


BINS = 10  # of one tenth each, as reliability diagrams customarily have


@dataclass(frozen=True, slots=True)
class Bin:
    """Questions whose confidence lies in one tenth: how many, their mean confidence, the share that is answerable."""

    low: float
    high: float
    count: int
    confidence: float
    answerable: float


def reliability(confidence: Sequence[float], answerable: Sequence[bool], bins: int = BINS) -> list[Bin]:
    """The points of a reliability diagram: the bins of equal width over 0..1 that hold a question, ascending.

    A bin holds its lower bound; the last one 1 too (DeGroot and Fienberg, The Statistician 32, 1983).
    """
    held, due = np.asarray(confidence, float), np.asarray(answerable, bool)
    place = np.minimum((held * bins).astype(int), bins - 1)
    return [
        Bin(
            low=at / bins,
            high=(at + 1) / bins,
            count=int((place == at).sum()),
            confidence=float(held[place == at].mean()),
            answerable=float(due[place == at].mean()),
        )
        for at in sorted(set(place.tolist()))
    ]


def calibration_error(points: Sequence[Bin]) -> float | None:
    """By how much confidence and truth differ, the mean over questions of their bins' gap; in 0..1, None without any.

    Expected calibration error (Naeini, Cooper and Hauskrecht, AAAI 2015).
    """
    total = sum(point.count for point in points)
    if not total:
        return None
    return sum(point.count * abs(point.confidence - point.answerable) for point in points) / total
