"""Whole pieces are computed anew: those that a look finds most stale, or those that the caller knows to depend on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.reuse.deviation import Side, compare
from engrams.kv.reuse.joining import Joined, Piece, join
from engrams.kv.reuse.method import Reused, highest, reused
from engrams.kv.reuse.passing import recompute
from engrams.kv.rotary import Rotary


@dataclass(frozen=True)
class StalestChunks:
    """Computes the `count` pieces whose keys (or values) deviate most on average in the check layer, all their tokens.

    A piece depends on others as a whole (a name, a date, what "it" is), and "the stalest n" is easy to say and to bill. Ours:
    the comparison of CacheBlend with a piece for its unit. The look costs `check_layer` + 1 layers of every token that is not
    exact; `keep_check` leaves those layers fresh.
    """

    count: int = 2
    check_layer: int = 1
    side: Side = "keys"
    keep_check: bool = True

    name: ClassVar[str] = "stalest-chunks"
    paper: ClassVar[str] = ""
    differs: ClassVar[tuple[str, ...]] = (
        "not a paper's: CacheBlend's comparison, with a whole piece for its unit",
    )

    def __post_init__(self) -> None:
        if self.count < 0:
            raise BadSetting("count", self.count, "a number of pieces, 0 or more", self.name)
        if self.check_layer < 0:
            raise BadSetting("check_layer", self.check_layer, "a layer from 0 on", self.name)

    def __call__(self, model: Any, pieces: Sequence[Piece]) -> Reused:
        """Composes; looks at all tokens in the first layers and computes the stalest pieces in all."""
        joined = join(pieces, Rotary.of(model))

        def stalest(places: Tensor, scores: Tensor) -> Tensor:
            of_piece = torch.bucketize(places, torch.tensor(joined.bounds[1:]), right=True)
            totals = torch.zeros(len(pieces)).index_add_(0, of_piece, scores)
            counts = torch.bincount(of_piece, minlength=len(pieces))
            means = torch.where(
                counts > 0, totals / counts.clamp(min=1), -1.0
            )  # -1: nothing of it was compared
            most = highest(means, min(self.count, int((counts > 0).sum())))
            return torch.isin(of_piece, most).nonzero().flatten()

        return compare(self.name, model, joined, self.side, {self.check_layer: stalest}, self.keep_check)


@dataclass(frozen=True)
class GivenChunks:
    """Computes the pieces at the places given (0 is the first), all their tokens, and looks at nothing to choose them."""

    which: tuple[int, ...] = ()

    name: ClassVar[str] = "given-chunks"
    paper: ClassVar[str] = ""
    differs: ClassVar[tuple[str, ...]] = ()

    def __call__(self, model: Any, pieces: Sequence[Piece]) -> Reused:
        """Composes and computes the pieces given."""
        joined = join(pieces, Rotary.of(model))
        unknown = [i for i in self.which if not 0 <= i < len(pieces)]
        if unknown:
            raise BadSetting("which", unknown, f"pieces from 0 to {len(pieces) - 1}", self.name)
        return reused(self.name, joined, recompute(model, joined, places_of(joined, self.which)))


def places_of(joined: Joined, which: Sequence[int]) -> Tensor:
    """int64[n]: the places of whole pieces that are not exact already, ascending."""
    chosen = [torch.arange(*joined.spans[i]) for i in sorted(set(which))]
    places = torch.cat([joined.tokens[:0], *chosen])
    return places[places >= joined.exact]
