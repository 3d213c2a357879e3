"""The reader answers from a context, the judge says whether the answer is right; and how often it calls wrong answers right."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engrams import Context
from engrams.ports import Ask, ChatModel
from engrams.prompts import Prompt
from engrams_bench.cases import Case, Question
from engrams_bench.measures.intervals import SEED

READER = Prompt("reader", "engrams_bench.quality")
JUDGE = Prompt("judge", "engrams_bench.quality")
#: The names of both in the ledger, and in `Memory.open(models=…)`.
READING, JUDGING = "answer", "judge"
#: What is right where the memory was never told.
NOT_SAID = "Nothing was said about it."
#: The most tokens of an answer and of a verdict: a few of them, and room for models that think before they speak.
ANSWER_TOKENS, VERDICT_TOKENS = 1024, 512

VERDICT: Mapping[str, Any] = {
    "type": "object",
    "properties": {"right": {"type": "boolean"}},
    "required": ["right"],
}


@dataclass(frozen=True, slots=True)
class Posed:
    """A question with what is right, as one data set poses it. `id` is the question's."""

    id: str
    case: str
    category: str
    text: str
    reference: str
    asked_at: str = ""


def posed(cases: Iterable[Case]) -> list[Posed]:
    """The questions whose right answer is known: what the set says, or that nothing was said."""
    found = []
    for case in cases:
        for question in case.questions:
            reference = question.answer or (NOT_SAID if question.abstain else "")
            if reference:
                day = "" if question.asked_at is None else f"{question.asked_at:%Y-%m-%d}"
                found.append(Posed(question.id, case.id, question.category, question.text, reference, day))
    return found


class Heard:
    """The contexts of one run, by question: what `engrams_bench.run` tells them to."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def __call__(self, case: Case, question: Question, made: Context) -> None:
        """Keeps a context's text."""
        self.texts[question.id] = made.text


def reading(question: Posed, context: str) -> Ask:
    """What the reader is asked."""
    said = {"memory": context, "question": question.text}
    if question.asked_at:
        said["asked on"] = question.asked_at
    return Ask(READING, READER, said, most_tokens=ANSWER_TOKENS)


def judging(question: Posed, answer: str) -> Ask:
    """What the judge is asked: it is not told whose answer it is, nor whether it was given wrong on purpose."""
    said = {"question": question.text, "reference": question.reference, "answer": answer}
    return Ask(JUDGING, JUDGE, said, VERDICT, most_tokens=VERDICT_TOKENS)


def judged(chat: ChatModel, answers: Sequence[tuple[Posed, str]]) -> dict[str, bool]:
    """Whether each answer is right, by the question's id.

    Raises:
        ModelError, OverBudget: the judge cannot be asked.
    """
    told = chat.ask_many([judging(question, answer) for question, answer in answers])
    found = {}
    for (question, _), verdict in zip(answers, told, strict=True):
        assert verdict.value is not None  # it was checked against the schema
        found[question.id] = verdict.value["right"] is True
    return found


def answered(chat: ChatModel, questions: Sequence[Posed], contexts: Mapping[str, str]) -> dict[str, bool]:
    """Whether the reader's answer from each context is right, by the question's id; questions without a context are left out.

    Raises:
        ModelError, OverBudget: reader or judge cannot be asked.
    """
    there = [question for question in questions if question.id in contexts]
    said = chat.ask_many([reading(question, contexts[question.id]) for question in there])
    return judged(chat, [(question, answer.text) for question, answer in zip(there, said, strict=True)])


def wrong_answers(questions: Sequence[Posed], seed: int = SEED) -> list[tuple[Posed, str]]:
    """Each question with an answer that is wrong: what is right of another question of the same category.

    Drawn with a fixed seed, in the order of the questions; never one that says the same or holds the reference, or is held by it.
    Questions of a category in which nothing else is right are left out.
    """
    draw = random.Random(seed)
    kinds: dict[str, list[str]] = {}
    for question in questions:
        kinds.setdefault(question.category, []).append(question.reference)
    found = []
    for question in questions:
        others = [other for other in kinds[question.category] if not _alike(other, question.reference)]
        if others:
            found.append((question, draw.choice(others)))
    return found


def _alike(one: str, other: str) -> bool:
    a, b = (" ".join(text.casefold().split()).strip(" .") for text in (one, other))
    return a in b or b in a
