"""Attention-Gate: a small trained gate says of each token and head whether it will be needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.policies.scoring import by_score
from engrams.kv.policy import Kept, Seen
from engrams.kv.rotary import Rotary

#: Below this no weight is told from another in the gate's target.
FLOOR = 1e-4


@dataclass(frozen=True, eq=False)
class AttentionGate:
    """Score of a token: a gate's answer to its key (turned back to position 0) and value, one gate for each layer and head.

    `gates` float[L, H, 2D + 1], from `train`; the last is the offset. Tokens with the widest gates stay. Source: Zeng et al.,
    section 3.
    """

    gates: Tensor

    name: ClassVar[str] = "attention-gate"
    paper: ClassVar[str] = "In-context KV-Cache Eviction for LLMs via Attention-Gate, 2024 (2410.12876)"
    differs: ClassVar[tuple[str, ...]] = (
        "a linear gate on what a head stores of a token; the paper's looks at the whole text through attention of its own",
        "trained alone, by least squares, on what later questions attended to; the paper trains it within the model",
        "the budget cuts the ranking; the paper drops what is under a threshold",
    )

    def queries(self, tokens: int) -> int:
        """None."""
        return 0

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """Each head's own tokens.

        Raises:
            BadSetting: gates of another model.
        """
        wanted = (len(seen.layers), seen.heads, 2 * int(seen.layers[0].keys.shape[-1]) + 1)
        if tuple(self.gates.shape) != wanted:
            raise BadSetting(
                "gates", tuple(self.gates.shape), f"{wanted}, as the model's layers and heads", self.name
            )
        told = [
            torch.einsum("htx,hx->ht", inputs(seen, layer), self.gates[layer].to(seen.positions.device))
            for layer in range(len(seen.layers))
        ]
        return by_score(told, seen, budget)


def inputs(seen: Seen, layer: int) -> Tensor:
    """What a gate sees of each token: float[H, T, 2D + 1], key before rotation, value, 1."""
    held = seen.layers[layer]
    keys = Rotary(seen.frequencies).move(held.keys.float(), seen.positions, torch.zeros_like(seen.positions))
    return torch.cat((keys, held.values.float(), torch.ones_like(keys[..., :1])), -1)


def train(texts: Sequence[Seen], needed: Sequence[Sequence[Tensor]], ridge: float = 1e-2) -> AttentionGate:
    """Gates for what was needed of other texts: least squares on log(weight), with `ridge` times the mean square on the weights.

    Args:
        texts: at least one cache.
        needed: for each text and layer float[H, T], the largest weight that a later question put on each token.
    """
    layers = []
    for layer in range(len(texts[0].layers)):
        seen = torch.cat([inputs(text, layer) for text in texts], 1)
        wanted = torch.cat([told[layer] for told in needed], 1).clamp(min=FLOOR).log()
        squares = seen.mT @ seen
        level = ridge * squares.diagonal(dim1=-2, dim2=-1).mean(-1)
        damped = squares + level[:, None, None] * torch.eye(squares.shape[-1])
        layers.append(torch.linalg.solve(damped, (seen.mT @ wanted[..., None]))[..., 0])
    return AttentionGate(torch.stack(layers))
