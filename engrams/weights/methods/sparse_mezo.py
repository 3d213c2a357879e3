"""Sparse MeZO: learning by two forward passes, over small weights only; for where memory has no room for gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engrams.weights.about import About
from engrams.weights.lessons import Reserve, Session
from engrams.weights.method import Part, Parts
from engrams.weights.methods.full import FullFineTuning, copied
from engrams.weights.rows import loss
from engrams.weights.running import Learner
from engrams.weights.training import told_rows


@dataclass(frozen=True)
class SparseMezo(FullFineTuning):
    """Weights below the quantile `small` (0..1) of their matrix learn: the loss is looked at `epsilon` along a drawn direction and
    against it, and they move along it by `rate` times the difference.
    """

    about = About(
        "sparse-mezo",
        "No gradients: two forward passes a step, and only small weights move.",
        "Sparse MeZO: Less Parameters for Better Performance in Zeroth-Order LLM Fine-Tuning",
        2024,
        "https://arxiv.org/abs/2402.15751",
        "g = (L(w + e m z) - L(w - e m z)) / 2e, z ~ N(0, 1), m = |w| <= h; w <- w - rate g (m z)",
        (
            "the formula was read, the constants of the experiments were not: rate and steps are ours",
            "the mask is kept for a session; the authors find it anew in each forward pass",
            "it learns little in the steps given here: it saves memory, not time",
        ),
        approximation=True,
    )

    steps: int = 300
    rate: float = 1e-4
    small: float = 0.75
    epsilon: float = 1e-3

    def write(self, learner: Learner, parts: Parts, told: Sequence[Session], reserve: Reserve) -> Parts:
        """A copy of every weight, the small ones moved."""
        own, learnt = told_rows(learner, told[-1:]), copied(learner, parts)
        mask = {name: (one.abs() <= quantile(one, self.small)) for name, one in learnt.items()}
        source = learner.generator("mezo", told[-1].name)

        def moved(by: float, along: dict[str, Tensor]) -> float:
            shifted = {name: one + by * along[name] for name, one in learnt.items()}
            return float(loss(learner.run(own, weights=shifted).logits, own))

        with torch.no_grad():
            for _ in range(self.steps):
                along = {
                    name: torch.randn(one.shape, generator=source).to(one) * mask[name]
                    for name, one in learnt.items()
                }
                slope = (moved(self.epsilon, along) - moved(-self.epsilon, along)) / (2 * self.epsilon)
                for name, one in learnt.items():
                    one.sub_(self.rate * slope * along[name])
        return (Part("all", tuple(one.name for one in told), learnt),)


def quantile(weights: Tensor, share: float) -> float:
    """The magnitude below or at which `share` (0..1) of the weights lie."""
    held = weights.abs().flatten()
    return float(held.kthvalue(max(1, round(share * held.numel()))).values)
