"""One adapter for everything: how personal adapters are mostly made today, with and without replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engrams.weights.about import About
from engrams.weights.lessons import Reserve, Session
from engrams.weights.method import Method, Part, Parts
from engrams.weights.rows import Rows, loss
from engrams.weights.running import Learner, new_low_rank
from engrams.weights.training import fit, mixed, old_rows, told_rows


@dataclass(frozen=True)
class OneAdapter(Method):
    """One LoRA of `rank`, scaled by `alpha` / rank, that learns session after session; `replay`: the share of a session's rows that
    is drawn from earlier sessions and the reserve and learnt along with it at each step (0: none).
    """

    about = About(
        "one-lora",
        "One LoRA, written session after session.",
        "LoRA: Low-Rank Adaptation of Large Language Models",
        2021,
        "https://arxiv.org/abs/2106.09685",
        "y = W x + (alpha / r) B A x; minimise the cross-entropy of the session's answers",
        (
            "a row to compare with: each session overwrites the one before",
            "replay > 0 trains on earlier sessions too",
        ),
    )

    rank: int = 8
    alpha: float = 16.0
    steps: int = 60
    rate: float = 5e-3
    replay: float = 0.0

    def write(self, learner: Learner, parts: Parts, told: Sequence[Session], reserve: Reserve) -> Parts:
        """The same adapter, taught one session more."""
        own = told_rows(learner, told[-1:])
        held = dict(parts[0].tensors) if parts else new_low_rank(learner, self.rank, "one")
        learnt = {name: one.clone() for name, one in held.items()}
        old, source = old_rows(learner, told, reserve), learner.generator("one", told[-1].name)

        def misses(step: int) -> Tensor:
            batch = mixed(own, old, self.replay, source)
            return loss(learner.run(batch, low_rank=learnt, scale=self.alpha / self.rank).logits, batch)

        fit(list(learnt.values()), misses, steps=self.steps, rate=self.rate)
        return (Part("one", tuple(one.name for one in told), learnt),)

    def logits(self, learner: Learner, parts: Parts, asked: Rows) -> Tensor:
        """The model with the adapter on."""
        with torch.no_grad():
            low_rank = parts[0].tensors if parts else None
            return learner.run(asked, low_rank=low_rank, scale=self.alpha / self.rank).logits
