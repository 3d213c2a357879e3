"""The house's own: an adapter for each session, and a router that asks which of them, if any, a prompt belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from engrams.weights.about import About
from engrams.weights.lessons import Reserve, Session
from engrams.weights.method import Method, Part, Parts
from engrams.weights.routing import KeyRouter
from engrams.weights.rows import Rows, loss
from engrams.weights.running import Learner, new_low_rank
from engrams.weights.training import fit, lesson_rows, mixed, old_rows, told_rows


@dataclass(frozen=True)
class SessionLora(Method):
    """A LoRA of `rank` for each session, scaled by `alpha` / rank, put on only for prompts that `router` finds to be about it.

    `replay`: the share of a session's rows that is drawn from the reserve at each step, so that a prompt that comes to the
    wrong adapter is answered as the base model would.
    """

    about = About(
        "session-lora",
        "One LoRA per session or topic, found by stored keys; nothing else is touched.",
        "LoRA: Low-Rank Adaptation of Large Language Models",
        2021,
        "https://arxiv.org/abs/2106.09685",
        "y = W x + (alpha / r) B_i A_i x, i = argmax_i cos(key(x), keys_i) if that is >= least_i, else y = W x",
        (
            "a session is its own adapter; the router with stored keys is that of GRACE (Hartvigsen et al. 2023), kept simpler",
        ),
    )
    separable = True

    rank: int = 8
    alpha: float = 16.0
    steps: int = 60
    rate: float = 5e-3
    replay: float = 0.5
    router: KeyRouter = field(default_factory=KeyRouter)

    def write(self, learner: Learner, parts: Parts, told: Sequence[Session], reserve: Reserve) -> Parts:
        """The parts before, and one more."""
        session = told[-1]
        own = told_rows(learner, told[-1:])
        known = old_rows(learner, told[-1:], reserve)
        learnt, source = (
            new_low_rank(learner, self.rank, session.name),
            learner.generator("replay", session.name),
        )

        def misses(step: int) -> Tensor:
            batch = mixed(own, known, self.replay, source)
            return loss(learner.run(batch, low_rank=learnt, scale=self.alpha / self.rank).logits, batch)

        fit(list(learnt.values()), misses, steps=self.steps, rate=self.rate)
        found = self.router.fitted(learner, own, lesson_rows(learner, reserve.replayed))
        return (*parts, Part(session.name, (session.name,), {**learnt, **found}))

    def logits(self, learner: Learner, parts: Parts, asked: Rows) -> Tensor:
        """The base model's answer, but for rows that a part is found for."""
        said = learner.known(asked)
        if not parts:
            return said.logits
        at, _ = self.router.route([part.tensors for part in parts], asked, said)
        answer = said.logits.clone()
        with torch.no_grad():
            for place, part in enumerate(parts):
                if bool((at == place).any()):
                    low_rank = {name: one for name, one in part.tensors.items() if ".lora_" in name}
                    there = asked.at(at == place)
                    answer[at == place] = learner.run(
                        there, low_rank=low_rank, scale=self.alpha / self.rank
                    ).logits
        return answer
