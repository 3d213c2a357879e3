"""Computes the first tokens of each piece anew, and looks at nothing to choose them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.reuse.joining import Joined, Piece, join
from engrams.kv.reuse.method import Reused, check_share, count_of, reused
from engrams.kv.reuse.passing import recompute
from engrams.kv.rotary import Rotary


@dataclass(frozen=True)
class Edge:
    """The first tokens of every piece are computed in every layer: no pass over all tokens to choose them.

    Source: EPIC (position-independent caching), 2024, arXiv 2410.15332, LegoLink: a piece read alone takes its first tokens
    for the beginning of a text, which they no longer are.

    `ratio`: share of each piece's tokens, rounded up; or `first`: so many tokens of each, as in the paper, in place of `ratio`.
    """

    ratio: float = 0.15
    first: int | None = None

    name: ClassVar[str] = "edge"
    paper: ClassVar[str] = (
        "EPIC: Efficient Position-Independent Caching for Serving Large Language Models, 2024, arXiv 2410.15332"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "a share of each piece by default, to compare at equal cost; the paper computes a fixed number of tokens",
        "approximation of the paper's number of tokens, which was not read: `first` has no default",
    )

    def __post_init__(self) -> None:
        check_share("ratio", self.ratio, self.name)
        if self.first is not None and self.first < 0:
            raise BadSetting("first", self.first, "a number of tokens, 0 or more", self.name)

    def __call__(self, model: Any, pieces: Sequence[Piece]) -> Reused:
        """Composes and computes the first tokens of the pieces that are not exact."""
        joined = join(pieces, Rotary.of(model))
        return reused(self.name, joined, recompute(model, joined, self.places(joined)))

    def places(self, joined: Joined) -> Tensor:
        """int64[n]: the places that are computed, ascending."""
        chosen = [joined.tokens[:0]]
        for begin, end in joined.spans:
            count = count_of(self.ratio, end - begin) if self.first is None else self.first
            chosen.append(torch.arange(begin, min(begin + count, end)))
        places = torch.cat(chosen)
        return places[places >= joined.exact]
