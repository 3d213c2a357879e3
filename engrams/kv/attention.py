"""Attention over caches whose layers and heads hold different numbers of tokens, and a look at what is asked of them.

A padded place, or a stand-in for many tokens, is told by a bias that is added to its logit. The bias travels as one more
channel of the key, which the attention function here meets with a constant in the query. So nothing is kept beside the
tensors, each layer brings its own, and any other attention function refuses such keys by their width instead of attending
to padding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache

from engrams.errors import BadSetting
from engrams.kv.policy import Seen, SeenLayer
from engrams.kv.rotary import Rotary

#: What transformers knows the attention function by.
NAME = "engrams-ragged"
#: The keyword argument of a model's forward pass that hands over a `Watch`.
WATCH = "engrams_watch"
#: Told of each layer: its number, queries float[B, G·H, n, D], keys and values float[B, H, T, D], the scale of the logits.
Watch = Callable[[int, Tensor, Tensor, Tensor, float], None]
#: The keyword argument that hands over a `Choose`.
CHOOSE = "engrams_choose"
#: Asked at each layer which places may be attended to: its number, queries, keys and scale as above, and which places could be
#: at all, bool[n, T]. Answers with bool[B or 1, 1, n, T] or None for all of them.
Choose = Callable[[int, Tensor, Tensor, float, Tensor], Tensor | None]


@contextmanager
def ragged(model: Any) -> Iterator[None]:
    """Within, `model` attends with the function here: over ragged caches, and over common ones as it always does.

    Raises:
        BadSetting: a 2-D mask with padding is given within, or a model whose mask is more than causal (a sliding window).
    """
    before = model.config._attn_implementation
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, _no_mask)
    model.set_attn_implementation(NAME)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention of query float[B, G·H, n, D] to key float[B, H, T, D or D + 1] and value float[B, H, T, D].

    The last n of T places are the queries' own and causal among themselves. Where the key has one channel more than the query,
    that channel is added to the logits as it is. A mask float or bool[B, 1, n, T] replaces causality. Result:
    float[B, n, G·H, D], as transformers wants it.
    """
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    asked, held = query.shape[2], key.shape[2]
    plain = key[..., : query.shape[-1]]
    watch: Watch | None = kwargs.get(WATCH)
    if watch is not None:
        watch(module.layer_idx, query, plain, value, scale)
    mask = attention_mask
    choose: Choose | None = kwargs.get(CHOOSE)
    if mask is None and (asked > 1 or choose is not None):
        mask = torch.ones(asked, held, dtype=torch.bool, device=query.device).tril(held - asked)
        chosen = None if choose is None else choose(module.layer_idx, query, plain, scale, mask)
        mask = mask if chosen is None else mask & chosen
    if key.shape[-1] == query.shape[-1] + 1:
        one = query.new_full((*query.shape[:-1], 1), 1 / scale)
        query = torch.cat((query, one), -1)
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    out = scaled_dot_product_attention(
        query, key, value, mask, dropout if module.training else 0.0, scale=scale
    )
    return out.transpose(1, 2).contiguous(), None


def _no_mask(*args: Any, attention_mask: Tensor | None = None, config: Any = None, **kwargs: Any) -> None:
    if attention_mask is not None and not bool(attention_mask.all()):
        raise BadSetting(
            "attention_mask",
            "a mask with padding",
            "texts without padding, or a mask of four dimensions",
            NAME,
        )
    if getattr(config, "sliding_window", None):
        raise BadSetting("model", f"a sliding window of {config.sliding_window}", "full attention", NAME)


def read(model: Any, tokens: Sequence[int], queries: int) -> tuple[DynamicCache, Seen]:
    """Reads a text and keeps the cache with the last `queries` queries of every layer: what a policy is shown.

    Raises:
        BadSetting: more queries than tokens, or rotary positions that no policy can work with.
    """
    if not 0 <= queries <= len(tokens):
        raise BadSetting("queries", queries, f"0 to {len(tokens)}, the tokens read", "read")
    cache = DynamicCache(config=model.config)
    asked = look(model, tokens, cache, queries)
    return cache, seen_of(model, cache, asked, torch.arange(len(tokens) - queries, len(tokens)))


def look(model: Any, tokens: Sequence[int], cache: Any, queries: int, first: int = 0) -> tuple[Tensor, ...]:
    """Runs `tokens` from position `first` on behind a cache, which grows by them; the last `queries` queries of each layer.

    Float[G·H, queries, D] each, rotated.
    """
    asked: dict[int, Tensor] = {}

    def watch(layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> None:
        asked[layer] = query[0, :, query.shape[2] - queries :].detach().clone()

    ids = torch.tensor([list(tokens)], device=model.device)
    places = torch.arange(first, first + len(tokens), device=model.device)[None]
    with torch.no_grad(), ragged(model):
        model.base_model(input_ids=ids, past_key_values=cache, position_ids=places, **{WATCH: watch})
    return tuple(asked[layer] for layer in sorted(asked))


def seen_of(
    model: Any, cache: Any, asked: Sequence[Tensor], at: Tensor, positions: Tensor | None = None
) -> Seen:
    """A common cache of one text and queries at positions `at`, as a policy is shown them; `positions`: 0, 1, … unless told."""
    layers = tuple(
        SeenLayer(layer.keys[0], layer.values[0], queries)
        for layer, queries in zip(cache.layers, asked, strict=True)
    )
    held = torch.arange(layers[0].keys.shape[1]) if positions is None else positions
    device = layers[0].keys.device
    return Seen(layers, held.to(device), at.to(device), Rotary.of(model).frequencies.to(device))
