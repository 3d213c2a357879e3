"""DELTA: a few layers look at everything and choose, those behind them look only at what was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.policies.scoring import not_below


@dataclass(frozen=True)
class Delta:
    """Layers before `full` attend to all; those in `choosing` too, and choose; the others attend to the last choice.

    A choice is, for each query, the `share` of the tokens with the highest weight, mean over heads, with `sinks` at the start
    and the `recent` last. Nothing is dropped: it saves work, not memory. Source: Zarch et al., section 3.
    """

    full: int = 2
    choosing: tuple[int, ...] = (2,)
    share: float = 0.25
    sinks: int = 4
    recent: int = 8

    name: ClassVar[str] = "delta"
    paper: ClassVar[str] = (
        "DELTA: Dynamic Layer-Aware Token Attention for Efficient Long-Context Reasoning, 2025 (2510.09883)"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "single tokens are chosen; the paper chooses pages of them",
        "approximation of which layers choose",
    )

    def __post_init__(self) -> None:
        not_below(self.name, 0, full=self.full, sinks=self.sinks)
        not_below(self.name, 1, recent=self.recent)
        if not 0 < self.share <= 1:
            raise BadSetting("share", self.share, "above 0 and at most 1", self.name)
        if not self.choosing or min(self.choosing) < self.full:
            raise BadSetting(
                "choosing", self.choosing, f"layers from {self.full} on, one at least", self.name
            )

    def pass_(self) -> DeltaPass:
        """What one forward pass needs, as `engrams.kv.attention.CHOOSE`."""
        return DeltaPass(self)


class DeltaPass:
    """One forward pass: the choice that stands, and how much was attended to."""

    def __init__(self, policy: Delta) -> None:
        self.policy = policy
        self.chosen: Tensor | None = None
        self.attended = 0.0
        self.able = 0.0

    def __call__(self, layer: int, query: Tensor, key: Tensor, scale: float, able: Tensor) -> Tensor | None:
        """Which places a layer may attend to: bool[B, 1, n, T]; None for all."""
        policy = self.policy
        batch = query.shape[0]
        self.able += batch * float(able.sum())
        if layer < policy.full or layer in policy.choosing or self.chosen is None:
            self.attended += batch * float(able.sum())
            if layer in policy.choosing:
                self.chosen = self._choose(query, key, scale, able)
            return None
        self.attended += float((self.chosen & able).expand(batch, 1, *able.shape).sum())
        return self.chosen

    @property
    def share(self) -> float:
        """Attended places over those that full attention takes, all layers together."""
        return self.attended / self.able

    def _choose(self, query: Tensor, key: Tensor, scale: float, able: Tensor) -> Tensor:
        groups = query.shape[1] // key.shape[1]
        logits = query.float() @ key.float().repeat_interleave(groups, 1).mT * scale
        told = logits.masked_fill(~able, float("-inf")).softmax(-1).mean(1, keepdim=True)
        tokens = key.shape[2]
        count = max(1, int(tokens * self.policy.share))
        chosen = torch.zeros_like(told, dtype=torch.bool).scatter_(-1, told.topk(count).indices, True)
        chosen[..., : self.policy.sinks] = True
        last = able.sum(-1)  # the place behind the last that a query may see
        places = torch.arange(tokens, device=key.device)
        near = (places[None] >= last[:, None] - self.policy.recent) & (places[None] < last[:, None])
        return chosen | near
