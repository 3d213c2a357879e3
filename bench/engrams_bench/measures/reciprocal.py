"""Reciprocal rank: one over the place of the first gold item. Its mean over questions is the MRR."""

from __future__ import annotations

from collections.abc import Sequence

from engrams_bench.measures.ranks import Rank


def reciprocal_rank(ranks: Sequence[Rank]) -> float:
    """1 / the best rank, 0.0 where nothing was found; in 0..1 (Voorhees, TREC-8, 1999)."""
    return max((1.0 / rank for rank in ranks if rank is not None), default=0.0)
