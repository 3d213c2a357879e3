"""LaCache: a ladder of tokens over the layers, whatever they say."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import ClassVar

import torch
from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.policies.scoring import not_below
from engrams.kv.policy import Kept, KeptLayer, Seen, all_of, same_for, tokens_of


@dataclass(frozen=True)
class LaCache:
    """Of each rung of r tokens layer l keeps s in a row, from the (l mod (r - s + 1))-th on; the next layer the next ones.

    With L layers, r = 1 + ⌈(L - span) / (span - overlap)⌉ and s = min(⌈span / (span - overlap)⌉, r). `sinks` tokens at the start
    stay. Rungs are thinned from the oldest on until the budget is met, then again from the start. Source: Shi et al., section
    3.2, and the authors' code.
    """

    span: int = 4
    overlap: int = 0
    sinks: int = 4

    name: ClassVar[str] = "la-cache"
    paper: ClassVar[str] = (
        "LaCache: Ladder-Shaped KV Caching for Efficient Long-Context Modeling of Large Language Models, 2025 (2507.14204)"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "a span of 4 layers; the authors take 16 of 32",
        "each further pass thins what the one before left, with the same rungs",
        "tokens keep the positions they were read at; the paper counts positions within the cache",
    )

    def __post_init__(self) -> None:
        not_below(self.name, 1, span=self.span)
        not_below(self.name, 0, overlap=self.overlap, sinks=self.sinks)
        if self.overlap >= self.span:
            raise BadSetting("overlap", self.overlap, f"less than the span, {self.span}", self.name)

    def queries(self, tokens: int) -> int:
        """None."""
        return 0

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """The same tokens for every head of a layer, others in the next layer.

        Raises:
            BadSetting: a span that covers all layers, so that nothing is ever dropped, or a budget under the sinks.
        """
        count = tokens_of(seen, budget)
        rung, stays = self.rung(len(seen.layers))
        if stays >= rung:
            raise BadSetting("span", self.span, f"less than the {len(seen.layers)} layers", self.name)
        if count < min(self.sinks + 1, seen.tokens):
            raise BadSetting("budget", budget, f"more than the {self.sinks} first tokens", self.name)
        layers = []
        for layer in range(len(seen.layers)):
            places = all_of(seen)
            while len(places) > count:
                places = self.thinned(places, count, layer, rung, stays)
            layers.append(KeptLayer(same_for(seen.heads, places)))
        return Kept(tuple(layers))

    def rung(self, layers: int) -> tuple[int, int]:
        """Tokens of a rung before and after."""
        step = self.span - self.overlap
        before = 1 + max(0, ceil((layers - self.span) / step))
        return before, min(ceil(self.span / step), before)

    def thinned(self, places: Tensor, count: int, layer: int, rung: int, stays: int) -> Tensor:
        """Places int64[n] after one pass over rungs from the oldest on, as many as are needed to come down to `count`."""
        offset = layer % (rung - stays + 1)
        over, rungs = len(places) - count, (len(places) - self.sinks) // rung
        keep = torch.ones(len(places), dtype=torch.bool, device=places.device)
        if rungs == 0:  # less than one rung is left behind the sinks: the oldest of it go
            keep[self.sinks : self.sinks + over] = False
            return places[keep]
        needed = min(rungs, ceil(over / (rung - stays)))
        for at in range(needed):
            start = self.sinks + at * rung
            keep[start : start + rung] = False
            keep[start + offset : start + offset + stays] = True
        return places[keep]
