"""Session adapters melted into one: the three ways that `peft` offers most, as rows to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from engrams.errors import BadSetting
from engrams.weights.about import About
from engrams.weights.lessons import Reserve, Session
from engrams.weights.method import Method, Part, Parts
from engrams.weights.methods.session_lora import SessionLora
from engrams.weights.rows import Rows
from engrams.weights.running import DOWN, UP, Learner, Tensors

How = Literal["linear", "cat", "ties"]


@dataclass(frozen=True)
class MergedLora(Method):
    """Adapters that `each` session made, merged with weights of 1 after every write; `density`: what TIES keeps, 0..1."""

    about = About(
        "merged-lora",
        "One LoRA per session, merged into one after each write.",
        "TIES-Merging: Resolving Interference When Merging Models",
        2023,
        "https://arxiv.org/abs/2306.01708",
        "linear: A = sum A_i, B = sum B_i; cat: B A = sum B_i A_i; ties: keep the largest, elect signs, mean of those that agree",
        (
            "a row to compare with; as peft does it, on A and B apart for linear and ties",
            "the scale of the adapters is kept outside of what is merged",
        ),
    )

    how: How = "ties"
    density: float = 0.5
    each: SessionLora = field(default_factory=SessionLora)

    def __post_init__(self) -> None:
        if self.how not in ("linear", "cat", "ties") or not 0 < self.density <= 1:
            raise BadSetting(
                "MergedLora", (self.how, self.density), "'linear', 'cat' or 'ties', density above 0"
            )

    def write(self, learner: Learner, parts: Parts, told: Sequence[Session], reserve: Reserve) -> Parts:
        """The sessions' adapters, kept, and what they merge to, last."""
        own = self.each.write(learner, parts[:-1], told, reserve)
        apart = [{n: t for n, t in one.tensors.items() if n.endswith((DOWN, UP))} for one in own]
        return (*own, Part("merged", tuple(one.name for one in told), merge(apart, self.how, self.density)))

    def logits(self, learner: Learner, parts: Parts, asked: Rows) -> Tensor:
        """The model with the merged adapter on."""
        with torch.no_grad():
            low_rank = parts[-1].tensors if parts else None
            return learner.run(asked, low_rank=low_rank, scale=self.each.alpha / self.each.rank).logits


def merge(adapters: Sequence[Tensors], how: How, density: float = 0.5) -> dict[str, Tensor]:
    """One adapter of several over the same maps, each weighing 1."""
    made = {}
    for name in adapters[0]:
        told = [one[name] for one in adapters]
        if how == "cat":
            made[name] = torch.cat(told, dim=0 if name.endswith(DOWN) else 1)
        elif how == "linear":
            made[name] = torch.stack(told).sum(0)
        else:
            made[name] = ties(told, density)
    return made


def ties(told: Sequence[Tensor], density: float) -> Tensor:
    """Trims each tensor to its `density` largest values, elects for each place the sign of the greater sum, and takes the mean of
    the values that have it.

    Source: Yadav et al. 2023 (TIES-Merging), algorithm 1.
    """
    kept = []
    for one in told:
        count = max(1, int(density * one.numel()))
        least = one.abs().flatten().topk(count).values[-1]
        kept.append(torch.where(one.abs() >= least, one, 0.0))
    stacked = torch.stack(kept)
    elected = torch.sign(stacked.sum(0))
    agree = (torch.sign(stacked) == elected) & (elected != 0)
    return torch.as_tensor((stacked * agree).sum(0) / agree.sum(0).clamp(min=1))
