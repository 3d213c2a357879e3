"""A cache in which each layer and head holds what a policy left it, and that grows as a common one does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers.cache_utils import Cache, DynamicLayer

from engrams.errors import BadSetting
from engrams.kv.block import BlockLayer

#: The bias of padding: no weight is left of it, and float16 holds it.
NOWHERE = -6e4


class RaggedLayer(DynamicLayer):
    """One layer: `held`, packed and of one text, and what a model adds behind it, float[B, H, n, D].

    `then` is the position of the next token. Only while a layer attends are its heads laid side by side, padded to the
    longest; what is kept in between is what was held and what was added.
    """

    def __init__(self, held: BlockLayer, then: int) -> None:
        super().__init__()
        self.held, self.then = held, then
        heads, width = len(held.lengths), held.keys.shape[1]
        self.keys = held.keys.new_empty(1, heads, 0, width)
        self.values = held.values.new_empty(1, heads, 0, held.values.shape[1])
        self.dtype, self.device = held.keys.dtype, held.keys.device
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Adds tokens; keys float[B, H, T, D + 1], the last channel the bias of their logits, and values float[B, H, T, D]."""
        batch = key_states.shape[0]
        self.keys = torch.cat((self.keys.expand(batch, -1, -1, -1), key_states), 2)
        self.values = torch.cat((self.values.expand(batch, -1, -1, -1), value_states), 2)
        keys, values = side_by_side(self.held)
        return (
            torch.cat((keys.expand(batch, -1, -1, -1), pad(self.keys, (0, 1))), 2),
            torch.cat((values.expand(batch, -1, -1, -1), self.values), 2),
        )

    def get_seq_length(self) -> int:
        """The position of the next token: what is missing has stood there all the same."""
        return self.then + int(self.keys.shape[2])

    def crop(self, tokens: int) -> None:
        """Takes the last -`tokens` tokens away again.

        Raises:
            BadSetting: a number above 0, or more than were added behind what is held.
        """
        added = int(self.keys.shape[2])
        if tokens > 0 or -tokens > added:
            raise BadSetting(
                "tokens", tokens, f"{-added} to 0: what was added behind the compressed text", "crop"
            )
        self.keys, self.values = self.keys[:, :, : added + tokens], self.values[:, :, : added + tokens]

    def reset(self) -> None:
        """Takes all away again that was added."""
        self.crop(-int(self.keys.shape[2]))


class RaggedCache(Cache):
    """Such layers, as `past_key_values` of a model within `engrams.kv.attention.ragged`."""

    def __init__(self, layers: Sequence[BlockLayer], then: int) -> None:
        super().__init__(layers=[RaggedLayer(layer, then) for layer in layers])

    @property
    def bytes(self) -> int:
        """What it holds in memory, with what was added."""
        held = [tensor for layer in self.layers for tensor in layer.held.tensors().values()]
        added = [tensor for layer in self.layers for tensor in (layer.keys, layer.values)]
        return sum(tensor.numel() * tensor.element_size() for tensor in (*held, *added))


def side_by_side(held: BlockLayer) -> tuple[Tensor, Tensor]:
    """Keys float[1, H, n, D + 1] with the bias as the last channel, values float[1, H, n, D]; n is what the longest head holds."""
    longest = max(held.lengths)
    bias = held.head_bias() or tuple(torch.zeros(n, device=held.keys.device) for n in held.lengths)
    keys = [
        pad(torch.cat((rows, told[:, None].to(rows.dtype)), 1), (0, 0, 0, longest - len(rows)))
        for rows, told in zip(held.head_keys(), bias, strict=True)
    ]
    for rows, length in zip(keys, held.lengths, strict=True):
        rows[length:, -1] = NOWHERE
    values = [pad(rows, (0, 0, 0, longest - len(rows))) for rows in held.head_values()]
    return torch.stack(keys)[None], torch.stack(values)[None]
