"""What a way of reusing stored pieces is: it is handed a model and pieces, and gives a cache and what it computed anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache

from engrams.errors import BadSetting
from engrams.kv.reuse.joining import Joined, Layer, Piece
from engrams.kv.reuse.passing import Passed
from engrams.kv.reuse.report import Recomputed


@dataclass(frozen=True, eq=False)
class Reused:
    """A composed cache: `tokens` int64[T] at positions 0 … T-1, each layer's keys and values float[H, T, D], and the report."""

    tokens: Tensor
    layers: tuple[Layer, ...]
    report: Recomputed

    @property
    def next_position(self) -> int:
        """Where the question begins."""
        return len(self.tokens)

    def past(self, questions: int = 1) -> DynamicCache:
        """The cache as `past_key_values` for a batch of `questions` texts that follow it, each with a copy of its own."""
        cache = DynamicCache()
        for number, (keys, values) in enumerate(self.layers):
            shape = (questions, *keys.shape)
            cache.update(keys[None].expand(shape), values[None].expand(shape), number)
        return cache


@runtime_checkable
class Reuse(Protocol):
    """A way to compose pieces. A frozen dataclass whose fields are the paper's parameters."""

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

    def __call__(self, model: Any, pieces: Sequence[Piece]) -> Reused:
        """Composes the pieces in the order given.

        Raises:
            BadSetting: pieces that do not fit each other or the model.
        """
        ...


def reused(
    method: str,
    joined: Joined,
    passed: Passed,
    looked: Passed | None = None,
    pieces: tuple[float, ...] = (),
) -> Reused:
    """The outcome of a pass; `looked` is one before it that cost something and left nothing in the cache."""
    depth, none = len(joined.layers), passed.places[0][:0]
    before = looked.places if looked is not None else (none,) * depth
    computed = tuple(len(now) + len(then) for now, then in zip(passed.places, before, strict=True))
    fresh = tuple(tuple(places.tolist()) for places in passed.places)
    report = Recomputed(method, len(joined.tokens), depth, computed, fresh, pieces)
    return Reused(joined.tokens, passed.layers, report)


def inexact(joined: Joined) -> Tensor:
    """The places that a full prefill would fill otherwise: int64[n], ascending."""
    return torch.arange(joined.exact, len(joined.tokens), device=joined.tokens.device)


def count_of(ratio: float, tokens: int) -> int:
    """How many of `tokens` a ratio is, rounded up."""
    return ceil(ratio * tokens - 1e-9)  # 1e-9: 0.15 * 100 is 15.000000000000002


def check_share(key: str, value: float, method: str) -> None:
    """Raises BadSetting where a share is not in 0 … 1."""
    if not 0 <= value <= 1:
        raise BadSetting(key, value, "a share from 0 to 1", method)


def highest(scores: Tensor, count: int) -> Tensor:
    """Rows of the `count` highest of float[n], ascending; of equal scores the earlier."""
    order = torch.sort(scores, descending=True, stable=True).indices[:count]
    return order.sort().values
