"""Many recipes over the same questions: which differences hold when all pairs are looked at, and not only the one that looks best."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from engrams_bench.measures.intervals import BLOCK, SEED

#: Samples of the paired bootstrap of a comparison: the least p is then 1 in 10,000, below what Holm asks of 200 pairs.
RESAMPLES = 20_000


def resampled(
    scores: Sequence[Sequence[float]],
    clusters: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> NDArray[np.float64]:
    """Means of each row of scores, shape (recipes, questions), over samples of the questions (or of whole clusters of them) that
    are the same for all rows; shape (resamples, recipes).

    The paired bootstrap (Koehn, EMNLP 2004) for all pairs at once: the difference of two columns is that of the pair.
    """
    held, draw = np.asarray(scores, float).T, np.random.default_rng(seed)
    if clusters is not None:
        number = {cluster: place for place, cluster in enumerate(dict.fromkeys(clusters))}
        member = np.array([number[cluster] for cluster in clusters])
        counts = np.bincount(member).astype(float)
        sums = np.zeros((len(number), held.shape[1]))
        np.add.at(sums, member, held)
    else:
        sums, counts = held, np.ones(len(held))
    blocks = []
    for begun in range(0, resamples, BLOCK):
        drawn = draw.integers(0, len(sums), (min(BLOCK, resamples - begun), len(sums)))
        # How often each question stands in each sample, as rows of a matrix.
        times = np.stack([np.bincount(row, minlength=len(sums)) for row in drawn]).astype(float)
        blocks.append(times @ sums / (times @ counts)[:, None])
    return np.concatenate(blocks)


def chance(differences: NDArray[np.float64]) -> float:
    """The two-sided p of "no difference", from the bootstrap's differences of means, shape (resamples,).

    Twice the share of samples on the other side of zero, each side counted with one sample more, so that it is never 0 (Davison
    and Hinkley, 1997, section 4.2).
    """
    samples = len(differences)
    below, above = int((differences <= 0).sum()), int((differences >= 0).sum())
    return min(1.0, 2 * (min(below, above) + 1) / (samples + 1))


def holm(chances: Sequence[float]) -> list[float]:
    """Each p as it stands among all of them: below a level, it holds with all others that are (Holm, 1979).

    The i-th smallest of m is multiplied by m − i + 1, and is never below one that was smaller.
    """
    order = sorted(range(len(chances)), key=lambda place: chances[place])
    adjusted, least = [1.0] * len(chances), 0.0
    for passed, place in enumerate(order):
        least = max(least, min(1.0, (len(chances) - passed) * chances[place]))
        adjusted[place] = least
    return adjusted
