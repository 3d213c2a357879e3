"""Writing with a cache that stays small: every so many tokens some are given up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from engrams.errors import BadSetting
from engrams.kv.attention import WATCH, ragged
from engrams.kv.policies.lazy_eviction import LazyEviction, Recurrence
from engrams.kv.policies.scoring import first
from engrams.kv.policy import best


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote, and how many tokens a head held at most while it did."""

    tokens: tuple[int, ...]
    most_held: int


def write(model: Any, text: Sequence[int], count: int, policy: LazyEviction, most: int) -> Written:
    """Writes `count` tokens behind a text, the likeliest each time; every `policy.window` steps heads come down to `most` tokens.

    Raises:
        BadSetting: `most` does not go beyond the window that always stays.
    """
    if most <= policy.window:
        raise BadSetting("most", most, f"more than the window of {policy.window}", policy.name)
    cache = DynamicCache(config=model.config)
    known: dict[int, Recurrence] = {}
    now = 0

    def watch(layer: int, query: Tensor, key: Tensor, value: Tensor, scale: float) -> None:
        heads = key.shape[1]
        queries = query[0].reshape(heads, -1, *query.shape[2:])
        told = torch.einsum("hgwd,htd->hgwt", queries.float(), key[0].float()) * scale
        asked, held = told.shape[2:]
        later = torch.ones(asked, held, device=told.device, dtype=torch.bool).triu(held - asked + 1)
        told = told.masked_fill(later, float("-inf")).softmax(-1).mean(1)
        before = known.get(layer, Recurrence(told.new_zeros(heads, 0), told.new_zeros(heads, 0)))
        for row in range(asked):
            step = now + row
            before = before.observed(told[:, row, : held - asked + row + 1], step, policy.alpha)
        known[layer] = before

    fresh, written, most_held = list(text), [], 0
    with torch.no_grad(), ragged(model):
        for step in range(count):
            at = torch.arange(now, now + len(fresh), device=model.device)[None]
            ids = torch.tensor([fresh], device=model.device)
            out = model(input_ids=ids, past_key_values=cache, position_ids=at, **{WATCH: watch})
            now += len(fresh)
            most_held = max(most_held, int(cache.layers[0].keys.shape[2]))
            fresh = [int(out.logits[0, -1].argmax())]
            written += fresh
            if step % policy.window == 0:
                known = _given_up(cache, known, policy, most, now - 1)
    return Written(tuple(written), most_held)


def _given_up(
    cache: Any, known: dict[int, Recurrence], policy: LazyEviction, most: int, step: int
) -> dict[int, Recurrence]:
    """Takes from every layer what is over `most`, and forgets what was known of it."""
    left = {}
    for layer, held in enumerate(cache.layers):
        tokens = int(held.keys.shape[2])
        if tokens <= most:
            left[layer] = known[layer]
            continue
        recent = torch.arange(tokens, device=held.keys.device) >= tokens - policy.window
        places = torch.stack(best(first(policy.score(known[layer], step), recent), most))
        pick = places[None, :, :, None].expand(-1, -1, -1, held.keys.shape[-1])
        held.keys, held.values = held.keys.gather(2, pick), held.values.gather(2, pick)
        left[layer] = known[layer].of(places)
    return left
