"""CAKE: layers share one budget by how widely they attend and how much that changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.policies.scoring import first, not_below, observed, odd, smooth, weights
from engrams.kv.policy import Kept, KeptLayer, Seen, best, check_queries, tokens_of

#: Added under a logarithm, where a weight is 0.
TINY = 1e-10


@dataclass(frozen=True)
class Cake:
    """Layer l gets P_l / ΣP of the budget, P_l = H_l^(1/`tau_spread`) · V_l^(1/`tau_change`).

    With a the weights of the last `window` queries on the tokens before them: H_l = -Σ a log a over heads, queries and tokens;
    V_l = Σ over heads and tokens of the variance of a over the queries. Within a layer token t scores mean(a) + `gamma` var(a)
    over the queries, smoothed over `kernel` tokens, mean over a group's heads. The window stays.
    Source: Qin et al., sections 4.2 and 4.3, and the authors' code.
    """

    window: int = 32
    kernel: int = 5
    gamma: float = 200.0
    tau_spread: float = 1.0
    tau_change: float = 1.0

    name: ClassVar[str] = "cake"
    paper: ClassVar[str] = (
        "CAKE: Cascading and Adaptive KV Cache Eviction with Layer Preferences, 2025 (2503.12491)"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "the two exponents are chosen for each model and budget in the authors' code; 1 and 1 are an approximation of them",
        "after all layers were read, not layer by layer: what stays is the same, the peak while reading is not lower",
    )

    def __post_init__(self) -> None:
        odd(self.name, self.kernel)
        not_below(self.name, 1, window=self.window)
        for key in ("tau_spread", "tau_change"):
            if getattr(self, key) <= 0:
                raise BadSetting(key, getattr(self, key), "above 0", self.name)

    def queries(self, tokens: int) -> int:
        """The window."""
        return min(self.window, tokens)

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """As many tokens for every head of a layer, another number for every layer."""
        check_queries(seen, self)
        held = observed(seen)
        before = [weights(seen, layer)[..., ~held] for layer in range(len(seen.layers))]
        window = min(int(held.sum()), tokens_of(seen, budget))
        total = (tokens_of(seen, budget) - window) * len(before)
        counts = shares([self.preference(a) for a in before], total, seen.tokens - window)
        scores = []
        for a in before:
            score = torch.zeros(seen.heads, seen.tokens, device=a.device)
            changing = a.var(2) if a.shape[2] > 1 else torch.zeros_like(a[:, :, 0])
            score[:, ~held] = smooth(a.mean(2) + self.gamma * changing, self.kernel).mean(1)
            scores.append(first(score, held))
        return Kept(
            tuple(
                KeptLayer(best(score, max(1, count + window)))
                for score, count in zip(scores, counts, strict=True)
            ),
            tuple(scores),
        )

    def preference(self, a: Tensor) -> float:
        """P of weights float[H, G, W, t]."""
        spread = float(-(a * (a + TINY).log()).sum())
        change = float(a.var(2).sum()) if a.shape[2] > 1 else 1.0
        return max(spread, 0.0) ** (1 / self.tau_spread) * change ** (1 / self.tau_change)


def shares(preferences: Sequence[float], total: int, most: int) -> list[int]:
    """`total` shared out by preference, `most` for each at most; what one cannot take goes to the others."""
    counts = [0] * len(preferences)
    left = min(total, most * len(preferences))
    while left > 0:
        open_ = [i for i, count in enumerate(counts) if count < most]
        whole = sum(preferences[i] for i in open_)
        wanted = {i: left * preferences[i] / whole if whole > 0 else left / len(open_) for i in open_}
        given = {i: min(int(want), most - counts[i]) for i, want in wanted.items()}
        if not any(given.values()):  # less than one each: by the largest remainder
            for i in sorted(open_, key=lambda i: -wanted[i])[:left]:
                counts[i] += 1
                left -= 1
            continue
        for i, more in given.items():
            counts[i] += more
        left -= sum(given.values())
    return counts
