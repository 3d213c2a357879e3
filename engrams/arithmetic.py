"""Pure functions on arrays: no state, no I/O, shapes in the docstrings."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.integer]


def moments(values: Floats, size: int | None = None) -> tuple[float, float]:
    """Mean and standard deviation of float[n]; with `size` > n the missing values count as 0.

    Raises:
        ValueError: `size` below n.
    """
    n = len(values) if size is None else size
    if n < len(values):
        raise ValueError(f"size {size} is below the number of values {len(values)}")
    if n == 0:
        return 0.0, 0.0
    mean = float(values.sum(dtype=np.float64)) / n
    square = float(np.square(values, dtype=np.float64).sum()) / n
    return mean, math.sqrt(max(square - mean * mean, 0.0))


def standardise(values: Floats, mean: float, deviation: float) -> Floats:
    """float[n] in units of the standard deviation from the mean; all 0 where nothing deviates.

    A deviation below 1e-6 counts as none: the values differ by rounding alone.
    """
    if deviation < 1e-6:
        return np.zeros(len(values), dtype=np.float32)
    return ((values - np.float32(mean)) / np.float32(deviation)).astype(np.float32, copy=False)


def rarity(documents: int, holding: int) -> float:
    """BM25's inverse document frequency, above 0: ln(1 + (N - n + 0.5) / (n + 0.5)).

    Source: Robertson and Zaragoza 2009, section 3.3, with Lucene's 1 inside the logarithm.
    """
    return math.log1p((documents - holding + 0.5) / (holding + 0.5))


def saturate(counts: Floats, lengths: Floats, mean_length: float, k1: float, b: float) -> Floats:
    """BM25's term weight without rarity, float[n] in 0..k1+1, of float[n] counts in texts of float[n] lengths.

    `k1` >= 0 bounds what repetition adds, `b` in 0..1 says how far length is held against a text.

    Source: Robertson and Zaragoza 2009, equation 3.15.
    """
    relative = lengths / np.float32(max(mean_length, 1e-9))
    return (counts * np.float32(k1 + 1) / (counts + np.float32(k1) * (1 - b + b * relative))).astype(
        np.float32, copy=False
    )


def top_k(scores: Floats, k: int) -> npt.NDArray[np.int64]:
    """Indices of the k best of float[n], best first; equal scores in order of index, -inf never. int64[<= k]."""
    n = len(scores)
    if k <= 0 or n == 0:
        return np.empty(0, dtype=np.int64)
    if k < n:
        # Everything that ties with the k-th is kept for the sort, so that ties fall by index.
        floor = np.partition(scores, n - k)[n - k]
        candidates = np.flatnonzero(scores >= floor)
    else:
        candidates = np.arange(n)
    candidates = candidates[scores[candidates] > -np.inf]
    order = np.argsort(-scores[candidates], kind="stable")[:k]
    return candidates[order].astype(np.int64, copy=False)


def ranges(starts: Indices, lengths: Indices) -> npt.NDArray[np.int64]:
    """The numbers starts[i] .. starts[i] + lengths[i] - 1, one range after the other. int64[sum(lengths)]."""
    total = int(lengths.sum())
    ends = np.cumsum(lengths)
    out: npt.NDArray[np.int64] = np.repeat((starts - (ends - lengths)).astype(np.int64), lengths)
    out += np.arange(total, dtype=np.int64)
    return out


def largest_of_each(values: Floats, lengths: Indices) -> Floats:
    """The largest value of each run; the runs lie one after the other along `values`, runs of length 0 give 0.

    float[q, sum(lengths)], int[n] -> float[q, n].
    """
    out = np.zeros((len(values), len(lengths)), dtype=values.dtype)
    full = lengths > 0
    if full.all():
        starts = np.cumsum(lengths) - lengths
        return np.maximum.reduceat(values, starts, axis=1) if len(starts) else out
    if full.any():
        out[:, full] = np.maximum.reduceat(values, (np.cumsum(lengths) - lengths)[full], axis=1)
    return out
