"""Finds by vectors alone in large namespaces: the nearest rows, without looking at all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engrams.arithmetic import moments, standardise
from engrams.errors import BadSetting
from engrams.recall.by_meaning import SAMPLE, evenly
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
    `k` (>= 1) is how many hits there are rows for; the query's own limit goes first where it is higher.
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
        vectors = view.vectors(run.embedder.fingerprint)
        if vectors is None:
            return self.otherwise(value, run)
        sample = vectors[evenly(view, SAMPLE)]
        there = sample.any(axis=1)
        if there.mean() < self.covered:
            return self.otherwise(value, run)
        asked = run.embedder.embed([value.question.text or value.query.text])[0]
        found = view.nearest(run.embedder.fingerprint, asked, PER_EVENT * max(self.k, value.query.limit or 0))
        if found is None:
            return self.otherwise(value, run)
        order = np.argsort(found[0])
        rows, cosines = found[0][order], found[1][order]
        scores = standardise(cosines, *moments(sample[there] @ asked))
        return Summed(value.query, view, rows, ("dense",), scores[np.newaxis], scores)
