"""Which contexts and questions are put, the same for every policy and for kvpress."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from engrams_bench.kv.tasks import TASKS, Question, Sample

#: Three draws, apart from those of training (0) and of calibration.
SEEDS = (101, 102, 103)
#: Contexts of each task in one draw, and questions put to each: in facts one of four is local.
CONTEXTS = {"facts": 24, "recall": 6, "retrieval": 6}
QUESTIONS, LOCAL = 4, 1


@dataclass(frozen=True, slots=True)
class Asked:
    """One context and what is asked of it."""

    seed: int
    number: int
    sample: Sample
    questions: tuple[Question, ...]


def drawn(seeds: Sequence[int] = SEEDS, part: float = 1.0) -> Iterator[Asked]:
    """All contexts in their order; `part` of them for a quick look."""
    for seed in seeds:
        rng, number = Random(seed), 0
        for task, count in CONTEXTS.items():
            for at in range(count):
                sample = TASKS[task](rng)
                questions = _questions(rng, sample)
                if at < max(1, round(part * count)):
                    yield Asked(seed, number, sample, questions)
                number += 1


def _questions(rng: Random, sample: Sample) -> tuple[Question, ...]:
    deep = [question for question in sample.questions if question.depth]
    if not deep:
        return tuple(rng.sample(sample.questions, QUESTIONS))
    local = [question for question in sample.questions if not question.depth]
    return (*rng.sample(local, LOCAL), *rng.sample(deep, QUESTIONS - LOCAL))


def described(asked: Sequence[Asked]) -> list[dict[str, object]]:
    """Each question in the order of the outcomes: seed, context, task, depth."""
    return [
        {"seed": one.seed, "context": one.number, "task": one.sample.task, "depth": question.depth}
        for one in asked
        for question in one.questions
    ]
