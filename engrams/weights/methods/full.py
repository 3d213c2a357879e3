"""Full fine-tuning: every weight learns. The row that shows what forgetting is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engrams.weights.about import About
from engrams.weights.lessons import Reserve, Session
from engrams.weights.method import Method, Part, Parts
from engrams.weights.rows import Rows, loss
from engrams.weights.running import Learner
from engrams.weights.training import fit, told_rows


@dataclass(frozen=True)
class FullFineTuning(Method):
    """All weights, taught session after session with nothing replayed."""

    about = About(
        "full-fine-tuning",
        "Every weight learns, session after session.",
        "Catastrophic Interference in Connectionist Networks",
        1989,
        "https://doi.org/10.1016/S0079-7421(08)60536-8",
        "theta <- theta - rate * grad CE(session)",
        ("a row to compare with: it overwrites what the model knew",),
    )

    steps: int = 60
    rate: float = 1e-3

    def write(self, learner: Learner, parts: Parts, told: Sequence[Session], reserve: Reserve) -> Parts:
        """A changed copy of every weight."""
        own, learnt = told_rows(learner, told[-1:]), copied(learner, parts)

        def misses(step: int) -> Tensor:
            return loss(learner.run(own, weights=learnt).logits, own)

        fit(list(learnt.values()), misses, steps=self.steps, rate=self.rate)
        return (Part("all", tuple(one.name for one in told), learnt),)

    def logits(self, learner: Learner, parts: Parts, asked: Rows) -> Tensor:
        """The model with the copies in place of its own weights."""
        with torch.no_grad():
            return learner.run(asked, weights=parts[0].tensors if parts else None).logits


def copied(learner: Learner, parts: Parts) -> dict[str, Tensor]:
    """Copies of all weights as the parts left them; tied ones once."""
    held = parts[0].tensors if parts else dict(learner.model.named_parameters())
    return {name: one.detach().clone() for name, one in held.items()}
