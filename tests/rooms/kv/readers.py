"""Tiny models with random weights, and texts that they have read alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import transformers

from engrams.kv.reuse.joining import Layer, Piece

SIZES = {
    "vocab_size": 40,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
}


class Reader:
    """A model, and what it makes of texts."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.depth = model.config.num_hidden_layers

    def prefill(self, tokens: Sequence[int]) -> tuple[Layer, ...]:
        """Each layer's keys and values after a plain forward pass over the tokens."""
        cache = transformers.DynamicCache(config=self.model.config)
        with torch.no_grad():
            self.model(input_ids=torch.tensor([list(tokens)]), past_key_values=cache)
        return tuple((layer.keys[0], layer.values[0]) for layer in cache.layers)

    def piece(self, tokens: Sequence[int], behind: Sequence[int] = ()) -> Piece:
        """A stretch read behind others."""
        skip = len(behind)
        layers = tuple((k[:, skip:], v[:, skip:]) for k, v in self.prefill([*behind, *tokens]))
        return Piece(torch.tensor(tokens), torch.arange(skip, skip + len(tokens)), layers, tuple(behind))

    def logits(self, reused: Any, question: Sequence[int]) -> Any:
        """What the model says behind a composed cache: float[tokens of the question, vocabulary]."""
        at = torch.arange(reused.next_position, reused.next_position + len(question))[None]
        with torch.no_grad():
            out = self.model(
                input_ids=torch.tensor([list(question)]), past_key_values=reused.past(), position_ids=at
            )
        return out.logits[0]


def tiny(kind: str = "Llama", **changes: Any) -> Reader:
    """A model of `transformers` with the weights of seed 0."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    config = getattr(transformers, f"{kind}Config")(**{**SIZES, **changes})
    return Reader(getattr(transformers, f"{kind}ForCausalLM")(config).eval())


def distance(one: Sequence[Layer], other: Sequence[Layer]) -> float:
    """The largest difference of any key or value."""
    return max(
        float((a - b).abs().max()) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True)
    )


BEGINNING = [0]
CHUNKS = [[7, 3, 9, 11, 5], [2, 8, 8, 30], [21, 4, 17, 6, 1, 12]]
TEXT = [*BEGINNING, *(token for chunk in CHUNKS for token in chunk)]


def stored(reader: Reader) -> list[Piece]:
    """The beginning and each chunk read behind it alone."""
    return [reader.piece(BEGINNING), *(reader.piece(c, BEGINNING) for c in CHUNKS)]
