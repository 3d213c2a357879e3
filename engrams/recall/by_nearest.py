"""Finds by vectors alone in large namespaces: the nearest rows, without looking at all others."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engrams.arithmetic import dots, standardise
from engrams.errors import BadSetting
from engrams.ports import Float32, View
from engrams.recall.by_meaning import SAMPLE, evenly
from engrams.recall.derived import once
from engrams.recall.found import Found
from engrams.recall.fuse import Summed
from engrams.step import Run, Step

PER_EVENT = 2
"""Rows asked for each hit wanted: passages of one event count as one hit."""


@dataclass(frozen=True)
class NearestVectors(Step[Found, Summed]):
    """Above `exact` rows (>= 0) the rows nearest to the question's vector; up to it, all rows by `otherwise`.

    The score is that of `DenseScores` in `SumStandardised`: the cosine in standard deviations from the mean, here those
    of a sample. Without an embedder, or while less than `covered` (0..1) of the rows have a vector, `otherwise` is run.
    `k` (>= 1) is how many hits there are rows for; the query's own limit goes first.

    No option of `Nearest`: that looks at every engram of a kind, whatever its writer gave it; this is a short cut for hundreds
    of thousands of passages, with the scores of `DenseScores` in `SumStandardised`.
    """

    otherwise: Step[Found, Summed]
    covered: float = 0.9
    exact: int = 4096
    k: int = 100

    def __post_init__(self) -> None:
        if self.k < 1:
            raise BadSetting("NearestVectors.k", self.k, "a whole number of at least 1")
        if not 0 < self.covered <= 1:
            raise BadSetting("NearestVectors.covered", self.covered, "a share above 0, at most 1")
        if self.exact < 0:
            raise BadSetting("NearestVectors.exact", self.exact, "a number of rows, at least 0")

    def __call__(self, value: Found, run: Run) -> Summed:
        """Finds.

        Raises:
            ModelError: the embedder failed.
        """
        view = value.view
        if view.size <= self.exact or run.embedder is None:
            return self.otherwise(value, run)
        fingerprint = run.embedder.fingerprint
        spread = once(view, ("spread of a sample", fingerprint), lambda: Spread.of(view, fingerprint))
        if spread.share < self.covered:
            return self.otherwise(value, run)
        asked = run.embedder.embed([value.question.text or value.query.text])[0]
        found = view.nearest(fingerprint, asked, PER_EVENT * (value.query.limit or self.k))
        if found is None:
            return self.otherwise(value, run)
        order = np.argsort(found[0])
        rows, cosines = found[0][order], found[1][order]
        scores = standardise(cosines, *spread.moments(asked))
        return Summed(value.query, view, rows, ("dense",), scores[np.newaxis], scores)


@dataclass(frozen=True, slots=True)
class Spread:
    """Where vectors lie: their `mean` float32[d] and `covariance` float32[d, d], of some of the rows; `share` of these has a vector.

    With them mean and deviation of a question's cosines are a product of a matrix as small as one for every question, and the
    same as of the cosines themselves.
    """

    mean: Float32
    covariance: Float32
    share: float

    @classmethod
    def of(cls, view: View, fingerprint: str) -> Spread:
        """Of a view; a share of 0 where no row has a vector."""
        vectors = view.vectors(fingerprint)
        if vectors is None:
            return cls(np.empty(0, dtype=np.float32), np.empty((0, 0), dtype=np.float32), 0.0)
        some = vectors[evenly(view, SAMPLE)]
        there = some.any(axis=1)
        held = some[there].astype(np.float64)
        if not len(held):
            return cls(np.empty(0, dtype=np.float32), np.empty((0, 0), dtype=np.float32), 0.0)
        mean = held.mean(axis=0)
        apart = held - mean
        covariance = apart.T @ apart / len(held)
        return cls(mean.astype(np.float32), covariance.astype(np.float32), float(there.mean()))

    def moments(self, asked: Float32) -> tuple[float, float]:
        """Mean and deviation of the cosines of the sample with a question, float32[d]."""
        spread = float(dots(self.covariance, asked) @ asked)
        return float(self.mean @ asked), math.sqrt(max(spread, 0.0))
