"""Rows that others are measured against: everything, and a draw by lot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from engrams.kv.policies.scoring import by_score
from engrams.kv.policy import Kept, KeptLayer, Seen, all_of, same_for, tokens_of


@dataclass(frozen=True)
class Full:
    """Keeps everything, whatever the budget: what others may lose at most."""

    name: ClassVar[str] = "full"
    paper: ClassVar[str] = ""
    differs: ClassVar[tuple[str, ...]] = ()

    def queries(self, tokens: int) -> int:
        """None."""
        return 0

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """Every place of every head."""
        tokens_of(seen, budget)
        return Kept(tuple(KeptLayer(same_for(seen.heads, all_of(seen))) for _ in seen.layers))


@dataclass(frozen=True)
class Random:
    """Draws the tokens of each head by lot, from `seed`: what a score has to beat."""

    seed: int = 0

    name: ClassVar[str] = "random"
    paper: ClassVar[str] = ""
    differs: ClassVar[tuple[str, ...]] = ()

    def queries(self, tokens: int) -> int:
        """None."""
        return 0

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """The same draw for the same cache's size."""
        lot = torch.Generator().manual_seed(self.seed)
        shape = (seen.heads, seen.tokens)
        scores = [torch.rand(shape, generator=lot).to(seen.positions.device) for _ in seen.layers]
        return by_score(scores, seen, budget)
