"""How far each token's keys or values lie from what a fresh look at the whole text gives, and going on with the farthest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.reuse.joining import Joined, Layer
from engrams.kv.reuse.passing import Narrow, Passed, recompute

#: What is compared: keys as LMCache does, values as the authors' first code did.
Side = Literal["keys", "values"]
#: Says who goes on: the places int64[n] that were compared and their deviations float[n]; gives rows of the n, ascending.
Choose = Callable[[Tensor, Tensor], Tensor]


def deviations(stale: Layer, fresh: Layer, side: Side) -> Tensor:
    """float[n]: the squared distance of each token, over heads and channels, of keys and values float[H, n, D]."""
    at = 0 if side == "keys" else 1
    return (fresh[at].float() - stale[at].float()).square().sum((0, 2)).cpu()


def compare(
    model: Any, joined: Joined, places: Tensor, side: Side, choose: Mapping[int, Choose], go_on: bool
) -> Passed:
    """Computes tokens in the first layers, and behind a layer of `choose` only those that it chooses.

    Args:
        model: as `recompute` takes it.
        joined: what was composed.
        places: int64[n], ascending: who is computed in the first layers.
        side: what is compared.
        choose: for a layer's number, who goes on behind it.
        go_on: without it the pass ends with the first layer that chooses: it was only a look.

    Raises:
        BadSetting: a layer that the model lacks, or several that choose in a pass that is only a look.
    """
    if min(choose) < 0 or max(choose) >= len(joined.layers):
        raise BadSetting("check_layer", min(choose), f"layers from 0 to {len(joined.layers) - 1}", "compare")
    if not go_on and len(choose) > 1:
        raise BadSetting("filter", len(choose), "one choice where the check layers are not kept", "compare")

    def narrowing(chooses: Choose) -> Narrow:
        def rows(_: int, compared: Tensor, stale: Layer, fresh: Layer) -> Tensor:
            kept = chooses(compared, deviations(stale, fresh, side))
            return kept if go_on else kept[:0]

        return rows

    return recompute(model, joined, places, narrow={layer: narrowing(c) for layer, c in choose.items()})
