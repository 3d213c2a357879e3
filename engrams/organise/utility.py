"""Judges what memories were worth for questions that were answered in the conversation itself: what a model of utility learns from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.organise.groups import groups_of
from engrams.organise.judge import numbered
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import SCORER, Draft, Engram, EngramId, Query, Ranked, Scope, derived_id
from engrams.step import Run, Step
from engrams.words import STOP_WORDS, terms

#: Keys of a judgement's metadata: the question, the ids of the memories that were compared, and what each is worth, 0..1.
ASKED, AMONG, WORTH = "asked", "among", "worth"
#: The largest use that a model may say.
MOST_USE = 10
USES = {
    "type": "object",
    "properties": {
        "uses": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "memory": {"type": "integer", "minimum": 1},
                    "use": {"type": "integer", "minimum": 0, "maximum": MOST_USE},
                },
                "required": ["memory", "use"],
            },
        }
    },
    "required": ["uses"],
}


@dataclass(frozen=True, slots=True)
class Answered:
    """A question, what was answered, and memories of which some may have led from the one to the other."""

    question: Engram
    answer: Engram
    memories: tuple[Engram, ...]


@dataclass(frozen=True)
class AskUse(Step[Answered, tuple[float, ...]]):
    """Asks a model how much each memory helps to come from a question to its answer, 0..1. One call.

    Source: MetRag (Gan et al. 2024), utility-oriented thought: supervision by a language model. There it is the likelihood of the answer
    given the document, here what a model says: an endpoint gives no likelihood of a text that it did not write.
    Without a model: how much of the answer's words a memory holds (`AnswerWords`).
    """

    asks: ClassVar[tuple[str, ...]] = ("judge",)

    prompt: Prompt = Prompt("usefulness")

    def __call__(self, value: Answered, run: Run) -> tuple[float, ...]:
        """Asks.

        Raises:
            ModelError: the model failed, or twice gave what is no judgement.
        """
        shown = {
            "question": value.question.content,
            "answer": value.answer.content,
            "memories": numbered(value.memories),
        }
        answer = run.chat.ask(Ask("judge", self.prompt, shown, USES))
        uses = {int(u["memory"]): int(u["use"]) for u in (answer.value or {})["uses"]}
        return tuple(uses.get(n, 0) / MOST_USE for n in range(1, len(value.memories) + 1))

    def without_model(self) -> Step[Answered, tuple[float, ...]]:
        """The counterpart that asks no model."""
        return AnswerWords()


@dataclass(frozen=True)
class AnswerWords(Step[Answered, tuple[float, ...]]):
    """The share, 0..1, of the terms which the answer brings (and the question does not hold) that each memory holds.

    In place of a model: an answer in other words is of no use to learn from.
    """

    def __call__(self, value: Answered, run: Run) -> tuple[float, ...]:
        """Counts."""
        asked = set(terms(value.question.content))
        brought = {t for t in terms(value.answer.content) if t not in asked and t not in STOP_WORDS}
        return tuple(
            len(brought & set(terms(m.content))) / len(brought) if brought else 0.0 for m in value.memories
        )


@dataclass(frozen=True)
class JudgeUse(Step[Draft, Draft]):
    """Judges, for each question in a conversation that was answered there, what the memories before it that `find` gives are worth.

    A question is an engram of kind `of` that ends in a question mark; its answer is the next one of the session, by somebody else. Each
    is judged once, by `use`; a judgement is an engram of kind `scorer` that rests on question and answer, and goes with them. Where
    there are not two memories to compare, there is nothing to judge. One call a question. For a consolidate chain.

    No option of `WeighUse`: that reads what was learnt when a question is asked; this makes what there is to learn from,
    between sessions.

    Source: MetRag (Gan et al. 2024), training of the utility model. There the questions are those of a training set.
    """

    find: Step[Query, Ranked[Engram]]
    use: Step[Answered, tuple[float, ...]] = AskUse()
    of: str = "passage"
    most: int = 20

    def __post_init__(self) -> None:
        if self.most < 2:
            raise BadSetting("JudgeUse.most", self.most, "a number of memories, at least 2")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Judges.

        Raises:
            ModelError: a model failed.
        """
        there = {e.id for e in value.engrams}
        made: list[Engram] = []
        for question, answer in self._pairs(value):
            id = derived_id(run.recipe, SCORER, (*question.sources, "use"))
            if id in there:
                continue
            memories = self._before(question, answer, run)
            if len(memories) > 1:
                worth = self.use(Answered(question, answer, memories), run)
                made.append(_judged(id, question, answer, memories, worth, run))
        return replace(value, engrams=(*value.engrams, *made))

    def _pairs(self, value: Draft) -> Iterator[tuple[Engram, Engram]]:
        for group in groups_of(value, "session", self.of, ""):
            for one, following in zip(group.engrams, group.engrams[1:], strict=False):
                asks = one.content.rstrip().endswith(("?", "？"))
                others = (one.speaker, one.role) != (following.speaker, following.role)
                if asks and others and not following.content.rstrip().endswith(("?", "？")):
                    yield one, following

    def _before(self, question: Engram, answer: Engram, run: Run) -> tuple[Engram, ...]:
        """What was said before, nearest first: what came later, or is the answer itself, cannot have helped."""
        query = Query(
            question.content, Scope(question.namespace), until=question.occurred_at, writer=run.recipe
        )
        own = {*question.sources, *answer.sources}
        found = [s.item for s in self.find(query, run).items if own.isdisjoint(s.item.sources)]
        return tuple(found[: self.most])


def _judged(
    id: EngramId,
    question: Engram,
    answer: Engram,
    memories: Sequence[Engram],
    worth: Sequence[float],
    run: Run,
) -> Engram:
    useful = sum(w > 0 for w in worth)
    return Engram(
        id=id,
        namespace=question.namespace,
        recipe=run.recipe,
        kind=SCORER,
        content=f"{useful} of {len(memories)} memories were of use to: {question.content}",
        occurred_at=answer.occurred_at,
        recorded_at=run.clock.now(),
        sources=tuple(dict.fromkeys((*question.sources, *answer.sources))),
        metadata={
            ASKED: question.content,
            AMONG: [m.id for m in memories],
            WORTH: [round(float(w), 4) for w in worth],
        },
    )
