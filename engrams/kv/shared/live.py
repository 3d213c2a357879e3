"""Blocks of a cache that grow while others read them, and forward passes in which every worker has its own view of them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicCache, DynamicLayer

from engrams.errors import BadSetting, UnknownName
from engrams.kv.reuse.joining import Layer
from engrams.kv.rotary import Rotary


@dataclass(frozen=True, eq=False)
class Live:
    """A block as it stands: n tokens, and each layer's keys and values float[H, n, D], turned to positions 0 … n-1.

    A block that grows is replaced, so whoever holds one may read it for ever.
    """

    tokens: tuple[int, ...] = ()
    layers: tuple[Layer, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class Ask:
    """What one worker puts in: the blocks it sees, in order, and the tokens it writes at the end of the last of them."""

    view: tuple[str, ...]
    tokens: tuple[int, ...]


class SharedCache:
    """Named blocks of one model's cache that several workers read and write at once, each in an order of its own.

    A block keeps its keys at positions from 0 on; for a view they are turned to where the block stands in it, worked out in
    float32. What a worker writes in a pass is seen by the others in the same pass, layer by layer. Safe from several threads: a
    pass is one step for all, and one that fails changes nothing.

    Source: Hogwild! Inference, 2025, arXiv 2504.06261, and the authors' code (`CacheBlock`, `CombinedCacheView`).
    """

    def __init__(self, model: Any) -> None:
        """For `model`, a causal language model of transformers with rotary positions.

        Raises:
            BadSetting: positions that cannot be turned.
        """
        self.model = model
        self._rotary = Rotary.of(model)
        self._blocks: dict[str, Live] = {}
        self._lock = threading.RLock()

    def __getitem__(self, name: str) -> Live:
        """A block as it stands.

        Raises:
            UnknownName: no such block.
        """
        with self._lock:
            if name not in self._blocks:
                raise UnknownName("block", name, self._blocks)
            return self._blocks[name]

    @property
    def names(self) -> tuple[str, ...]:
        """Every block's name, in order of creation."""
        with self._lock:
            return tuple(self._blocks)

    @property
    def bytes(self) -> int:
        """What the keys and values of all blocks take in memory."""
        with self._lock:
            held = [t for b in self._blocks.values() for layer in b.layers for t in layer]
        return sum(t.numel() * t.element_size() for t in held)

    def add(self, name: str) -> None:
        """Makes an empty block.

        Raises:
            BadSetting: there is one of that name.
        """
        with self._lock:
            if name in self._blocks:
                raise BadSetting("name", name, "a block that is not there yet", "shared cache")
            self._blocks[name] = Live()

    def drop(self, name: str) -> int:
        """Frees a block; gives the bytes it took.

        Raises:
            UnknownName: no such block.
        """
        with self._lock:
            before = self.bytes
            self[name]
            del self._blocks[name]
            return before - self.bytes

    def fold(self, name: str, into: str) -> None:
        """Moves what a block holds to the end of another, its keys turned on; the block is empty then.

        Raises:
            UnknownName: no such block.
        """
        with self._lock:
            block, end = self[name], self[into]
            if len(block):
                stood = torch.arange(len(block))
                moved = [(self._rotary.move(k, stood, stood + len(end)), v) for k, v in block.layers]
                layers = (
                    tuple(
                        (torch.cat([old[0], new[0]], 1), torch.cat([old[1], new[1]], 1))
                        for old, new in zip(end.layers, moved, strict=True)
                    )
                    if len(end)
                    else tuple(moved)
                )
                self._blocks[into] = Live(end.tokens + block.tokens, layers)
            self._blocks[name] = Live()

    def view(self, names: Sequence[str]) -> tuple[Layer, ...]:
        """Each layer's keys and values float[H, T, D] as one who sees these blocks in this order reads them.

        Raises:
            UnknownName: no such block.
        """
        with self._lock:
            blocks = [block for name in names if len(block := self[name])]
            depth = len(blocks[0].layers) if blocks else 0
            return tuple(_row([b.layers[number] for b in blocks], self._rotary) for number in range(depth))

    def step(self, asks: Sequence[Ask]) -> tuple[Tensor, ...]:
        """One forward pass in which every worker reads its view and writes its tokens; what the model says behind each token.

        Logits float[tokens, vocabulary] for each ask.

        Raises:
            BadSetting: nobody asks, an ask has no tokens, or two would write one block.
            UnknownName: a view with a block that is not there.
        """
        with self._lock:
            written = [ask.view[-1] for ask in asks if ask.view]
            if not asks or len(written) != len(asks) or not all(ask.tokens for ask in asks):
                raise BadSetting("asks", len(asks), "workers with a view and at least one token each", "step")
            if len(set(written)) != len(written):
                raise BadSetting("view", sorted(written), "a block of their own for each to write", "step")
            running = _Step(asks, {name: self[name] for ask in asks for name in ask.view}, self._rotary)
            logits = running.run(self.model)
            self._blocks.update(running.grown())
            return logits


def _row(parts: Sequence[Layer], rotary: Rotary) -> Layer:
    """Blocks of one layer behind one another, each turned from positions 0 … n-1 to its place."""
    keys, begin = [], 0
    for k, _ in parts:
        stood = torch.arange(k.shape[1])
        keys.append(rotary.move(k, stood, stood + begin) if begin else k)
        begin += k.shape[1]
    return torch.cat(keys, 1), torch.cat([v for _, v in parts], 1)


class _Step:
    """One pass: what is written is put beside the blocks, and becomes theirs only when the pass has come to its end."""

    def __init__(self, asks: Sequence[Ask], blocks: dict[str, Live], rotary: Rotary) -> None:
        self.asks, self.rotary = asks, rotary
        self.blocks = blocks
        self.new: dict[str, list[Layer]] = {ask.view[-1]: [] for ask in asks}
        added = {ask.view[-1]: len(ask.tokens) for ask in asks}
        self.lengths = [sum(len(blocks[n]) + added.get(n, 0) for n in ask.view) for ask in asks]
        self.wide, self.long = max(len(ask.tokens) for ask in asks), max(self.lengths)

    def run(self, model: Any) -> tuple[Tensor, ...]:
        """The pass; rows are padded on the left to the longest, and what is said of padding is left out."""
        ids = torch.zeros(len(self.asks), self.wide, dtype=torch.int64)
        for row, ask in zip(ids, self.asks, strict=True):
            row[self.wide - len(ask.tokens) :] = torch.tensor(ask.tokens)
        cache = DynamicCache()
        cache.layers = [_Viewing(self, number) for number in range(model.config.num_hidden_layers)]
        with torch.no_grad():
            said = model(
                input_ids=ids.to(model.device),
                position_ids=self.positions().to(model.device),
                attention_mask=self.mask(model.dtype).to(model.device),
                past_key_values=cache,
                use_cache=True,
            ).logits
        return tuple(row[self.wide - len(ask.tokens) :] for row, ask in zip(said, self.asks, strict=True))

    def positions(self) -> Tensor:
        """int64[workers, tokens]: where each token stands in its worker's view; 0 for padding."""
        ends = torch.tensor(self.lengths)[:, None]
        return (ends - self.wide + torch.arange(self.wide)[None]).clamp(min=0)

    def mask(self, dtype: torch.dtype) -> Tensor:
        """float[workers, 1, tokens, T]: who sees what; padding of keys on the left is seen by nobody."""
        place = torch.arange(self.long)[None] - (self.long - torch.tensor(self.lengths))[:, None]
        query = torch.tensor(self.lengths)[:, None] - self.wide + torch.arange(self.wide)[None]
        seen = (place[:, None] >= 0) & (place[:, None] <= query[:, :, None])
        return torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)[:, None]

    def write(self, number: int, keys: Tensor, values: Tensor) -> Layer:
        """Takes the fresh keys and values float[workers, H, tokens, D] of a layer; gives every worker's view, padded."""
        places = self.positions()
        for i, ask in enumerate(self.asks):
            own = len(ask.tokens)
            stood = places[i, self.wide - own :]
            home = len(self.blocks[ask.view[-1]]) + torch.arange(own)
            fresh = self.rotary.move(keys[i, :, self.wide - own :], stood, home)
            self.new[ask.view[-1]].append((fresh, values[i, :, self.wide - own :]))
        now = {name: self._layer(name, number) for name in self.blocks}
        rows = [
            _row([layer for name in ask.view if (layer := now[name]) is not None], self.rotary)
            for ask in self.asks
        ]
        return _padded([k for k, _ in rows], self.long), _padded([v for _, v in rows], self.long)

    def _layer(self, name: str, number: int) -> Layer | None:
        """One layer of a block with what this pass wrote there; None while it is empty."""
        block, fresh = self.blocks[name], self.new.get(name)
        old = block.layers[number] if len(block) else None
        if fresh is None or old is None:
            return old if fresh is None else fresh[number]
        return torch.cat([old[0], fresh[number][0]], 1), torch.cat([old[1], fresh[number][1]], 1)

    def grown(self) -> dict[str, Live]:
        """The blocks that were written, as they stand after the pass."""
        out = {}
        for ask in self.asks:
            name = ask.view[-1]
            layers = [
                layer for i in range(len(self.new[name])) if (layer := self._layer(name, i)) is not None
            ]
            out[name] = Live(self.blocks[name].tokens + ask.tokens, tuple(layers))
        return out


def _padded(rows: Sequence[Tensor], length: int) -> Tensor:
    """Float[H, t, D] of every worker as one float[workers, H, T, D], zeros before the shorter."""
    out = rows[0].new_zeros(len(rows), rows[0].shape[0], length, rows[0].shape[2])
    for row, part in zip(out, rows, strict=True):
        row[:, length - part.shape[1] :] = part
    return out


class _Viewing(DynamicLayer):
    """A layer of a cache whose `update` writes every worker's block and gives every worker its view."""

    def __init__(self, step: _Step, number: int) -> None:
        super().__init__()
        self.step, self.number = step, number

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Keys and values [workers, H, T, D] of all views, padded on the left."""
        return self.step.write(self.number, key_states, value_states)
