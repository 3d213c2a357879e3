"""A draft model at work: it writes ahead of the large one, and takes tokens out of its prompt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache

from engrams.errors import BadSetting
from engrams.kv.attention import look, seen_of
from engrams.kv.policy import Kept, Seen


def ahead(draft: Any, tokens: Sequence[int], count: int) -> tuple[int, ...]:
    """The `count` tokens that a draft model finds likeliest behind `tokens`, one after the other."""
    cache = DynamicCache(config=draft.config)
    told: list[int] = []
    fresh = list(tokens)
    with torch.no_grad():
        for _ in range(count):
            out = draft(input_ids=torch.tensor([fresh], device=draft.device), past_key_values=cache)
            fresh = [int(out.logits[0, -1].argmax())]
            told += fresh
    return tuple(told)


def read_ahead(
    model: Any, tokens: Sequence[int], written: Sequence[int], window: int
) -> tuple[DynamicCache, Seen]:
    """Reads a text and then what a draft wrote behind it: a cache of the text alone, shown with the queries of both.

    Args:
        model: who reads, the large model or the draft itself.
        tokens: the text.
        written: what comes behind it, such as `ahead` gives, or a question.
        window: how many of the text's own last queries are kept besides.

    Raises:
        BadSetting: a window wider than the text.
    """
    if not 0 <= window <= len(tokens):
        raise BadSetting("window", window, f"0 to {len(tokens)}, the tokens read", "read_ahead")
    cache = DynamicCache(config=model.config)
    asked = look(model, [*tokens, *written], cache, window + len(written))
    if written:
        cache.crop(-len(written))
    places = torch.arange(len(tokens) - window, len(tokens) + len(written))
    return cache, seen_of(model, cache, asked, places)


def shortened(tokens: Sequence[int], kept: Kept) -> tuple[int, ...]:
    """The tokens of a prompt that stay, in their order."""
    return tuple(tokens[place] for place in kept.layers[0].index[0].tolist())
