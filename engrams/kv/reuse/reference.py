"""Rows of reference: what reuse is worth is seen beside them.

`concatenate` and `re-rotate` compute nothing, `recompute-all` everything, `random` any tokens at a given cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from engrams.kv.reuse.joining import Piece, join
from engrams.kv.reuse.method import (
    Reused,
    check_share,
    count_of,
    inexact,
    reused,
)
from engrams.kv.reuse.passing import recompute
from engrams.kv.reuse.report import nothing
from engrams.kv.rotary import Rotary


@dataclass(frozen=True)
class Concatenate:
    """Puts caches in a row as they are: keys keep the angles of where they were read, no piece knows of another."""

    name: ClassVar[str] = "concatenate"
    paper: ClassVar[str] = ""
    differs: ClassVar[tuple[str, ...]] = ()

    def __call__(self, model: Any, pieces: Sequence[Piece]) -> Reused:
        """Composes and computes nothing."""
        joined = join(pieces, Rotary.of(model), turn=False)
        return Reused(
            joined.tokens, joined.layers, nothing(self.name, len(joined.tokens), len(joined.layers))
        )


@dataclass(frozen=True)
class ReRotate:
    """Puts caches in a row with every key at its position; no piece knows of another."""

    name: ClassVar[str] = "re-rotate"
    paper: ClassVar[str] = ""
    differs: ClassVar[tuple[str, ...]] = ()

    def __call__(self, model: Any, pieces: Sequence[Piece]) -> Reused:
        """Composes and computes nothing."""
        joined = join(pieces, Rotary.of(model))
        return Reused(
            joined.tokens, joined.layers, nothing(self.name, len(joined.tokens), len(joined.layers))
        )


@dataclass(frozen=True)
class RecomputeAll:
    """Computes every token anew: a full prefill by the way of composing, to check that way by."""

    name: ClassVar[str] = "recompute-all"
    paper: ClassVar[str] = ""
    differs: ClassVar[tuple[str, ...]] = ()

    def __call__(self, model: Any, pieces: Sequence[Piece]) -> Reused:
        """Composes and computes all."""
        joined = join(pieces, Rotary.of(model))
        return reused(self.name, joined, recompute(model, joined, torch.arange(len(joined.tokens))))


@dataclass(frozen=True)
class RandomTokens:
    """Computes tokens drawn at random in every layer: what a choice of tokens must beat at equal cost.

    `ratio`: share of all tokens, at most those that are not exact already; `seed` of the draw.
    """

    ratio: float = 0.15
    seed: int = 0

    name: ClassVar[str] = "random"
    paper: ClassVar[str] = ""
    differs: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        check_share("ratio", self.ratio, self.name)

    def __call__(self, model: Any, pieces: Sequence[Piece]) -> Reused:
        """Composes and computes the tokens that were drawn."""
        joined = join(pieces, Rotary.of(model))
        among = inexact(joined)
        count = min(count_of(self.ratio, len(joined.tokens)), len(among))
        drawn = torch.randperm(len(among), generator=torch.Generator().manual_seed(self.seed))[:count]
        return reused(self.name, joined, recompute(model, joined, among[drawn.sort().values]))
