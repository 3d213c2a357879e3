"""SpecPC: a draft model says which tokens of a prompt matter, and the large one reads only these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from engrams.kv.policies.scoring import first, not_below, observed, odd, smooth, weights
from engrams.kv.policy import Kept, KeptLayer, Seen, best, check_queries, same_for, tokens_of


@dataclass(frozen=True)
class SpecPC:
    """Score of token t: over the draft's layers and heads the largest weight of its last `window` queries and look-ahead, smoothed.

    The same tokens for all layers and heads, the last `window` among them. Shown what the draft model saw
    (`engrams.kv.drafting.read_ahead` with the draft as both); `engrams.kv.drafting.shortened` takes the tokens out of the
    prompt, which the large model then reads. Source: Galim et al., section 4.2.
    """

    window: int = 32
    kernel: int = 3

    name: ClassVar[str] = "spec-pc"
    paper: ClassVar[str] = "Draft-based Approximate Inference for LLMs, 2025 (2506.08373)"
    differs: ClassVar[tuple[str, ...]] = (
        "approximation of the paper's window, kernel and way to pool",
        "all layers of the draft count; the paper leaves the first out",
    )

    def __post_init__(self) -> None:
        odd(self.name, self.kernel)
        not_below(self.name, 0, window=self.window)

    def queries(self, tokens: int) -> int:
        """The window; 1 at least, so that a missing look-ahead is seen."""
        return max(1, min(self.window, tokens))

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """One choice for all layers and heads."""
        check_queries(seen, self)
        places = best(self.score(seen)[None], tokens_of(seen, budget))[0]
        return Kept(tuple(KeptLayer(same_for(seen.heads, places)) for _ in seen.layers))

    def score(self, seen: Seen) -> Tensor:
        """Float[T], inf for tokens of the window."""
        held = observed(seen)
        most = torch.stack([weights(seen, layer).amax((0, 1, 2)) for layer in range(len(seen.layers))]).amax(
            0
        )
        most[~held] = smooth(most[~held], self.kernel)
        return first(most, held)
