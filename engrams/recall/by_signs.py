"""Finds by meaning with an embedder in large namespaces: a look at the signs of all vectors, then at the vectors of few."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from engrams.arithmetic import Indices, distinct, dots, moments
from engrams.errors import BadSetting
from engrams.ports import Float32, Int64, UInt16, View
from engrams.recall.by_meaning import SAMPLE, in_threes
from engrams.recall.by_words import reach
from engrams.recall.derived import of_three, of_whole_thread, once
from engrams.recall.found import Found, Signal
from engrams.step import Run, Step

LEAST_CORRELATION = 0.05
"""Signs that agree less with cosines than this in a sample are taken to agree as much: chance makes as much of 1,024 rows."""


@dataclass(frozen=True)
class SignScores(Step[Found, Found]):
    """Above `above` rows (>= 0) the signals of `DenseScores` guessed from signs; up to it, those of `otherwise`.

    In how many dimensions the sign of a row's vector is that of the question's stands for their cosine, as far as the two
    go together in a sample of the rows. It serves to choose candidates: `ExactVectors` then looks at their vectors. One
    pass over a million rows of 384 dimensions reads 48 MB instead of 1.5 GB. Without an embedder, and while less
    than `covered` (0..1) of the sample have a vector, `otherwise` is run.

    Source: sign random projections, Charikar 2002, on the dimensions as they are.
    """

    otherwise: Step[Found, Found]
    above: int = 20_000
    covered: float = 0.9

    def __post_init__(self) -> None:
        if self.above < 0:
            raise BadSetting("SignScores.above", self.above, "a number of rows, at least 0")
        if not 0 < self.covered <= 1:
            raise BadSetting("SignScores.covered", self.covered, "a share above 0, at most 1")

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds the signals.

        Raises:
            ModelError: the embedder failed.
        """
        view = value.view
        if view.size <= self.above or run.embedder is None:
            return self.otherwise(value, run)
        fingerprint = run.embedder.fingerprint
        sample = Sample.of(view, fingerprint)
        if sample is None or sample.share < self.covered:
            return self.otherwise(value, run)
        asked = run.embedder.embed([value.question.text or value.query.text])[0]
        differing = view.distances(fingerprint, asked)
        if differing is None:
            return self.otherwise(value, run)
        exact, exact_near = sample.cosines(asked)
        half = np.float32(len(asked) / 2)
        own = _agreeing(half, differing)
        near = _agreeing(half, least_beside(view, differing))
        session = _agreeing(half, least_of_thread(view, differing))
        some, shares = (
            sample.rows,
            (_together(own[sample.rows], exact), _together(near[sample.rows], exact_near)),
        )
        found = value.with_signal("dense", _guessed(own, some, shares[0]))
        found = found.with_signal("dense nearby", _guessed(near, some, shares[1]))
        found = found.with_signal("dense session", _guessed(session, some, shares[0]))
        return replace(found, vector=asked)


@dataclass(frozen=True)
class ExactVectors(Step[Found, Found]):
    """Where `SignScores` guessed: the cosines of the candidates left, signals `dense` and `dense nearby`, float32[c].

    Mean and deviation are those of a sample of the rows. A candidate without a vector counts as average.
    """

    def __call__(self, value: Found, run: Run) -> Found:
        """Replaces both signals."""
        if value.vector is None or run.embedder is None:
            return value
        view, fingerprint = value.view, run.embedder.fingerprint
        sample, vectors = Sample.of(view, fingerprint), view.vectors(fingerprint)
        assert sample is not None and vectors is not None
        exact, exact_near = sample.cosines(value.vector)
        mean, deviation = moments(exact)
        places = Around.of(view, value.rows)
        cosines = dots(vectors[places.needed], value.vector)
        cosines[cosines == 0] = mean
        own, near = places.best(cosines)
        found = value.with_signal("dense", Signal(own, mean, deviation))
        return found.with_signal("dense nearby", Signal(near, *moments(exact_near)))


@dataclass(frozen=True, slots=True)
class Around:
    """Some rows and their neighbours in their threads: `needed` are all of them, `at` int64[3, n] where each stands there."""

    needed: Int64
    at: Int64

    @classmethod
    def of(cls, view: View, rows: Indices) -> Around:
        """Those of some rows of a view."""
        around = np.stack(reach(view, rows.astype(np.int32, copy=False), 1))
        needed = distinct(around.ravel()).astype(np.int64)
        needed = needed[needed < view.size]
        return cls(needed, np.searchsorted(needed, around))  # behind all of them: no such row

    def best(self, cosines: Float32) -> tuple[Float32, Float32]:
        """The cosine of each row, and the largest of it and its neighbours, each float32[n], of float32[needed]."""
        around = np.append(cosines, np.float32(-np.inf))[self.at]
        return around[0], around.max(axis=0)


@dataclass(frozen=True, slots=True)
class Sample:
    """Evenly spaced rows that have a vector, their vectors and those of their neighbours; `share` of the rows has one."""

    rows: npt.NDArray[np.int32]
    around: Around
    vectors: Float32
    share: float

    @classmethod
    def of(cls, view: View, fingerprint: str) -> Sample | None:
        """That of a view, made once; None where no row has a vector."""
        return once(view, ("vectors around a sample", fingerprint), lambda: cls._of(view, fingerprint))

    @classmethod
    def _of(cls, view: View, fingerprint: str) -> Sample | None:
        vectors = view.vectors(fingerprint)
        if vectors is None:
            return None
        some = in_threes(view, SAMPLE)
        there = vectors[some].any(axis=1)
        around = Around.of(view, some[there])
        return cls(some[there], around, vectors[around.needed], float(there.mean()))

    def cosines(self, asked: Float32) -> tuple[Float32, Float32]:
        """Of the rows with a unit vector, and the largest beside each row, each float32[len(rows)]."""
        return self.around.best(dots(self.vectors, asked))


def least_beside(view: View, values: UInt16) -> UInt16:
    """The least of each row and its neighbours in the thread, uint16[size] of uint16[size]."""
    return of_three(view, values, np.minimum, np.uint16(np.iinfo(np.uint16).max))


def least_of_thread(view: View, values: UInt16) -> UInt16:
    """The least of the thread each row stands in, uint16[size] of uint16[size]."""
    return of_whole_thread(view, values, np.minimum)


def _agreeing(half: np.float32, differing: UInt16) -> Float32:
    """Dimensions that agree beyond half of them: 0 says nothing, as a cosine of 0 does."""
    return np.subtract(half, differing, dtype=np.float32)


def _together(guess: Float32, exact: Float32) -> float:
    """The correlation of both, at least `LEAST_CORRELATION`."""
    (mean, deviation), (exact_mean, exact_deviation) = moments(guess), moments(exact)
    if deviation * exact_deviation <= 0:
        return LEAST_CORRELATION
    both = float(np.mean((guess - np.float32(mean)) * (exact - np.float32(exact_mean))))
    return max(both / (deviation * exact_deviation), LEAST_CORRELATION)


def _guessed(values: Float32, some: Indices, share: float) -> Signal:
    """A guess as a signal: what it says of the cosine in deviations, by the line of least squares over the sample."""
    mean, deviation = moments(values[some])
    return Signal(values, mean, deviation / share)
