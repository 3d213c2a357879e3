"""Looking on while a model attends: a registered attention function that tells its caller each layer's queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

#: What transformers knows the function by.
NAME = "engrams-watched"
#: Told of each layer: its number, queries float[G·H, n, D] and keys float[H, T, D], rotated, and the scale of their products.
Watch = Callable[[int, Tensor, Tensor, float], None]


def _watched(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> Any:
    watch: Watch | None = kwargs.pop("engrams_watch", None)
    if watch is not None:
        watch(module.layer_idx, query[0], key[0], float(kwargs["scaling"]))
    return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)


@contextmanager
def watched(model: Any) -> Iterator[None]:
    """Lets calls of `model` that hand on `engrams_watch=…` be told; other calls meanwhile get torch's own attention."""
    before = model.config._attn_implementation
    AttentionInterface.register(NAME, _watched)
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)
