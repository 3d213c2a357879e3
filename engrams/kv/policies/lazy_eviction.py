"""LazyEviction: while a model writes, tokens that were looked at again after a while are waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.policies.scoring import by_score, first, not_below, weights
from engrams.kv.policy import Kept, Seen, all_of, check_queries, tokens_of


@dataclass(frozen=True, eq=False)
class Recurrence:
    """For each head and token, float[H, T]: the step at which it was last looked at, and the longest time between two looks."""

    last: Tensor
    longest: Tensor

    def observed(self, told: Tensor, step: int, alpha: float) -> Recurrence:
        """After a step in which the tokens got the weights `told` float[H, T]; tokens not known before were new in it."""
        new = told.shape[1] - self.last.shape[1]
        last = torch.cat((self.last, self.last.new_full((told.shape[0], new), step)), 1)
        longest = torch.cat((self.longest, self.longest.new_zeros(told.shape[0], new)), 1)
        looked = told > alpha
        return Recurrence(
            torch.where(looked, torch.full_like(last, step), last),
            torch.where(looked, torch.maximum(longest, step - last), longest),
        )

    def of(self, places: Tensor) -> Recurrence:
        """Of some places only: int64[H, n]."""
        return Recurrence(self.last.gather(1, places), self.longest.gather(1, places))


@dataclass(frozen=True)
class LazyEviction:
    """Score of token i at step t: 2σ(-(t - TS_i) / MRI_i) + 2σ(-1 / MRI_i).

    TS is the last step at which its weight was above `alpha`, MRI the longest time between two such steps: a token that comes
    back every so often is not given up before that time is over. Every `window` steps the last `window` tokens stay and of the
    others those with the best scores (`engrams.kv.decoding.write`). Source: Zhang et al., section 4.
    """

    window: int = 16
    alpha: float = 0.01

    name: ClassVar[str] = "lazy-eviction"
    paper: ClassVar[str] = (
        "LazyEviction: Lagged KV Eviction with Attention Pattern Observation for Efficient Long Reasoning, 2025 (2506.15969)"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "approximation of the paper's second term and of how the two are joined: their sum",
        "approximation of its alpha, 0.01, and window, 16",
        "the mean weight over the query heads that share a key-value head",
    )

    def __post_init__(self) -> None:
        not_below(self.name, 1, window=self.window)
        if not 0 < self.alpha < 1:
            raise BadSetting("alpha", self.alpha, "a weight between 0 and 1", self.name)

    def queries(self, tokens: int) -> int:
        """All: the text is looked on as if it had been written."""
        return tokens

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """Each head's own tokens, after a whole text."""
        check_queries(seen, self)
        step = int(seen.asked[-1])
        recent = all_of(seen) >= seen.tokens - min(self.window, tokens_of(seen, budget))
        return by_score(
            [first(self.score(self.replay(seen, at), step), recent) for at in range(len(seen.layers))],
            seen,
            budget,
        )

    def replay(self, seen: Seen, layer: int) -> Recurrence:
        """What would have been observed while the text was written."""
        told = weights(seen, layer).mean(1)
        nothing = told.new_zeros(told.shape[0], 0)
        known = Recurrence(nothing, nothing)
        for row, step in enumerate(seen.asked.tolist()):
            known = known.observed(told[:, row, : int((seen.positions <= step).sum())], step, self.alpha)
        return known

    def score(self, known: Recurrence, step: int) -> Tensor:
        """Float[H, T], in [0, 2]; a token that never came back scores 1 while it is looked at, and 0 after."""
        idle = step - known.last
        again = known.longest
        waiting = torch.where(again > 0, 2 * torch.sigmoid(-idle / again.clamp(min=1)), (idle == 0).float())
        returns = torch.where(again > 0, 2 * torch.sigmoid(-1 / again.clamp(min=1)), torch.zeros_like(again))
        return waiting + returns
