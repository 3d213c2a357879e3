"""One loop that all methods learn with, and the rows they learn from."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from engrams.weights.lessons import Lesson, Reserve, Session, pairs
from engrams.weights.rows import Rows, join, rows
from engrams.weights.running import Learner

#: A loss at which nothing is left to learn: each answer has a chance above 99 %.
ENOUGH = 0.01


def fit(
    learnt: Sequence[Tensor],
    loss: Callable[[int], Tensor],
    *,
    steps: int,
    rate: float,
    after: Callable[[int], None] | None = None,
    enough: float = ENOUGH,
) -> int:
    """Turns the knobs `learnt` so that the loss falls; how many steps it took. AdamW without weight decay.

    `loss` is told the step, from 0; `after` runs after each. Ends early once the loss lies below `enough`.
    """
    for one in learnt:
        one.requires_grad_(True)
    optimiser = torch.optim.AdamW(list(learnt), lr=rate, weight_decay=0.0)
    taken = 0
    with torch.enable_grad():
        for step in range(steps):
            taken = step + 1
            value = loss(step)
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            if after is not None:
                with torch.no_grad():
                    after(step)
            if value.item() < enough:
                break
    for one in learnt:
        one.requires_grad_(False)
    return taken


def told_rows(learner: Learner, told: Sequence[Session]) -> Rows:
    """Every prompt of these sessions that is trained on; where two say different things of one prompt, the later one counts."""
    latest = {prompt: answer for one in told for prompt, answer in one.pairs}
    return rows(list(latest.items()), learner.device)


def lesson_rows(learner: Learner, lessons: Sequence[Lesson], *, otherwise: bool = False) -> Rows:
    """The prompts of lessons; with `otherwise`, those that are never trained on."""
    return rows(pairs(lessons, otherwise=otherwise), learner.device)


def drawn(asked: Rows, most: int, source: torch.Generator) -> Rows:
    """At most so many rows, drawn without putting back."""
    if len(asked) <= most:
        return asked
    return asked.at(torch.randperm(len(asked), generator=source)[:most].to(asked.ids.device))


def old_rows(learner: Learner, told: Sequence[Session], reserve: Reserve) -> Rows | None:
    """What a method may replay: rows of the sessions before the last, and of the reserve; None where there are none."""
    before = told_rows(learner, told[:-1]) if len(told) > 1 else None
    known = lesson_rows(learner, reserve.replayed) if reserve.replayed else None
    return join(before, known) if before is not None and known is not None else before or known


def mixed(own: Rows, old: Rows | None, replay: float, source: torch.Generator) -> Rows:
    """The rows with `replay` times as many old ones beside them, drawn anew."""
    if not replay or old is None:
        return own
    return join(own, drawn(old, max(1, round(replay * len(own))), source))
