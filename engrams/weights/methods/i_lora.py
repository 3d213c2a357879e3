"""I-LoRA: a fast adapter learns, a slow one follows it, and what is replayed keeps the fast one near the slow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engrams.errors import BadSetting
from engrams.weights.about import About
from engrams.weights.lessons import Reserve, Session
from engrams.weights.method import Method, Part, Parts
from engrams.weights.rows import Rows, loss
from engrams.weights.running import Learner, new_low_rank
from engrams.weights.training import drawn, fit, old_rows, told_rows

#: The share of itself that the slow adapter keeps at a step: in the authors' code, and as a slow average is usually set.
RELEASED, SLOW = 0.25, 0.98


@dataclass(frozen=True)
class ILora(Method):
    """A fast LoRA of `rank` learns; after each step t the slow one becomes a·slow + (1 - a)·fast, a = min(1 - 1/(t + 1), `ema`).

    From the second session on each step also learns `replayed` old rows, and `consistency` times the squared distance of the
    fast hidden states from the larger of fast and slow ones. The slow adapter answers.
    """

    about = About(
        "i-lora",
        "A slow adapter follows a fast one; replayed states hold the fast one back.",
        "Analyzing and Reducing Catastrophic Forgetting in Parameter Efficient Tuning",
        2024,
        "https://arxiv.org/abs/2402.18865",
        "slow <- a slow + (1 - a) fast; L = (CE_new + CE_replay) / 2 + w MSE(h_fast, max(h_fast, h_slow))",
        (
            "ema=0.25 is the authors' code; 0.98, a slow average, is selectable",
            "the published trainer calls a function by a name it does not have at the change of tasks, and never reads its "
            "update frequency; this is what it would do",
            "the reserve is replayed as well as earlier sessions",
            "all linear maps of the layers learn, not only those of attention",
        ),
    )

    ema: float = RELEASED
    rank: int = 8
    alpha: float = 32.0
    replayed: int = 32
    consistency: float = 1.0
    steps: int = 60
    rate: float = 5e-3

    def __post_init__(self) -> None:
        if not 0 <= self.ema < 1:
            raise BadSetting("ILora.ema", self.ema, "at least 0 and below 1")

    def write(self, learner: Learner, parts: Parts, told: Sequence[Session], reserve: Reserve) -> Parts:
        """Fast and slow adapter, taught one session more."""
        own, old = told_rows(learner, told[-1:]), old_rows(learner, told, reserve)
        fast, slow = pair(parts) or (new_low_rank(learner, self.rank, "fast"),) * 2
        fast, slow = ({name: one.clone() for name, one in held.items()} for held in (fast, slow))
        source, begun = learner.generator("i-lora", told[-1].name), len(told) > 1
        scale, before = self.alpha / self.rank, int(parts[0].notes["step"]) if parts else 0

        def misses(step: int) -> Tensor:
            fresh = loss(learner.run(own, low_rank=fast, scale=scale).logits, own)
            if old is None:
                return fresh
            batch = drawn(old, self.replayed, source)
            said = learner.run(batch, low_rank=fast, scale=scale, hidden=begun)
            both = (fresh + loss(said.logits, batch)) / 2
            if not begun:
                return both
            with torch.no_grad():
                held = learner.run(batch, low_rank=slow, scale=scale, hidden=True).hidden
            apart = [
                functional.mse_loss(new, torch.maximum(new, kept).detach())
                for new, kept in zip(said.hidden, held, strict=True)
            ]
            return both + self.consistency * torch.stack(apart).mean()

        def follow(step: int) -> None:
            share = min(1.0 - 1.0 / (before + step + 2), self.ema)
            for name, one in fast.items():
                slow[name].mul_(share).add_(one.detach(), alpha=1.0 - share)

        taken = fit(list(fast.values()), misses, steps=self.steps, rate=self.rate, after=follow)
        tensors = {f"fast.{n}": one for n, one in fast.items()} | {
            f"slow.{n}": one for n, one in slow.items()
        }
        return (Part("i-lora", tuple(one.name for one in told), tensors, {"step": before + taken}),)

    def logits(self, learner: Learner, parts: Parts, asked: Rows) -> Tensor:
        """The model with the slow adapter on."""
        held = pair(parts)
        with torch.no_grad():
            return learner.run(asked, low_rank=held[1] if held else None, scale=self.alpha / self.rank).logits


def pair(parts: Parts) -> tuple[dict[str, Tensor], dict[str, Tensor]] | None:
    """The fast and the slow adapter; None before the first session."""
    if not parts:
        return None
    told = parts[0].tensors
    fast, slow = (
        {name.removeprefix(which): one for name, one in told.items() if name.startswith(which)}
        for which in ("fast.", "slow.")
    )
    return fast, slow
