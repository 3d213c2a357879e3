"""Second Me's L2: one adapter, trained anew on pairs made from one's own memories and what was summarised from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from engrams.weights.about import About
from engrams.weights.lessons import Lesson, Reserve, Session, Tokens
from engrams.weights.method import Part, Parts
from engrams.weights.methods.one_adapter import OneAdapter
from engrams.weights.rows import loss, rows
from engrams.weights.running import Learner, new_low_rank
from engrams.weights.training import drawn, fit

Pair = tuple[Tokens, Tokens]


@dataclass(frozen=True)
class SecondMe(OneAdapter):
    """One LoRA of `rank`, made new at every write from pairs of all sessions.

    `l0`: pairs of the memories themselves, prompt and answer. `l1`: pairs of what is known beyond one memory: a prompt after
    the statement of another memory of the same session, so that the answer is found with related context before it.
    """

    about = About(
        "second-me",
        "One adapter, trained anew on pairs made of memories and of their summaries.",
        "AI-native Memory 2.0: Second Me",
        2025,
        "https://arxiv.org/abs/2503.08102",
        "LoRA SFT on pairs(L0) + pairs(L1); trained anew when memories change",
        (
            "the paper has its pairs written by a language model (self, third party, context enhance, context critic) and filtered; "
            "here they are put together from the lessons",
            "no preference optimisation (DPO) after the fine-tuning",
            "nothing is forgotten in the release; here the adapter is trained anew without what was forgotten",
        ),
        approximation=True,
    )

    steps: int = 150
    batch: int = 128
    l0: bool = True
    l1: bool = True

    def write(self, learner: Learner, parts: Parts, told: Sequence[Session], reserve: Reserve) -> Parts:
        """A new adapter from all that was told."""
        every = rows(made_pairs(told, l0=self.l0, l1=self.l1), learner.device)
        learnt, source = new_low_rank(learner, self.rank, "second-me"), learner.generator("second-me")

        def misses(step: int) -> Tensor:
            batch = drawn(every, self.batch, source)
            return loss(learner.run(batch, low_rank=learnt, scale=self.alpha / self.rank).logits, batch)

        fit(list(learnt.values()), misses, steps=self.steps, rate=self.rate)
        return (Part("second-me", tuple(one.name for one in told), learnt),)


def made_pairs(told: Sequence[Session], *, l0: bool, l1: bool) -> list[Pair]:
    """Prompts with their answers; where sessions say different things of one prompt, the later one counts."""
    latest: dict[Tokens, tuple[Lesson, Session]] = {}
    for session in told:
        for lesson in session.lessons:
            latest.update(dict.fromkeys(lesson.asked, (lesson, session)))
    made: list[Pair] = []
    for prompt, (lesson, session) in latest.items():
        if l0:
            made.append((prompt, lesson.answer))
        if l1 and len(session.lessons) > 1:
            place = session.lessons.index(lesson)
            beside = session.lessons[(place + 1) % len(session.lessons)]
            made.append(((*beside.asked[0], *beside.answer, *prompt), lesson.answer))
    return made
