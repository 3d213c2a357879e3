"""Task-KV: heads whose output is far from that of the others keep everything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from engrams.kv.policies.scoring import ends, first, not_below, weights, whole_heads
from engrams.kv.policy import Kept, KeptLayer, Seen, all_of, best, check_queries


@dataclass(frozen=True)
class TaskKV:
    """A head's distance is ‖o_h - mean_h o_h‖ of its output o_h, mean over the last `window` queries; the farthest keep all.

    As many as the budget allows; the others keep `sinks`, `recent` and `middle` tokens, the middle ones those that the window
    attends to most. Source: He et al., sections 3.2 to 3.4.
    """

    window: int = 8
    sinks: int = 4
    recent: int = 8
    middle: int = 8

    name: ClassVar[str] = "task-kv"
    paper: ClassVar[str] = (
        "Task-KV: Task-aware KV Cache Optimization via Semantic Differentiation of Attention Heads, 2025 (2501.15113)"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "approximation of the semantic separator: heads are ranked over all layers and taken as the budget allows",
        "approximation of the sizes: 4 first, 8 recent, 8 middle tokens",
    )

    def __post_init__(self) -> None:
        not_below(self.name, 0, sinks=self.sinks, middle=self.middle)
        not_below(self.name, 1, window=self.window, recent=self.recent)

    def queries(self, tokens: int) -> int:
        """The window."""
        return min(self.window, tokens)

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """Everything for some heads, for others the ends and a few of the middle.

        Raises:
            BadSetting: a budget under what the short heads alone take.
        """
        check_queries(seen, self)
        places = ends(seen, self.sinks, self.recent)
        held = torch.isin(all_of(seen), places)
        short = min(seen.tokens, int(places.numel()) + self.middle)
        far = torch.stack([self.distance(seen, layer) for layer in range(len(seen.layers))])
        whole = whole_heads(far, seen, budget, short)
        every = all_of(seen)
        layers = []
        for layer, row in enumerate(whole.tolist()):
            few = best(first(weights(seen, layer).mean((1, 2)), held), short)
            layers.append(KeptLayer(tuple(every if keeps else few[at] for at, keeps in enumerate(row))))
        return Kept(tuple(layers))

    def distance(self, seen: Seen, layer: int) -> Tensor:
        """Float[H], by key-value head: the mean over its query heads."""
        out = torch.einsum("hgwt,htd->hgwd", weights(seen, layer), seen.layers[layer].values.float())
        heads, groups, asked, width = out.shape
        flat = out.reshape(heads * groups, asked, width)
        return (flat - flat.mean(0)).norm(dim=-1).mean(1).reshape(heads, groups).mean(1).cpu()
