"""Cache-Craft's scores: how much a chunk's cache owes to the chunks before it, and how much of that a new prompt lacks.

Pure functions over sums of attention. Source of all: Cache-Craft, 2025, arXiv 2502.15734, section 3; the equations were read in a
restatement of the paper, not in the paper itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import exp

import torch
from torch import Tensor


@dataclass(frozen=True)
class Contact:
    """What a chunk of n tokens looked at when its cache was made, summed over its tokens and averaged over the heads.

    `prefix`: names of the chunks before it, in order; `lengths`: their tokens. `outside` [layers][chunks before it]: attention
    to each of them; `inside` [layers]: attention within the chunk; `tokens` [n]: each token's attention to all chunks before it,
    averaged over the layers.
    """

    prefix: tuple[str, ...]
    lengths: tuple[int, ...]
    outside: tuple[tuple[float, ...], ...]
    inside: tuple[float, ...]
    tokens: tuple[float, ...]


def attention_to(queries: Tensor, keys: Tensor, places: Tensor, scale: float) -> Tensor:
    """float[n, T]: attention of queries float[G·H, n, D] at int64[n] places to keys float[H, T, D], mean of the heads."""
    heads = keys.shape[0]
    grouped = queries.float().view(heads, -1, *queries.shape[1:])
    logits = torch.einsum("hgnd,htd->hgnt", grouped, keys.float()) * scale
    ahead = torch.arange(keys.shape[1], device=keys.device)[None] > places.to(keys.device)[:, None]
    return logits.masked_fill(ahead, float("-inf")).softmax(-1).mean((0, 1))


def contact(
    attention: Sequence[Tensor],
    span: tuple[int, int],
    before: Sequence[tuple[int, int]],
    names: Sequence[str],
) -> Contact:
    """What the chunk at `span` looked at, from attention float[n, T] of its n tokens in each layer.

    Args:
        attention: for each layer the rows of the chunk's tokens.
        span: the chunk's first place and the one behind its last.
        before: spans of the chunks before it; what lies outside them (a prompt's fixed beginning) counts as neither.
        names: of the chunks before it.
    """
    sums = [[float(layer[:, begin:end].sum()) for begin, end in before] for layer in attention]
    own = [float(layer[:, span[0] : span[1]].sum()) for layer in attention]
    each = torch.zeros(span[1] - span[0])
    for layer in attention:
        for begin, end in before:
            each += layer[:, begin:end].sum(1).cpu()
    return Contact(
        tuple(names),
        tuple(end - begin for begin, end in before),
        tuple(tuple(row) for row in sums),
        tuple(own),
        tuple((each / len(attention)).tolist()),
    )


def context_impact(held: Contact) -> float:
    """CCI, 0.5 … 1: 1 / (1 + e^(-a/b)), a and b attention to others and to itself per pair of tokens, mean of the layers.

    Equations 9 to 11.
    """
    n, layers = len(held.tokens), len(held.inside)
    outside = sum(
        value / (n * length) for row in held.outside for value, length in zip(row, held.lengths, strict=True)
    )
    inside = sum(value / (n * n) for value in held.inside)
    if inside == 0:
        return 1.0 if outside > 0 else 0.5
    return 1.0 / (1.0 + exp(-(outside / layers) / (inside / layers)))


def overlap(held: Contact, prefix: Sequence[str]) -> float:
    """Beta, 0 … 1: the part of its attention to others that went to chunks which stand before it again (equation 6).

    A chunk that was read with none before it owes nothing to others; where others stand before it now, it lacks all of them:
    0. The paper does not say; with none before it now either, 1.
    """
    paid: list[float] = [sum(column) for column in zip(*held.outside, strict=True)]
    total = sum(paid)
    again = set(prefix)
    if total == 0:
        return 0.0 if prefix else 1.0
    return sum(value for name, value in zip(held.prefix, paid, strict=True) if name in again) / total


def disorder(old: Sequence[str], new: Sequence[str]) -> float:
    """Gamma, 0 … 1: of the pairs of chunks in both, the part that stands the other way round (equation 7, Kendall's tau)."""
    common = [name for name in old if name in set(new)]
    place = {name: i for i, name in enumerate(new)}
    pairs = list(combinations(common, 2))
    return sum(place[a] > place[b] for a, b in pairs) / len(pairs) if pairs else 0.0


def fix_overhead(held: Contact, prefix: Sequence[str], alpha: float) -> float:
    """CFO, 0 … 1: alpha · CCI · (1 - beta · (1 - gamma)), the share of the chunk's tokens to compute anew (8 and 12)."""
    kept = overlap(held, prefix) * (1.0 - disorder(held.prefix, prefix))
    return min(1.0, max(0.0, alpha * context_impact(held) * (1.0 - kept)))
