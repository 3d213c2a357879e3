"""Stored stretches of a cache put one behind the other, each key turned to the position where it now stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.rotary import Rotary

#: Keys and values of one layer, float[H, T, D] each: H key-value heads, keys rotated.
Layer = tuple[Tensor, Tensor]


@dataclass(frozen=True, eq=False)
class Piece:
    """A stretch of text as a model read it: T tokens, where they stood, and what each layer kept of them.

    `tokens` int64[T]; `positions` int64[T], ascending; `layers`: for each layer keys and values float[H, T, D]; `behind`: the
    tokens that the model had read before this stretch, from position 0 on.
    """

    tokens: Tensor
    positions: Tensor
    layers: tuple[Layer, ...]
    behind: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        length = len(self.tokens)
        if len(self.positions) != length or any(k.shape[1] != length for k, _ in self.layers):
            raise BadSetting(
                "piece", length, "as many positions, keys and values as tokens in every layer", "kv"
            )


@dataclass(frozen=True, eq=False)
class Joined:
    """Pieces in a row at positions 0 … T-1.

    `tokens` int64[T]; `layers`: keys and values float[H, T, D] of each layer; `bounds`: where each piece begins, and T;
    `exact`: the first so many tokens lie as a full prefill would leave them.
    """

    tokens: Tensor
    layers: tuple[Layer, ...]
    bounds: tuple[int, ...]
    exact: int

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """First place and the place behind the last, for each piece."""
        return tuple(pairwise(self.bounds))


def join(pieces: Sequence[Piece], rotary: Rotary, turn: bool = True) -> Joined:
    """Puts pieces in a row from position 0 on.

    Args:
        pieces: at least one; the layers must be as many and as wide in each.
        rotary: the model's rotary positions.
        turn: turns the keys to their new positions, exact up to rounding (below 1e-5 in float32); without it they keep the
            angles of where they were read, which is what plain concatenation does.

    Raises:
        BadSetting: no pieces, or pieces of different depth.
    """
    if not pieces:
        raise BadSetting("pieces", 0, "at least one stored stretch", "compose")
    depth = len(pieces[0].layers)
    if any(len(p.layers) != depth for p in pieces):
        raise BadSetting("pieces", sorted({len(p.layers) for p in pieces}), "pieces of one model", "compose")
    bounds = [0]
    for piece in pieces:
        bounds.append(bounds[-1] + len(piece.tokens))
    places = torch.arange(bounds[-1], device=pieces[0].tokens.device)
    stood = torch.cat([p.positions for p in pieces])
    begin = int((torch.cat([places != stood, torch.ones_like(places[:1], dtype=torch.bool)])).nonzero()[0])
    # All layers at once, [L, H, T, D]: the angles are the same for each, and dearer than the turn itself.
    keys = torch.stack([torch.cat([p.layers[number][0] for p in pieces], 1) for number in range(depth)])
    if turn and begin < len(places):
        keys[:, :, begin:] = rotary.move(keys[:, :, begin:], stood[begin:], places[begin:])
    values = [torch.cat([p.layers[number][1] for p in pieces], 1) for number in range(depth)]
    layers = tuple(zip(keys, values, strict=True))
    return Joined(torch.cat([p.tokens for p in pieces]), layers, tuple(bounds), _exact(pieces))


def _exact(pieces: Sequence[Piece]) -> int:
    """How many tokens from the first on stand where they were read, behind what they were read behind."""
    before: tuple[int, ...] = ()
    for piece in pieces:
        own = torch.arange(len(before), len(before) + len(piece.tokens), device=piece.positions.device)
        if piece.behind != before or not torch.equal(piece.positions, own):
            break
        before = (*before, *piece.tokens.tolist())
    return len(before)
