"""Finds by meaning with an embedder: the question's vector against those of turns, their neighbours and threads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engrams.arithmetic import dots
from engrams.errors import BadSetting
from engrams.ports import Float32, View
from engrams.recall.derived import of_three, of_whole_thread
from engrams.recall.found import Found, Signal, nothing
from engrams.step import Run, Step

NAMES = ("dense", "dense nearby", "dense session")


@dataclass(frozen=True)
class DenseScores(Step[Found, Found]):
    """Cosine of the question with each row: signals `dense`, `dense nearby` and `dense session`, float32[size].

    Nearby the most similar of the row and those right before and after it in its thread counts, in `dense session` the
    most similar of the whole thread: neighbours come from the vectors that are there, so they cost no embedding. The
    question is embedded without the names of speakers: MiniLM finds a fifth more of LoCoMo's evidence so.

    Without an embedder, or while less than `covered` (0..1) of the rows have a vector, the signals say nothing (all 0):
    a few rows with vectors would stand out among many without. Above it, a row without a vector counts as average.

    Source: Karpukhin et al. 2020 (DPR), equation 1, with cosine; neighbours and threads are ours.
    """

    covered: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.covered <= 1:
            raise BadSetting("DenseScores.covered", self.covered, "a share above 0, at most 1")

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds the signals.

        Raises:
            ModelError: the embedder failed.
        """
        own = self.cosines(value, run)
        if own is None:
            for name in NAMES:
                value = value.with_signal(name, Signal(nothing(len(value.rows))))
            return value
        found = value.with_scores("dense", own)
        found = found.with_scores("dense nearby", nearby(value.view, own))
        return found.with_scores("dense session", best_of_thread(value.view, own))

    def cosines(self, value: Found, run: Run) -> Float32 | None:
        """Of the question with every row, float32[size], -1..1; None where there is nothing to compare."""
        if run.embedder is None or not value.view.size:
            return None
        vectors = value.view.vectors(run.embedder.fingerprint)
        if vectors is None:
            return None
        asked = run.embedder.embed([value.question.text or value.query.text])[0]
        cosines = dots(vectors, asked)
        # A row without a vector is all 0: there can be one only where the cosine is exactly 0.
        missing = np.flatnonzero(cosines == 0)
        missing = missing[~vectors[missing].any(axis=1)]
        if len(missing) > (1 - self.covered) * len(cosines):
            return None
        if len(missing):
            cosines[missing] = cosines.sum() / (len(cosines) - len(missing))
        return cosines


def nearby(view: View, own: Float32) -> Float32:
    """The largest of each row and its neighbours in the thread, float32[size] of float32[size]."""
    return of_three(view, own, np.maximum, np.float32(-np.inf))


def best_of_thread(view: View, own: Float32) -> Float32:
    """The largest of the thread each row stands in, float32[size] of float32[size]."""
    return of_whole_thread(view, own, np.maximum)
