"""Which part a prompt belongs to: keys of what was written, stored beside it, and how near a prompt must come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engrams.errors import BadSetting
from engrams.weights.rows import Rows
from engrams.weights.running import Answer, Learner

#: A prompt is taken for a foreign one at least up to here: with an empty reserve nothing is known of those.
LOWEST = 0.8
#: How far cosines of one and the same key may lie apart by rounding.
SAME = 1e-4
#: Names of what a part keeps.
KEYS, LEAST = "router.keys", "router.least"


def states(said: Answer, asked: Rows, depth: float) -> Tensor:
    """float[n, D] of length 1: the hidden state of each prompt's last token behind `depth` (0..1) of the layers."""
    at_depth = said.hidden[round(depth * (len(said.hidden) - 1))].float()
    return functional.normalize(
        at_depth[torch.arange(len(asked), device=asked.ids.device), asked.last], dim=-1
    )


@dataclass(frozen=True)
class KeyRouter:
    """Sends a prompt to the part whose stored key is nearest, if near enough; else to the base model.

    A key is the hidden state of a prompt's last token in the base model, behind `depth` (0..1) of its layers. The threshold lies
    at `margin` (0..1) of the way from the nearest prompt of the reserve to the key itself.

    Source: the key store of GRACE (Hartvigsen et al. 2023), whose radius grows and splits by labels instead.
    """

    depth: float = 0.5
    margin: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.depth <= 1 or not 0 < self.margin <= 1:
            raise BadSetting(
                "KeyRouter", (self.depth, self.margin), "depth from 0 to 1, margin above 0 and up to 1"
            )

    def fitted(self, learner: Learner, own: Rows, reserve: Rows) -> dict[str, Tensor]:
        """What a part keeps to be found again: the keys of its rows, float[m, D], and the threshold, float[1]."""
        keys = states(learner.known(own), own, self.depth)
        foreign = states(learner.known(reserve), reserve, self.depth) if len(reserve) else keys[:0]
        return {KEYS: keys, LEAST: self.threshold(keys, foreign)[None]}

    def threshold(self, keys: Tensor, foreign: Tensor) -> Tensor:
        """float[]: the cosine from which a prompt belongs to these keys; `keys` float[m, D], `foreign` float[f, D]."""
        near = max(float((foreign @ keys.mT).max()) if len(foreign) else LOWEST, LOWEST)
        return torch.tensor(min(near + self.margin * (1.0 - near), 1.0 - SAME))

    def route(
        self, stored: Sequence[Mapping[str, Tensor]], asked: Rows, said: Answer
    ) -> tuple[Tensor, Tensor]:
        """For each row the place in `stored` of its part, int64[n], -1 where none is near; and the cosine, float[n].

        `said`: the base model's answer with its hidden states. Of parts whose nearest keys are equally near (within `SAME`)
        the later one has it: it was told last.
        """
        keys = states(said, asked, self.depth)
        at = torch.full((len(asked),), -1, dtype=torch.long, device=keys.device)
        best = torch.full((len(asked),), -1.0, device=keys.device)
        for place, kept in enumerate(stored):
            near = (keys @ kept[KEYS].to(keys.device).mT).amax(1)
            better = (near >= kept[LEAST].to(keys.device)) & (near >= best - SAME)
            at[better], best[better] = place, near[better]
        return at, best
