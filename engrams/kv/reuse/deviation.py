"""How far each token's keys or values lie from what a fresh look at the whole text gives, and going on with the farthest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.reuse.joining import Joined, Layer
from engrams.kv.reuse.method import Reused, inexact, reused
from engrams.kv.reuse.passing import Narrow, recompute

#: What is compared: keys as LMCache does, values as the authors' first code did.
Side = Literal["keys", "values"]
#: Says who goes on: the places int64[n] that were compared and their deviations float[n]; gives rows of the n, ascending.
Choose = Callable[[Tensor, Tensor], Tensor]


def deviations(stale: Layer, fresh: Layer, side: Side) -> Tensor:
    """float[n]: the squared distance of each token, over heads and channels, of keys and values float[H, n, D]."""
    at = 0 if side == "keys" else 1
    return (fresh[at].float() - stale[at].float()).square().sum((0, 2)).cpu()


def compare(
    name: str, model: Any, joined: Joined, side: Side, choose: Mapping[int, Choose], keep: bool
) -> Reused:
    """Computes all tokens that are not exact in the first layers, and behind a layer of `choose` only those it chooses.

    Args:
        name: of the method, for its report.
        model: as `recompute` takes it.
        joined: what was composed.
        side: what is compared.
        choose: for a layer's number, who goes on behind it; the first of them is the check layer, whose mean deviation over
            each piece stands in the report.
        keep: the layers up to the check layer stay fresh for all tokens. Without it one layer may choose, and a second pass
            computes the chosen tokens from the first layer on.

    Raises:
        BadSetting: a check layer that the model lacks, or several layers that choose without `keep`.
    """
    check = min(choose)
    if check < 0 or max(choose) >= len(joined.layers):
        raise BadSetting(
            "check_layer", check, f"a layer below {len(joined.layers)}, with all that choose", name
        )
    if not keep and len(choose) > 1:
        raise BadSetting("filter", len(choose), "one choice where the check layers are not kept", name)
    found = torch.zeros(len(joined.tokens))
    chosen: dict[int, Tensor] = {}

    def narrowing(go_on: Choose) -> Narrow:
        def rows(layer: int, places: Tensor, stale: Layer, fresh: Layer) -> Tensor:
            scores = deviations(stale, fresh, side)
            if layer == check:
                found[places] = scores
            kept = go_on(places, scores)
            chosen[layer] = places[kept]
            return kept if keep else kept[:0]

        return rows

    narrow = {layer: narrowing(go_on) for layer, go_on in choose.items()}
    first = recompute(model, joined, inexact(joined), narrow=narrow)
    pieces = tuple(float(found[begin:end].mean()) for begin, end in joined.spans)
    if keep:
        return reused(name, joined, first, pieces=pieces)
    second = recompute(model, joined, chosen.get(check, inexact(joined)[:0]))
    return reused(name, joined, second, first, pieces)
