"""What a compression policy is: it looks at a cache, is told a budget, and says which entries stay.

A policy is a frozen dataclass of the paper's parameters and one pure function over tensors. It runs no model and changes no
tensor: who calls it hands it what was seen (`Seen`) and does with the answer (`Kept`) what it likes. `cut` does the obvious.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import floor
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from engrams.errors import BadSetting


@dataclass(frozen=True, eq=False)
class SeenLayer:
    """What one layer holds and was asked: H key-value heads of T tokens and D channels, G query heads for each of them.

    `keys` float[H, T, D], rotated as they lie in a cache; `values` float[H, T, D]; `queries` float[G·H, W, D], rotated, head
    g of key-value head h at place h·G + g.
    """

    keys: Tensor
    values: Tensor
    queries: Tensor


@dataclass(frozen=True, eq=False)
class Seen:
    """A cache and the queries that were put to it, one `SeenLayer` for each layer.

    `positions` int64[T], ascending, of the tokens in the cache; `asked` int64[W], ascending, of the tokens whose queries were
    kept: the last tokens of the cache, all of them, or tokens after it (a question, a draft model's look-ahead).
    `frequencies` float[D/2]: the angle of each rotary pair per position.
    """

    layers: tuple[SeenLayer, ...]
    positions: Tensor
    asked: Tensor
    frequencies: Tensor

    @property
    def tokens(self) -> int:
        """How many tokens the cache holds."""
        return int(self.positions.shape[0])

    @property
    def heads(self) -> int:
        """How many key-value heads a layer has."""
        return int(self.layers[0].keys.shape[0])


@dataclass(frozen=True, eq=False)
class StandIns:
    """Made-up tokens in place of dropped ones: `keys`, `values` float[H, C, D]; `weight` float[H, C], tokens each stands for.

    In attention a stand-in's logit gets log(weight) added, so that it counts as often as the tokens it replaces; weight 0
    means that this head has none.
    """

    keys: Tensor
    values: Tensor
    weight: Tensor


@dataclass(frozen=True, eq=False)
class KeptLayer:
    """What stays of one layer.

    `index`: for each of H heads int64[n_h], ascending, the places in the cache that stay; n_h may differ by head and layer.
    `stand_ins`: compensation tokens, if any. `channels`: int64[H, D'], ascending, the channels of a key that stay, None for
    all; the last `whole` tokens keep every channel.
    """

    index: tuple[Tensor, ...]
    stand_ins: StandIns | None = None
    channels: Tensor | None = None
    whole: int = 0


@dataclass(frozen=True, eq=False)
class Kept:
    """What stays of a cache, layer by layer. `scores`: float[H, T] for each layer where the policy has any, else empty."""

    layers: tuple[KeptLayer, ...]
    scores: tuple[Tensor, ...] = field(default=(), repr=False)

    def entries(self) -> int:
        """Key-value pairs that stay, over layers and heads, stand-ins counted."""
        tokens = sum(int(index.numel()) for layer in self.layers for index in layer.index)
        stand_ins = sum(
            int((s.weight > 0).sum()) for layer in self.layers if (s := layer.stand_ins) is not None
        )
        return tokens + stand_ins

    def numbers(self, channels: int) -> int:
        """Numbers that stay in keys and values of `channels` channels, dropped key channels not counted."""
        total = 2 * channels * self.entries()
        for layer in self.layers:
            if layer.channels is None:
                continue
            gone = channels - int(layer.channels.shape[1])
            total -= sum(gone * max(0, int(index.numel()) - layer.whole) for index in layer.index)
        return total


@runtime_checkable
class Policy(Protocol):
    """Says what of a cache stays. A frozen dataclass whose fields are the paper's parameters."""

    @property
    def name(self) -> str:
        """As it is called: lower-case words joined by '-'."""
        ...

    @property
    def paper(self) -> str:
        """Title, year and number of the paper, empty for a row of reference."""
        ...

    @property
    def differs(self) -> tuple[str, ...]:
        """Where it departs from the paper; a constant that could not be read is an "approximation of" it."""
        ...

    def queries(self, tokens: int) -> int:
        """How many of the last queries of a cache of `tokens` tokens it must see; 0 for none."""
        ...

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """What stays when about `budget` of the numbers may, in (0, 1].

        Raises:
            BadSetting: a budget out of range, or queries that are missing.
        """
        ...


def tokens_of(seen: Seen, budget: float) -> int:
    """How many tokens of each head a budget in (0, 1] is: rounded down, one at least.

    Raises:
        BadSetting: a budget out of range.
    """
    if not 0 < budget <= 1:
        raise BadSetting("budget", budget, "a share of the cache, above 0 and at most 1", "compress")
    return max(1, floor(seen.tokens * budget + 1e-9))  # 1e-9: 0.29 * 100 is 28.999999999999996


def check_queries(seen: Seen, policy: Policy) -> None:
    """Raises BadSetting where a policy that looks at queries was handed none."""
    if policy.queries(seen.tokens) and not seen.asked.numel():
        raise BadSetting(
            "queries", 0, "the queries of the last tokens, kept while the text was read", policy.name
        )


def all_of(seen: Seen) -> Tensor:
    """Every place of a cache: int64[T]."""
    return torch.arange(seen.tokens, device=seen.positions.device)


def best(scores: Tensor, count: int) -> tuple[Tensor, ...]:
    """The places of the `count` highest scores of float[H, T] for each head, ascending; of equal scores the earlier stays."""
    order = torch.sort(scores, dim=-1, descending=True, stable=True).indices[:, :count]
    return tuple(order.sort(-1).values)


def same_for(heads: int, index: Tensor) -> tuple[Tensor, ...]:
    """One choice of places for every head."""
    return (index,) * heads


def cut(seen: Seen, kept: Kept) -> tuple[tuple[tuple[Tensor, Tensor], ...], ...]:
    """Keys and values that stay, for each layer and head float[n_h, D]; dropped channels are 0 and stand-ins are left out."""
    return tuple(_cut_layer(layer, stays) for layer, stays in zip(seen.layers, kept.layers, strict=True))


def _cut_layer(layer: SeenLayer, kept: KeptLayer) -> tuple[tuple[Tensor, Tensor], ...]:
    heads: list[tuple[Tensor, Tensor]] = []
    for head, index in enumerate(kept.index):
        keys, values = layer.keys[head, index], layer.values[head, index]
        if kept.channels is not None:
            keys = without_channels(keys, kept.channels[head], kept.whole)
        heads.append((keys, values))
    return tuple(heads)


def without_channels(keys: Tensor, channels: Tensor, whole: int) -> Tensor:
    """Keys float[n, D] with 0 in every channel but `channels`, the last `whole` tokens untouched."""
    thin = torch.zeros_like(keys)
    thin[:, channels] = keys[:, channels]
    last = keys.shape[0] - min(whole, keys.shape[0])
    thin[last:] = keys[last:]
    return thin


def heads_of(scores: Sequence[Sequence[float]], seen: Seen) -> Tensor:
    """A file's scores of heads as float[L, H], by key-value head.

    Raises:
        BadSetting: not one score for each layer and key-value head.
    """
    held = torch.tensor(scores, dtype=torch.float32)
    wanted = (len(seen.layers), seen.heads)
    if tuple(held.shape) != wanted:
        raise BadSetting(
            "heads", tuple(held.shape), f"scores for {wanted[0]} layers of {wanted[1]} heads", "compress"
        )
    return held
