"""Recall at k, three ways: the share of the gold found, whether any of it was, whether all of it was."""

from __future__ import annotations

from collections.abc import Sequence

from engrams_bench.measures.ranks import Rank


def recall_at(ranks: Sequence[Rank], k: int) -> float:
    """The share of the gold within the first k, in 0..1. `ranks`: one for each gold item, at least one."""
    return sum(rank is not None and rank <= k for rank in ranks) / len(ranks)


def any_at(ranks: Sequence[Rank], k: int) -> float:
    """1.0 if at least one gold item is within the first k, else 0.0."""
    return float(any(rank is not None and rank <= k for rank in ranks))


def all_at(ranks: Sequence[Rank], k: int) -> float:
    """1.0 if every gold item is within the first k, else 0.0."""
    return float(all(rank is not None and rank <= k for rank in ranks))
