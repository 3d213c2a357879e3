"""Normalised discounted cumulative gain with gains of 0 and 1 (Järvelin and Kekäläinen, TOIS 20(4), 2002)."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from engrams_bench.measures.ranks import Rank


def ndcg_at(ranks: Sequence[Rank], k: int) -> float:
    """The gain of the gold within the first k, each 1 / log2(1 + rank), over that of the best order; in 0..1.

    Several gold items of one rank (one hit that rests on all of them) count once each, so the value is held at 1.
    """
    gained = sum(1.0 / log2(1 + rank) for rank in ranks if rank is not None and rank <= k)
    best = sum(1.0 / log2(1 + place) for place in range(1, min(len(ranks), k) + 1))
    return min(gained / best, 1.0)
