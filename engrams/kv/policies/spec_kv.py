"""SpecKV: a draft model writes ahead, and what its words would attend to stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from engrams.kv.policies.scoring import by_score, looked_at, not_below, odd
from engrams.kv.policy import Kept, Seen, check_queries


@dataclass(frozen=True)
class SpecKV:
    """Score of token t: mean of a_wt over the last `window` queries and over those of the draft's words, smoothed, mean of a group.

    The window's own tokens stay. Shown a cache by `engrams.kv.drafting.read_ahead`, which lets the draft model write.
    Source: Galim et al., section 4.1.
    """

    window: int = 32
    kernel: int = 5

    name: ClassVar[str] = "spec-kv"
    paper: ClassVar[str] = "Draft-based Approximate Inference for LLMs, 2025 (2506.08373)"
    differs: ClassVar[tuple[str, ...]] = (
        "approximation of the paper's window, kernel and way to pool: SnapKV's",
        "without the paper's sparse prefill",
    )

    def __post_init__(self) -> None:
        not_below(self.name, 0, window=self.window)
        odd(self.name, self.kernel)

    def queries(self, tokens: int) -> int:
        """The window; 1 at least, so that a missing look-ahead is seen."""
        return max(1, min(self.window, tokens))

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """Each head's own tokens."""
        check_queries(seen, self)
        return by_score([self.score(seen, layer) for layer in range(len(seen.layers))], seen, budget)

    def score(self, seen: Seen, layer: int) -> Tensor:
        """Float[H, T], inf for tokens of the window."""
        return looked_at(seen, layer, self.kernel)
