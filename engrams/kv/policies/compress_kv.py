"""CompressKV: in each layer the few heads that look things up choose the tokens for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.policies.scoring import first, not_below, observed, odd, smooth, weights
from engrams.kv.policy import Kept, KeptLayer, Seen, best, check_queries, same_for, tokens_of

#: No layer gets more than this many times the mean (the authors' code).
AT_MOST = 3


@dataclass(frozen=True)
class CompressKV:
    """Score of token t: mean over the last `window` queries of a_wt, smoothed, mean over the layer's `best_heads` heads.

    `heads`: a score for each layer and query head, from `engrams.kv.policies.heads`; the same tokens stay for every key-value
    head of a layer. With `errors`, what each layer's output suffers when it is compressed alone, a layer gets `least` tokens and
    of the rest its part of the errors, three times the mean at most. Source: Lin et al., sections 4.1 to 4.3, and the
    authors' code.
    """

    heads: tuple[tuple[float, ...], ...]
    errors: tuple[float, ...] = ()
    window: int = 8
    kernel: int = 5
    best_heads: int = 4
    least: int = 32

    name: ClassVar[str] = "compress-kv"
    paper: ClassVar[str] = (
        "CompressKV: Semantic Retrieval Heads Know What Tokens are Not Important Before Generation, 2025 (2508.02401)"
    )
    differs: ClassVar[tuple[str, ...]] = ("without a file of errors every layer gets as many tokens",)

    def __post_init__(self) -> None:
        odd(self.name, self.kernel)
        not_below(self.name, 1, window=self.window, best_heads=self.best_heads)
        not_below(self.name, 0, least=self.least)
        if self.errors and len(self.errors) != len(self.heads):
            raise BadSetting(
                "errors", len(self.errors), f"one for each of {len(self.heads)} layers", self.name
            )

    def queries(self, tokens: int) -> int:
        """The window."""
        return min(self.window, tokens)

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """The same tokens for every head of a layer.

        Raises:
            BadSetting: scores of other heads than the model has.
        """
        check_queries(seen, self)
        wanted = (len(seen.layers), int(seen.layers[0].queries.shape[0]))
        found = (len(self.heads), *{len(layer) for layer in self.heads})
        if found != wanted:
            raise BadSetting(
                "heads", found, f"scores for {wanted[0]} layers of {wanted[1]} query heads", self.name
            )
        counts = self.counts(seen, tokens_of(seen, budget))
        scores = [self.score(seen, layer) for layer in range(len(seen.layers))]
        return Kept(
            tuple(
                KeptLayer(same_for(seen.heads, best(score[None], count)[0]))
                for score, count in zip(scores, counts, strict=True)
            ),
            tuple(score[None].expand(seen.heads, -1) for score in scores),
        )

    def score(self, seen: Seen, layer: int) -> Tensor:
        """Float[T], inf for tokens of the window."""
        held = observed(seen)
        mean = weights(seen, layer).mean(2).flatten(0, 1)
        chosen = torch.tensor(self.heads[layer]).topk(min(self.best_heads, mean.shape[0])).indices
        score = torch.zeros(seen.tokens, device=mean.device)
        score[~held] = smooth(mean[chosen.to(mean.device)][:, ~held], self.kernel).mean(0)
        return first(score, held)

    def counts(self, seen: Seen, mean: int) -> list[int]:
        """Tokens for each layer, `mean` on average."""
        layers, total = len(seen.layers), sum(self.errors)
        if not self.errors or total == 0:
            return [mean] * layers
        least, most = min(self.least, mean), min(AT_MOST * mean, seen.tokens)
        rest = layers * (mean - least)
        held = [min(most, least + round(error / total * rest)) for error in self.errors]
        order = sorted(range(layers), key=lambda layer: -self.errors[layer])
        short = layers * mean - sum(held)
        while short:  # rounding and the limit: the most important layers gain first, the least lose first
            step = 1 if short > 0 else -1
            able = [at for at in order[::step] if (held[at] < most if step > 0 else held[at] > least)]
            for at in able[: abs(short)]:
                held[at] += step
                short -= step
            if not able:
                break
        return held
