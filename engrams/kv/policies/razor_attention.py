"""RazorAttention: heads that look things up keep everything, the others their ends and one token in place of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.policies.heads import Scores
from engrams.kv.policies.scoring import ends, not_below, whole_heads
from engrams.kv.policy import Kept, KeptLayer, Seen, SeenLayer, StandIns, all_of, heads_of


@dataclass(frozen=True)
class RazorAttention:
    """A short head keeps `sinks` tokens, the last max(`recent`, T / `recent_part`), and a compensation token for the others.

    The compensation token of N_d dropped ones has k̂ = mean k, v̂ = mean v and counts N_d times:
    (N_d e^(q·k̂) v̂ + Σ e^(q·k) v) / (N_d e^(q·k̂) + Σ e^(q·k)), which is log N_d added to its logit. `heads`: a score for each
    layer and key-value head (`engrams.kv.policies.heads.echoing`, then `shared`); the best keep everything, as many as the
    budget allows and at most the share `most` of all. Source: Tang et al., sections 3.2 and 3.3.
    """

    heads: Scores
    sinks: int = 4
    recent: int = 4000
    recent_part: int = 5
    most: float = 1.0
    compensate: bool = True

    name: ClassVar[str] = "razor-attention"
    paper: ClassVar[str] = (
        "RazorAttention: Efficient KV Cache Compression Through Retrieval Heads, 2024 (2407.15891)"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "as many heads keep everything as the budget allows; the paper takes 15 % of them (most=0.15)",
        "approximation of: a local buffer of max(4000, T/5) tokens, which was not read in the paper itself",
    )

    def __post_init__(self) -> None:
        not_below(self.name, 0, sinks=self.sinks, recent=self.recent)
        not_below(self.name, 1, recent_part=self.recent_part)
        if not 0 <= self.most <= 1:
            raise BadSetting("most", self.most, "a share of all heads from 0 to 1", self.name)

    def queries(self, tokens: int) -> int:
        """None."""
        return 0

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """Everything for some heads, for others the ends and a stand-in.

        Raises:
            BadSetting: a budget under what the short heads alone take, or scores of other heads than the model has.
        """
        places = ends(seen, self.sinks, max(self.recent, seen.tokens // self.recent_part))
        dropped = torch.ones(seen.tokens, dtype=torch.bool, device=places.device)
        dropped[places] = False
        stands_in = int(self.compensate and bool(dropped.any()))
        whole = whole_heads(
            heads_of(self.heads, seen), seen, budget, int(places.numel()) + stands_in, self.most
        )
        every = all_of(seen)
        return Kept(
            tuple(
                KeptLayer(
                    tuple(every if keeps else places for keeps in row.tolist()),
                    compensation(layer, row, dropped) if stands_in else None,
                )
                for layer, row in zip(seen.layers, whole, strict=True)
            )
        )


def compensation(layer: SeenLayer, whole: Tensor, dropped: Tensor) -> StandIns:
    """One token for each head that is not in `whole` bool[H]: the mean of the `dropped` bool[T], as heavy as they are many."""
    weight = torch.where(whole, 0.0, float(dropped.sum()))[:, None]
    return StandIns(
        layer.keys[:, dropped].mean(1, keepdim=True),
        layer.values[:, dropped].mean(1, keepdim=True),
        weight.to(layer.keys.device),
    )
