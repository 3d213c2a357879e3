"""What several policies take from queries and keys: weights of attention, how they are smoothed, which heads share a budget."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d

from engrams.errors import BadSetting
from engrams.kv.policy import Kept, KeptLayer, Seen, all_of, best, tokens_of


def logits(seen: Seen, layer: int) -> Tensor:
    """Scaled products of queries and keys of a layer, float[H, G, W, T]; -inf where the key is later than the query."""
    held = seen.layers[layer]
    heads, _, width = held.keys.shape
    queries = held.queries.reshape(heads, -1, held.queries.shape[1], width)
    products = torch.einsum("hgwd,htd->hgwt", queries.float(), held.keys.float()) * width**-0.5
    later = seen.positions[None, :] > seen.asked[:, None]
    return products.masked_fill(later, float("-inf"))


def weights(seen: Seen, layer: int) -> Tensor:
    """What the queries of a layer attend to: float[H, G, W, T], each query's weights with sum 1."""
    return logits(seen, layer).softmax(-1)


def smooth(scores: Tensor, kernel: int) -> Tensor:
    """Mean of each score float[..., T] and its neighbours, `kernel` in all; beyond the ends stand zeros, as SnapKV has it."""
    if not scores.shape[-1]:
        return scores
    flat = scores.reshape(-1, 1, scores.shape[-1])
    return avg_pool1d(flat, kernel, stride=1, padding=kernel // 2).reshape(scores.shape)


def observed(seen: Seen) -> Tensor:
    """Which tokens of the cache are themselves among those that asked: bool[T]. A window keeps these whatever it attends to."""
    return torch.isin(seen.positions, seen.asked)


def first(scores: Tensor, held: Tensor) -> Tensor:
    """Scores float[..., T] in which the places `held` bool[T] come before all others."""
    return scores.masked_fill(held, float("inf"))


def looked_at(seen: Seen, layer: int, kernel: int) -> Tensor:
    """Mean weight of the queries on each token, smoothed, mean over a group's heads: float[H, T]; inf for tokens that asked.

    Smoothed among the other tokens only: what stands in the window would lift its neighbours.
    """
    held = observed(seen)
    mean = weights(seen, layer).mean(2)
    mean[..., ~held] = smooth(mean[..., ~held], kernel)
    return first(mean.mean(1), held)


def odd(origin: str, kernel: int) -> None:
    """Raises BadSetting for a kernel that has no middle."""
    if kernel < 1 or kernel % 2 == 0:
        raise BadSetting("kernel", kernel, "an odd number, the token and as many on either side", origin)


def by_score(scores: Sequence[Tensor], seen: Seen, budget: float) -> Kept:
    """The same number of tokens for every head, each head's best: scores float[H, T] for each layer."""
    count = tokens_of(seen, budget)
    return Kept(tuple(KeptLayer(best(layer, count)) for layer in scores), tuple(scores))


def ends(seen: Seen, sinks: int, recent: int) -> Tensor:
    """The first `sinks` and the last `recent` places: int64, ascending, each once."""
    every = all_of(seen)
    return every[(every < sinks) | (every >= seen.tokens - recent)]


def whole_heads(scores: Tensor, seen: Seen, budget: float, short: int, most: float = 1.0) -> Tensor:
    """Which heads keep everything when the others keep `short` tokens each: bool[L, H], the best of scores float[L, H].

    As many as the budget allows, and at most the share `most` of all heads.

    Raises:
        BadSetting: a budget under what the short heads alone take.
    """
    tokens_of(seen, budget)  # its range
    heads = scores.numel()
    short = min(short, seen.tokens)
    spare = budget * seen.tokens - short
    if spare < -1e-9:
        raise BadSetting(
            "budget",
            budget,
            f"at least {short / seen.tokens:.3f}: {short} of {seen.tokens} tokens in every head",
            "compress",
        )
    long = seen.tokens - short
    count = heads if long == 0 else floor(heads * spare / long + 1e-9)
    count = min(count, floor(heads * most + 1e-9))
    chosen = torch.zeros(heads, dtype=torch.bool)
    chosen[torch.sort(scores.flatten(), descending=True, stable=True).indices[:count]] = True
    return chosen.reshape(scores.shape)


def not_below(origin: str, lowest: int, **values: int) -> None:
    """Raises BadSetting for the first of the values that is under `lowest`."""
    for name, value in values.items():
        if value < lowest:
            raise BadSetting(name, value, f"{lowest} or more", origin)
