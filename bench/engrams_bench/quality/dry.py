"""What a comparison would take of language models, before anything is spent: recipes run on a sample, with nobody asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from engrams import Memory, Recipe
from engrams.models.chat_prices import Rate, rate_of
from engrams.ports import Answer, Ask, Usage
from engrams.schemas import smallest
from engrams_bench.asking import NAMESPACE, Costs, fill, opened
from engrams_bench.cases import Case
from engrams_bench.quality.judging import Posed, judging, reading, wrong_answers

#: Messages and questions of the sample: enough for every kind of step to be met.
MESSAGES, QUESTIONS = 60, 3

Rates = dict[str, Rate]


@dataclass
class Nobody:
    """A `ChatModel` that answers with the least that fits, and counts what a model would have taken at most."""

    count: Callable[[str], int]
    name: str = "nobody"
    taken: Usage = field(default_factory=Usage)

    def ask(self, ask: Ask) -> Answer:
        """The least that fits; nobody was asked."""
        sent = [ask.prompt.filled(ask.slots), *ask.input.values(), *(turn.text for turn in ask.turns)]
        sent += [json.dumps(dict(ask.schema))] if ask.schema is not None else []
        usage = Usage(1, sum(self.count(text) for text in sent), ask.most_tokens, estimated=True)
        self.taken += usage
        value = None if ask.schema is None else smallest(ask.schema)
        return Answer("text" if value is None else json.dumps(value), value, model=self.name, usage=usage)

    def ask_many(self, asks: Sequence[Ask]) -> list[Answer]:
        """The same, one after the other."""
        return [self.ask(ask) for ask in asks]


@dataclass(frozen=True, slots=True)
class Line:
    """What one part of a comparison would take of one model at most; money None: no price is known."""

    part: str
    model: str
    usage: Usage


def priced(part: str, model: str, usage: Usage, rates: Rates) -> Line:
    """A line with its money."""
    rate = rate_of(model, rates)
    return Line(part, model, replace(usage, money=None if rate is None else rate.of(usage)))


def deriving(
    recipe: Recipe,
    model: str,
    cases: Sequence[Case],
    embedder: str,
    budget: int,
    count: Callable[[str], int],
    rates: Rates,
) -> list[Line]:
    """What a recipe takes to write and to read, scaled up from the beginning of the first haystack."""
    sample, nobody = _beginning(cases[0]), Nobody(count, model)
    with opened(recipe, "memory", embedder, nobody) as memory:
        fill(memory, sample, Costs())
        written, nobody.taken = nobody.taken, Usage()
        asked = sample.questions[:QUESTIONS]
        for question in asked:
            memory.context(question.text, budget=budget, namespace=NAMESPACE, asked_at=question.asked_at)
    messages, questions = sum(case.size for case in cases), sum(len(case.questions) for case in cases)
    return [
        priced(f"{recipe.name}: write", model, _times(written, messages / sample.size), rates),
        priced(f"{recipe.name}: read", model, _times(nobody.taken, questions / len(asked)), rates),
    ]


def answering(
    recipe: Recipe,
    questions: Sequence[Posed],
    reader: str,
    judge: str,
    tokens: int,
    rates: Rates,
    memory: Memory,
) -> list[Line]:
    """What reader and judge take for one recipe whose contexts are of at most `tokens`."""
    read, judged = Nobody(_counter(memory)), Nobody(_counter(memory))
    for question in questions:
        read.ask(reading(question, ""))
        judged.ask(judging(question, question.reference))
    read.taken = replace(read.taken, tokens_in=read.taken.tokens_in + tokens * len(questions))
    return [
        priced(f"{recipe.name}: answers", reader, read.taken, rates),
        priced(f"{recipe.name}: verdicts", judge, judged.taken, rates),
    ]


def misjudging(questions: Sequence[Posed], judge: str, rates: Rates, memory: Memory) -> Line:
    """What the judge takes for the answers that are wrong on purpose."""
    nobody = Nobody(_counter(memory))
    nobody.ask_many([judging(question, wrong) for question, wrong in wrong_answers(questions)])
    return priced("wrong answers: verdicts", judge, nobody.taken, rates)


def _counter(memory: Memory) -> Callable[[str], int]:
    return lambda text: memory.count_tokens([text])[0]


def _beginning(case: Case) -> Case:
    """The first messages of a haystack, in whole sessions as far as they go."""
    held, left = [], MESSAGES
    for session in case.sessions:
        turns = session.turns[:left]
        left -= len(turns)
        if turns:
            held.append(replace(session, turns=turns))
    return replace(case, sessions=tuple(held))


def _times(usage: Usage, scale: float) -> Usage:
    return replace(
        usage,
        calls=round(usage.calls * scale),
        tokens_in=round(usage.tokens_in * scale),
        tokens_out=round(usage.tokens_out * scale),
    )
