"""Caches so small that weights of attention can be worked out on paper."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import torch
from torch import Tensor

from engrams.kv.policy import Kept, Seen, SeenLayer


def told(
    weights: Sequence[Sequence[float]], asked: Sequence[int], tokens: int, values: Sequence[float] = ()
) -> SeenLayer:
    """One head in which query w attends to the tokens with the given weights: one channel for each query.

    Keys are logs of weights times the square root of the width, which attention divides by; queries pick their channel.
    """
    width = len(weights)
    keys = torch.full((1, tokens, width), -1e4)
    for row, line in enumerate(weights):
        for place, weight in enumerate(line):
            keys[0, place, row] = log(weight) * width**0.5 if weight else -1e4
    held = torch.tensor(values or [1.0] * tokens)[None, :, None]
    return SeenLayer(keys, held, torch.eye(width)[None])


def seen(*layers: SeenLayer, asked: Sequence[int]) -> Seen:
    tokens = layers[0].keys.shape[1]
    return Seen(
        layers,
        torch.arange(tokens),
        torch.tensor(list(asked)),
        torch.zeros(max(1, layers[0].keys.shape[2] // 2)),
    )


def plain(tokens: int, layers: int = 1, heads: int = 1, width: int = 2) -> Seen:
    """A cache that nobody looks into."""
    lot = torch.Generator().manual_seed(1)
    held = tuple(
        SeenLayer(
            torch.randn(heads, tokens, width, generator=lot),
            torch.randn(heads, tokens, width, generator=lot),
            torch.zeros(heads, 0, width),
        )
        for _ in range(layers)
    )
    return Seen(held, torch.arange(tokens), torch.zeros(0, dtype=torch.int64), torch.ones(width // 2))


def places(kept: Kept) -> list[list[list[int]]]:
    """What stays, by layer and head."""
    return [[index.tolist() for index in layer.index] for layer in kept.layers]


def close(found: Tensor, wanted: Sequence[float]) -> bool:
    return torch.allclose(found.float(), torch.tensor(wanted), atol=1e-5)
