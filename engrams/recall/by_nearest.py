"""Finds by vectors alone in large namespaces: the nearest rows, without looking at all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engrams.arithmetic import moments, standardise
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
        sample, share = once(view, ("vectors of a sample", fingerprint), lambda: _sample(view, fingerprint))
        if share < self.covered:
            return self.otherwise(value, run)
        asked = run.embedder.embed([value.question.text or value.query.text])[0]
        found = view.nearest(fingerprint, asked, PER_EVENT * (value.query.limit or self.k))
        if found is None:
            return self.otherwise(value, run)
        order = np.argsort(found[0])
        rows, cosines = found[0][order], found[1][order]
        scores = standardise(cosines, *moments(np.einsum("nd,d->n", sample, asked)))
        return Summed(value.query, view, rows, ("dense",), scores[np.newaxis], scores)


def _sample(view: View, fingerprint: str) -> tuple[Float32, float]:
    """The vectors of some rows, float32[<= n, d], and what share of these rows has one; 0 where no row has."""
    vectors = view.vectors(fingerprint)
    if vectors is None:
        return np.empty((0, 0), dtype=np.float32), 0.0
    some = vectors[evenly(view, SAMPLE)]
    there = some.any(axis=1)
    return some[there], float(there.mean())
