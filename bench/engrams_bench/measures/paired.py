"""Whether B is better than A on the same questions: the paired bootstrap."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from engrams_bench.measures.intervals import LEVEL, RESAMPLES, SEED, Interval, resampled_means


@dataclass(frozen=True, slots=True)
class Difference:
    """Means of A and B over the same questions, B − A with its 95 % interval, and the share of samples with B above A."""

    a: float
    b: float
    difference: float
    interval: Interval
    above: float

    @property
    def established(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.interval[0] > 0 or self.interval[1] < 0


def paired(
    a: Sequence[float],
    b: Sequence[float],
    clusters: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Difference:
    """The paired bootstrap of two lists of scores, question by question (Koehn, EMNLP 2004).

    Raises:
        ValueError: the lists have not the same length, or are empty.
    """
    if len(a) != len(b) or not a:
        raise ValueError(f"{len(a)} scores against {len(b)}: need one of each for the same questions")
    gap = np.asarray(b, float) - np.asarray(a, float)
    means = resampled_means(gap.tolist(), clusters, resamples, seed)
    tail = (1 - LEVEL) / 2 * 100
    low, high = np.percentile(means, [tail, 100 - tail])
    above = float((means > 0).mean() + 0.5 * (means == 0).mean())
    return Difference(
        float(np.mean(a)), float(np.mean(b)), float(gap.mean()), (float(low), float(high)), above
    )
