"""A block: what a model's layers hold of one stretch of text, whole or compressed, with the positions it was computed at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.policy import Kept, KeptLayer, StandIns
from engrams.kv.reuse.joining import Piece


@dataclass(frozen=True, eq=False, slots=True)
class Thin:
    """Keys of which only some channels are kept: the first `lengths[h]` of each head's entries.

    `keys` [sum of lengths, D'], heads one behind the other; `channels` int64[H, D'], ascending, where they belong among D.
    """

    keys: Tensor
    channels: Tensor
    lengths: tuple[int, ...]


@dataclass(frozen=True, eq=False, slots=True)
class BlockLayer:
    """One layer, packed: the entries of head 0, then those of head 1, and so on; a head may hold more than another.

    N = sum of `lengths`, H key-value heads, D channels. `keys` [N, D], after rotation, `values` [N, D], both in the model's
    type; `positions` int64[N], where each key is turned to. `bias` float32[N] is added to an entry's logits in attention
    (log of how many tokens a stand-in stands for). With `thin`, `keys` holds only what comes after the thin entries of each
    head.
    """

    keys: Tensor
    values: Tensor
    positions: Tensor
    lengths: tuple[int, ...]
    bias: Tensor | None = None
    thin: Thin | None = None

    @property
    def even(self) -> bool:
        """Whether every head holds equally many."""
        return len(set(self.lengths)) == 1

    def head_keys(self) -> tuple[Tensor, ...]:
        """Keys of each head [n_h, D]; channels that were dropped are 0."""
        if self.thin is None:
            return self.keys.split(self.lengths)
        whole = [n - t for n, t in zip(self.lengths, self.thin.lengths, strict=True)]
        heads = []
        for thin, rest, channels in zip(
            self.thin.keys.split(self.thin.lengths), self.keys.split(whole), self.thin.channels, strict=True
        ):
            wide = thin.new_zeros(thin.shape[0], self.keys.shape[1])
            wide[:, channels] = thin
            heads.append(torch.cat((wide, rest)))
        return tuple(heads)

    def head_values(self) -> tuple[Tensor, ...]:
        """Values of each head [n_h, D]."""
        return self.values.split(self.lengths)

    def head_positions(self) -> tuple[Tensor, ...]:
        """Positions of each head int64[n_h]."""
        return self.positions.split(self.lengths)

    def head_bias(self) -> tuple[Tensor, ...] | None:
        """Biases of each head float32[n_h]; None where no entry has one."""
        return None if self.bias is None else self.bias.split(self.lengths)

    def dense(self) -> tuple[Tensor, Tensor]:
        """Keys and values [H, n, D], where every head holds n.

        Raises:
            BadSetting: heads of different length.
        """
        if not self.even:
            raise BadSetting("layer", self.lengths, "heads of one length", "kv")
        return torch.stack(self.head_keys()), torch.stack(self.head_values())

    def to(self, device: Any) -> BlockLayer:
        """The same on another device."""
        thin = self.thin
        if thin is not None:
            thin = Thin(thin.keys.to(device), thin.channels.to(device), thin.lengths)
        bias = None if self.bias is None else self.bias.to(device)
        keys, values = self.keys.to(device), self.values.to(device)
        return BlockLayer(keys, values, self.positions.to(device), self.lengths, bias, thin)

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of this layer by name, as it lies in memory."""
        found = {"k": self.keys, "v": self.values, "p": self.positions}
        if self.bias is not None:
            found["b"] = self.bias
        if self.thin is not None:
            found |= {"tk": self.thin.keys, "tc": self.thin.channels}
        return found


@dataclass(frozen=True, eq=False, slots=True)
class Block:
    """What each layer holds of `tokens`, read at the positions from `start` on, behind the tokens `behind` (from 0 on).

    `fingerprint`: of the model that read them (`engrams.kv.fingerprint`). `made`: plain values about how it came to be (the
    policy, its budget). `notes`: tensors that travel with it under names of their makers' choice (scores, a chunk's attention
    to those before it); they are kept bit for bit.
    """

    tokens: tuple[int, ...]
    layers: tuple[BlockLayer, ...]
    fingerprint: str
    start: int = 0
    behind: tuple[int, ...] = ()
    made: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        layers: Sequence[tuple[Tensor, Tensor]],
        tokens: Sequence[int],
        fingerprint: str,
        start: int = 0,
        behind: Sequence[int] = (),
        notes: Mapping[str, Tensor] | None = None,
    ) -> Block:
        """A whole block from each layer's keys and values [H, T, D], T = len(tokens).

        Raises:
            BadSetting: a layer holds more or fewer than T tokens.
        """
        steps = torch.arange(start, start + len(tokens))
        packed = []
        for keys, values in layers:
            heads, length, width = keys.shape
            if length != len(tokens) or values.shape[:2] != keys.shape[:2]:
                raise BadSetting(
                    "layer", (tuple(keys.shape), tuple(values.shape)), f"{len(tokens)} tokens", "kv"
                )
            packed.append(
                BlockLayer(
                    keys.reshape(heads * length, width).contiguous(),
                    values.reshape(heads * length, values.shape[2]).contiguous(),
                    steps.repeat(heads),
                    (length,) * heads,
                )
            )
        return cls(tuple(tokens), tuple(packed), fingerprint, start, tuple(behind), notes=dict(notes or {}))

    @property
    def whole(self) -> bool:
        """Whether every layer and head holds every token, with all its channels."""
        return all(
            layer.thin is None and layer.bias is None and set(layer.lengths) == {len(self.tokens)}
            for layer in self.layers
        )

    @property
    def bytes(self) -> int:
        """What its keys, values, positions and notes take in memory, as they are held here."""
        held = [tensor for layer in self.layers for tensor in layer.tensors().values()]
        return sum(t.numel() * t.element_size() for t in (*held, *self.notes.values()))

    @property
    def entries(self) -> int:
        """Key-value pairs held, over layers and heads."""
        return sum(sum(layer.lengths) for layer in self.layers)

    def piece(self, device: Any = "cpu") -> Piece:
        """This block as the ways of reuse take it, on a device.

        Raises:
            BadSetting: it was compressed; entries stand where they stood and cannot be moved or computed anew.
        """
        if not self.whole:
            raise BadSetting("block", dict(self.made), "a block that was not compressed", "compose")
        steps = torch.arange(self.start, self.start + len(self.tokens))
        layers = tuple(layer.to(device).dense() for layer in self.layers)
        return Piece(torch.tensor(self.tokens, device=device), steps.to(device), layers, self.behind)

    def keep(self, kept: Kept, made: Mapping[str, Any]) -> Block:
        """A smaller block with what a policy keeps; freed for good, since nothing of the rest is held.

        Args:
            kept: what stays of each layer of this whole block.
            made: what is written down about it (policy, budget).

        Raises:
            BadSetting: this block was compressed already.
        """
        if not self.whole:
            raise BadSetting("block", dict(self.made), "a block that was not compressed", "compress")
        layers = tuple(
            _kept_layer(layer, stays, self.start)
            for layer, stays in zip(self.layers, kept.layers, strict=True)
        )
        return replace(self, layers=layers, made={**self.made, **made}, notes={})


def _kept_layer(layer: BlockLayer, kept: KeptLayer, start: int) -> BlockLayer:
    keys, values = layer.dense()
    rows_k = [keys[h, index] for h, index in enumerate(kept.index)]
    rows_v = [values[h, index] for h, index in enumerate(kept.index)]
    places = [start + index for index in kept.index]
    thin = None
    if kept.channels is not None:
        cuts = tuple(len(rows) - min(kept.whole, len(rows)) for rows in rows_k)
        narrow = [
            rows[:cut][:, channels] for rows, cut, channels in zip(rows_k, cuts, kept.channels, strict=True)
        ]
        thin = Thin(torch.cat(narrow), kept.channels.clone(), cuts)
        rows_k = [rows[cut:] for rows, cut in zip(rows_k, cuts, strict=True)]
    bias = None
    if kept.stand_ins is not None:
        rows_k, rows_v, places, bias = _with_stand_ins(kept.stand_ins, rows_k, rows_v, places)
    lengths = tuple(len(rows) for rows in rows_v)
    return BlockLayer(
        torch.cat(rows_k), torch.cat(rows_v), torch.cat(places).contiguous(), lengths, bias, thin
    )


def _with_stand_ins(
    made_up: StandIns, keys: list[Tensor], values: list[Tensor], places: list[Tensor]
) -> tuple[list[Tensor], list[Tensor], list[Tensor], Tensor]:
    """Puts the stand-ins behind each head's entries, at the position of the last of them; their bias is log(weight)."""
    bias = []
    for head in range(len(keys)):
        some = made_up.weight[head] > 0
        count = int(some.sum())
        last = places[head][-1:] if len(places[head]) else torch.zeros(1, dtype=torch.int64)
        bias.append(torch.cat((torch.zeros(len(places[head])), made_up.weight[head][some].float().log())))
        keys[head] = torch.cat((keys[head], made_up.keys[head][some].to(keys[head].dtype)))
        values[head] = torch.cat((values[head], made_up.values[head][some].to(values[head].dtype)))
        places[head] = torch.cat((places[head], last.expand(count)))
    return keys, values, places, torch.cat(bias)
