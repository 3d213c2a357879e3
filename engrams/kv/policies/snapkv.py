"""SnapKV: what the last queries of the prompt attend to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from engrams.kv.policies.scoring import by_score, looked_at, not_below, odd
from engrams.kv.policy import Kept, Seen, check_queries


@dataclass(frozen=True)
class SnapKV:
    """Score of token t: mean over the last `window` queries of a_wt, smoothed over `kernel` tokens, mean over a group's heads.

    The window's own tokens stay. Source: Li et al., section 4.1; kernel and mean pooling as in the authors' code.
    """

    window: int = 64
    kernel: int = 5

    name: ClassVar[str] = "snapkv"
    paper: ClassVar[str] = "SnapKV: LLM Knows What You are Looking for Before Generation, 2024 (2404.14469)"
    differs: ClassVar[tuple[str, ...]] = (
        "mean over the query heads that share a key-value head, which keep their own tokens in the authors' code",
    )

    def __post_init__(self) -> None:
        not_below(self.name, 1, window=self.window)
        odd(self.name, self.kernel)

    def queries(self, tokens: int) -> int:
        """The window."""
        return min(self.window, tokens)

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """Each head's own tokens."""
        check_queries(seen, self)
        return by_score([self.score(seen, layer) for layer in range(len(seen.layers))], seen, budget)

    def score(self, seen: Seen, layer: int) -> Tensor:
        """Float[H, T], inf for tokens of the window."""
        return looked_at(seen, layer, self.kernel)
