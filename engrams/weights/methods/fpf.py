"""Forgetting prioritised fine-tuning: after a session, only the modules that changed most learn again, from a small buffer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from engrams.weights.about import About
from engrams.weights.lessons import Reserve, Session
from engrams.weights.method import Part, Parts
from engrams.weights.methods.full import FullFineTuning, copied
from engrams.weights.rows import join, loss
from engrams.weights.running import Learner
from engrams.weights.training import drawn, fit, old_rows, told_rows


@dataclass(frozen=True)
class Fpf(FullFineTuning):
    """Full fine-tuning on the session; then the `modules` (0..1, share of them) whose weights changed most learn `again` steps from
    `buffer` rows of all sessions and the reserve, and the others stand still.
    """

    about = About(
        "fpf",
        "After each session only the modules that change most are taught again, from a buffer.",
        "Does Continual Learning Equally Forget All Parameters?",
        2023,
        "https://arxiv.org/abs/2304.04158",
        "change_l = mean |w_l(after) - w_l(before)|; fine-tune argtop change on the buffer at the end of a session",
        (
            "the abstract was read, not the paper: the measure of change is the mean absolute difference of a session",
            "the paper's modules are those of residual networks for images; here they are the weights of a transformer",
            "the form k-fpf, triggered k times during training, is not offered",
        ),
        approximation=True,
    )

    steps: int = 60
    rate: float = 1e-3
    modules: float = 0.25
    buffer: int = 128
    again: int = 60
    again_rate: float = 5e-3

    def write(self, learner: Learner, parts: Parts, told: Sequence[Session], reserve: Reserve) -> Parts:
        """A changed copy of every weight."""
        before = copied(learner, parts)
        (after,) = super().write(learner, parts, told, reserve)
        learnt = dict(after.tensors)
        names = most_changed(before, learnt, self.modules)
        own, old = told_rows(learner, told[-1:]), old_rows(learner, told, reserve)
        source = learner.generator("fpf", told[-1].name)

        def misses(step: int) -> Tensor:
            batch = own if old is None else join(own, drawn(old, self.buffer, source))
            return loss(learner.run(batch, weights=learnt).logits, batch)

        fit([learnt[name] for name in names], misses, steps=self.again, rate=self.again_rate)
        return (Part("all", after.sessions, learnt, {"modules": names}),)


def most_changed(before: dict[str, Tensor], after: dict[str, Tensor], share: float) -> list[str]:
    """The names of the `share` (0..1) of weights with the greatest mean absolute change, greatest first; at least one."""
    change = {name: float((after[name] - one).abs().mean()) for name, one in before.items()}
    return sorted(change, key=lambda name: -change[name])[: max(1, round(share * len(change)))]
