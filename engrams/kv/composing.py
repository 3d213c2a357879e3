"""Blocks put together as one cache that a model goes on from, whole or compressed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from engrams.errors import BadSetting
from engrams.kv.attention import ragged
from engrams.kv.block import Block, BlockLayer
from engrams.kv.ragged import RaggedCache
from engrams.kv.reuse.joining import Layer, join
from engrams.kv.reuse.method import Reuse
from engrams.kv.reuse.report import Recomputed, nothing
from engrams.kv.rotary import Rotary


@dataclass(frozen=True, eq=False)
class Composed:
    """A cache of several blocks in a row, and its price.

    `tokens`: what it stands for, at positions 0 … `next_position` - 1, where a question goes on. `report`: what was computed
    anew. `bytes`: as the blocks were kept; `milliseconds_saved`: what reading their texts took less what loading them takes,
    as far as it is known. Call `past` for each question: a cache grows with what is asked.
    """

    tokens: tuple[int, ...]
    report: Recomputed
    bytes: int
    layers: int
    milliseconds_saved: float
    dense: tuple[Layer, ...] = field(default=(), repr=False)
    packed: tuple[BlockLayer, ...] = field(default=(), repr=False)

    @property
    def next_position(self) -> int:
        """The position of the token that follows."""
        return len(self.tokens)

    def past(self, questions: int = 1) -> Any:
        """A cache as `past_key_values`, for a batch of `questions` that follow, untouched by other questions."""
        if self.packed:
            return RaggedCache(self.packed, self.next_position)
        cache = DynamicCache()
        for number, (keys, values) in enumerate(self.dense):
            shape = (questions, *keys.shape)
            cache.update(keys[None].expand(shape), values[None].expand(shape), number)
        return cache

    @contextmanager
    def reading(self, model: Any) -> Iterator[None]:
        """Within, the model can attend to this cache: needed where heads or layers hold different numbers of tokens."""
        if not self.packed:
            yield
            return
        with ragged(model):
            yield


def compose(
    model: Any, blocks: Sequence[Block], rotary: Rotary, reuse: Reuse | None, price: tuple[int, float]
) -> Composed:
    """Puts blocks in a row from position 0 on, keys turned to where they now stand.

    Args:
        model: whose they are.
        blocks: at least one, in order. Compressed ones keep the gaps between their entries.
        rotary: the model's rotary positions.
        reuse: how what stands behind other texts than it was read with is computed anew; None: not at all.
        price: (bytes, milliseconds saved) of the blocks as they were kept.

    Raises:
        BadSetting: no blocks; a compressed one together with `reuse`, which needs every token.
    """
    if not blocks:
        raise BadSetting("blocks", 0, "at least one block", "compose")
    tokens = tuple(token for block in blocks for token in block.tokens)
    depth = len(blocks[0].layers)
    if all(block.whole for block in blocks):
        pieces = [block.piece(model.device) for block in blocks]
        if reuse is not None:
            made = reuse(model, pieces)
            return Composed(tokens, made.report, price[0], depth, price[1], dense=made.layers)
        joined = join(pieces, rotary)
        report = nothing("none", len(tokens), depth)
        return Composed(tokens, report, price[0], depth, price[1], dense=joined.layers)
    if reuse is not None:
        raise BadSetting("reuse", reuse.name, "None: a compressed block cannot be computed anew", "compose")
    packed = tuple(
        _beside([block.layers[n] for block in blocks], blocks, rotary, model) for n in range(depth)
    )
    return Composed(tokens, nothing("none", len(tokens), depth), price[0], depth, price[1], packed=packed)


def _beside(layers: Sequence[BlockLayer], blocks: Sequence[Block], rotary: Rotary, model: Any) -> BlockLayer:
    """One layer of several blocks: the entries of head 0 of each block, then those of head 1, and so on."""
    if len(layers) == 1 and blocks[0].start == 0:
        return layers[0].to(model.device)
    heads = len(layers[0].lengths)
    keys: list[list[Tensor]] = [[] for _ in range(heads)]
    values: list[list[Tensor]] = [[] for _ in range(heads)]
    places: list[list[Tensor]] = [[] for _ in range(heads)]
    bias: list[list[Tensor]] = [[] for _ in range(heads)]
    begin = 0
    for layer, block in zip(layers, blocks, strict=True):
        told = layer.head_bias() or tuple(torch.zeros(n) for n in layer.lengths)
        rows = zip(layer.head_keys(), layer.head_values(), layer.head_positions(), told, strict=True)
        for head, (k, v, p, b) in enumerate(rows):
            there = p + (begin - block.start)
            keys[head].append(k if begin == block.start else rotary.move(k, p, there))
            values[head].append(v)
            places[head].append(there)
            bias[head].append(b.to(k.device))
        begin += len(block.tokens)
    lengths = tuple(sum(len(part) for part in parts) for parts in values)
    biased = any(layer.bias is not None for layer in layers)
    return BlockLayer(
        torch.cat([part for parts in keys for part in parts]),
        torch.cat([part for parts in values for part in parts]),
        torch.cat([part for parts in places for part in parts]),
        lengths,
        torch.cat([part for parts in bias for part in parts]) if biased else None,
    ).to(model.device)
