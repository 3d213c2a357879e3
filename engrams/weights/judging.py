"""What a write did: whether it is known, in other words too, and whether anything else changed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from engrams.errors import BadSetting
from engrams.weights.lessons import Lesson, Reserve, Session
from engrams.weights.rows import IGNORED, Rows, right, texts
from engrams.weights.running import Learner
from engrams.weights.training import lesson_rows

Speak = Callable[[Rows], Tensor]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a write must reach, or it is taken back; None: not asked for.

    `reliability`, `generality`, `locality`, `earlier`: least shares, 0..1. `drift`: most nats a token.
    """

    reliability: float | None = 0.95
    generality: float | None = None
    locality: float | None = 0.98
    earlier: float | None = 0.95
    drift: float | None = 0.05

    def __post_init__(self) -> None:
        for name in ("reliability", "generality", "locality", "earlier"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise BadSetting(f"Limits.{name}", value, "a share from 0 to 1, or None")
        if self.drift is not None and self.drift < 0:
            raise BadSetting("Limits.drift", self.drift, "nats a token from 0, or None")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a session is held. None where there was nothing to judge by.

    `reliability`: the share of its prompts that are answered right; `generality`: of those never trained on; `locality`: of held
    lessons of the reserve that are answered as the base model answers them; `earlier`: of prompts of sessions before it that
    are answered right; `drift`: how far the chances of the next token moved on unrelated texts, mean Kullback-Leibler
    divergence from the base model in nats a token. `kept`: False when the write was taken back, and `why`.
    """

    session: str
    reliability: float
    generality: float | None
    locality: float | None
    earlier: float | None
    drift: float | None
    kept: bool = True
    why: tuple[str, ...] = ()


def judge(
    learner: Learner, speak: Speak, told: Sequence[Session], reserve: Reserve, limits: Limits
) -> Verdict:
    """Judges the last of `told`; `speak` gives logits float[n, t, V] for rows as the memory now answers."""
    session, free = told[-1], reserve.without(told)
    # What a later session says anew is no fault of an earlier one.
    anew = {prompt for lesson in session.lessons for prompt in lesson.asked}
    before = [lesson for one in told[:-1] for lesson in one.lessons if anew.isdisjoint(lesson.asked)]
    verdict = Verdict(
        session.name,
        known(learner, speak, session.lessons) or 0.0,
        known(learner, speak, session.lessons, otherwise=True),
        unchanged(learner, speak, free.held),
        known(learner, speak, before),
        drift(learner, speak, reserve),
    )
    why = tuple(failures(verdict, limits))
    return replace(verdict, kept=not why, why=why)


def failures(verdict: Verdict, limits: Limits) -> list[str]:
    """What a verdict does not reach, in words."""
    found = []
    for name in ("reliability", "generality", "locality", "earlier"):
        value, least = getattr(verdict, name), getattr(limits, name)
        if value is not None and least is not None and value < least:
            found.append(f"{name} {value:.3f} is below {least:g}")
    if verdict.drift is not None and limits.drift is not None and verdict.drift > limits.drift:
        found.append(f"drift {verdict.drift:.3f} is above {limits.drift:g} nats a token")
    return found


def known(
    learner: Learner, speak: Speak, lessons: Sequence[Lesson], *, otherwise: bool = False
) -> float | None:
    """The share of prompts that are answered right; None without any."""
    asked = lesson_rows(learner, lessons, otherwise=otherwise)
    return float(right(speak(asked), asked).float().mean()) if len(asked) else None


def unchanged(learner: Learner, speak: Speak, lessons: Sequence[Lesson]) -> float | None:
    """The share of prompts, written and other ways, after which the likeliest tokens are the base model's; None without any."""
    told = [Lesson((*one.asked, *one.otherwise), one.answer) for one in lessons]
    asked = lesson_rows(learner, told)
    if not len(asked):
        return None
    said = learner.known(asked).logits
    same = (said[:, :-1].argmax(-1) == speak(asked)[:, :-1].argmax(-1)) | (asked.labels[:, 1:] == IGNORED)
    return float(same.all(-1).float().mean())


def drift(learner: Learner, speak: Speak, reserve: Reserve) -> float | None:
    """Mean Kullback-Leibler divergence of the answers on unrelated texts from the base model's, nats a token; None without any."""
    asked = texts(reserve.texts, learner.device)
    if not len(asked):
        return None
    with torch.no_grad():
        base = functional.log_softmax(learner.known(asked).logits[:, :-1].float(), dim=-1)
        now = functional.log_softmax(speak(asked)[:, :-1].float(), dim=-1)
        apart = functional.kl_div(now, base, log_target=True, reduction="none").sum(-1)
        counts = asked.labels[:, 1:] != IGNORED
        return max(0.0, float(apart[counts].mean()))
