"""Confidence intervals of a mean by the bootstrap: over questions, and over conversations where there are several.

Questions of one conversation share its haystack, so their scores hang together; the interval over conversations draws
whole conversations and is the honest one for "another user's memory", where there are enough of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000  # the percentiles then move by about a tenth of a point between seeds
SEED = 20_241_031  # any number; fixed so that a table can be made again
LEVEL = 0.95
BLOCK = 100  # samples drawn at once: many enough to be quick, few enough for 10,000 questions in 8 MB

Interval = tuple[float, float]


def resampled_means(
    values: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> NDArray[np.float64]:
    """Means of samples drawn with replacement: of the values, or of whole clusters of them; shape (resamples,).

    Percentile bootstrap (Efron and Tibshirani, 1993, chapters 13 and 8.3).
    """
    held, draw = np.asarray(values, float), np.random.default_rng(seed)
    if clusters is None:
        sums, counts = held, np.ones_like(held)
    else:
        number = {cluster: place for place, cluster in enumerate(dict.fromkeys(clusters))}
        member = np.array([number[cluster] for cluster in clusters])
        sums, counts = np.bincount(member, held), np.bincount(member).astype(float)
    blocks = []
    for begun in range(0, resamples, BLOCK):
        drawn = draw.integers(0, len(sums), (min(BLOCK, resamples - begun), len(sums)))
        blocks.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return np.concatenate(blocks)


def interval(
    values: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval | None:
    """The 95 % interval of the mean; None with fewer than two values, or fewer than two clusters."""
    if len(set(clusters) if clusters is not None else values) < 2:
        return None
    tail = (1 - LEVEL) / 2 * 100
    low, high = np.percentile(resampled_means(values, clusters, resamples, seed), [tail, 100 - tail])
    return float(low), float(high)
