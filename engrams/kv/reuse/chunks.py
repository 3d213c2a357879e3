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
from engrams.kv.reuse.method import Reused, count_of, highest, reused
from engrams.kv.reuse.passing import recompute
from engrams.kv.rotary import Rotary


@dataclass(frozen=True)
class StalestChunks:
    """Computes the `count` pieces whose keys (or values) deviate most in the check layer, all their tokens.

    A piece depends on others as a whole (a name, a date, what "it" is), and "the stalest n" is easy to say and to bill. Ours:
    the comparison of CacheBlend with a piece for its unit, judged by the median of its tokens, since the first tokens of any
    piece deviate: what stood before them is another text now.

    `check_layer`: the layer whose keys (`side`: or values) are compared, from 0. `tail`: only the last tokens of each piece are
    looked at, this share of them, rounded up; they have read the rest of it, and lie farthest from its beginning. The chosen
    pieces are then computed from the first layer on. With 1, the layers up to the check layer are computed for all tokens and
    stay fresh.
    """

    count: int = 2
    check_layer: int = 1
    side: Side = "keys"
    tail: float = 1.0

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
        if not 0 < self.tail <= 1:
            raise BadSetting("tail", self.tail, "a share of a piece, above 0 and at most 1", self.name)

    def __call__(self, model: Any, pieces: Sequence[Piece]) -> Reused:
        """Composes; looks at tokens in the first layers and computes the stalest pieces in all."""
        joined = join(pieces, Rotary.of(model))
        chosen: list[int] = []
        medians = [0.0] * len(pieces)

        def stalest(places: Tensor, scores: Tensor) -> Tensor:
            of_piece = torch.bucketize(places, torch.tensor(joined.bounds[1:]), right=True)
            looked_at = of_piece.unique().tolist()
            for piece in looked_at:
                medians[piece] = float(scores[of_piece == piece].median())
            most = highest(torch.tensor([medians[piece] for piece in looked_at]), self.count)
            chosen.extend(looked_at[i] for i in most.tolist())
            return torch.isin(of_piece, torch.tensor(chosen, dtype=torch.int64)).nonzero().flatten()

        passed = compare(
            model, joined, self._looked_at(joined), self.side, {self.check_layer: stalest}, self.tail == 1
        )
        if self.tail == 1:
            return reused(self.name, joined, passed, pieces=tuple(medians))
        whole = recompute(model, joined, places_of(joined, chosen))
        return reused(self.name, joined, whole, passed, tuple(medians))

    def _looked_at(self, joined: Joined) -> Tensor:
        """The last tokens of every piece that is not exact."""
        ends = [
            torch.arange(end - count_of(self.tail, end - begin), end)
            for begin, end in joined.spans
            if begin >= joined.exact
        ]
        return torch.cat([joined.tokens[:0], *ends])


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
