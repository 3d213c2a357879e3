"""ThinK: channels of keys that the last queries hardly use."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import ClassVar

from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.policies.scoring import not_below
from engrams.kv.policy import Kept, KeptLayer, Seen, all_of, check_queries, same_for, tokens_of


@dataclass(frozen=True)
class ThinK:
    """Score of channel i of a head's keys: mean over the last `window` queries of q_i² times mean over tokens of k_i².

    The best channels stay, as many as the budget allows: values keep theirs, so that a budget is above one half. The last
    `window` tokens keep every channel. Source: Xu et al., section 3.2, and the authors' code; the paper drops 40 %, a budget
    of 0.8 for long texts.
    """

    window: int = 32

    name: ClassVar[str] = "think"
    paper: ClassVar[str] = "ThinK: Thinner Key Cache by Query-Driven Pruning, 2024 (2407.21018)"
    differs: ClassVar[tuple[str, ...]] = (
        "alone, without a policy that drops tokens before it",
        "the number of channels follows from the budget",
    )

    def __post_init__(self) -> None:
        not_below(self.name, 1, window=self.window)

    def queries(self, tokens: int) -> int:
        """The window."""
        return min(self.window, tokens)

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """Every token, with fewer channels in its key.

        Raises:
            BadSetting: a budget under what values and the last tokens' keys take.
        """
        check_queries(seen, self)
        tokens_of(seen, budget)
        width, whole = int(seen.layers[0].keys.shape[-1]), min(self.window, seen.tokens)
        thin = seen.tokens - whole
        left = (2 * budget - 1) * seen.tokens * width - whole * width
        channels = width if thin == 0 else floor(left / thin + 1e-9)
        if channels < 1:
            least = 0.5 + (whole * width + thin) / (2 * seen.tokens * width)
            raise BadSetting(
                "budget",
                budget,
                f"at least {least:.3f}: only channels of keys are dropped, and none of the last {whole} of {seen.tokens} tokens",
                self.name,
            )
        scores = [self.score(seen, layer) for layer in range(len(seen.layers))]
        every = same_for(seen.heads, all_of(seen))
        return Kept(
            tuple(
                KeptLayer(every, None, score.topk(min(channels, width)).indices.sort(-1).values, whole)
                for score in scores
            )
        )

    def score(self, seen: Seen, layer: int) -> Tensor:
        """Float[H, D]."""
        held = seen.layers[layer]
        heads, _, width = held.keys.shape
        queries = held.queries.float().pow(2).mean(1).reshape(heads, -1, width).mean(1)
        return queries * held.keys.float().pow(2).mean(1)
