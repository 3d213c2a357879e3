"""MetRag on traces worked out by hand: similarity and utility, which learns from verdicts and judgements, and points for one question."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from engrams import Memory
from engrams.arithmetic import softmax
from engrams.compose.task_summary import CondenseEach, SummariseForTask
from engrams.errors import BadSetting
from engrams.organise.utility import JudgeUse
from engrams.prompts import Prompt
from engrams.recall.nearest import Nearest
from engrams.recall.residual import moved, still
from engrams.recall.utility import WeighUtility
from engrams.recipe import Recipe
from engrams.recipes.metrag import METRAG
from engrams.records import SCORER, Engram
from tests.papers.talks import START, Drawn, Reply, opened, tell

USE, POINTS = Prompt("usefulness"), Prompt("task_summary", "engrams.compose")
#: Topics lie apart from each other; rumours, records and questions have a direction of their own each.
TOPICS = ("tulip", "lamp", "river", "engine", "violin", "castle")
SIGNS = {"heard": 0.3, "record": 0.6, "what of": 1.0}
DIRECTIONS = {
    word: tuple(size * (n == at) for n in range(len(TOPICS) + len(SIGNS)))
    for at, (word, size) in enumerate({**dict.fromkeys(TOPICS, 1.0), **SIGNS}.items())
}
FREE = METRAG.without_models()


def rumour(topic: str) -> str:
    return f"I heard of the {topic}."


def record(topic: str) -> str:
    return f"The record tells of the {topic}."


@contextmanager
def archive(recipe: Recipe = FREE, topics: tuple[str, ...] = TOPICS) -> Iterator[Memory]:
    """A rumour and a record of each topic: the rumour is nearer to a question about the topic."""
    with Memory.open(
        ":memory:", recipe, embedder=Drawn(DIRECTIONS, dimensions=len(DIRECTIONS)), models="none"
    ) as memory:
        for topic in topics:
            memory.add(rumour(topic), occurred_at=START)
            memory.add(record(topic), occurred_at=START)
        yield memory


def asked(topic: str) -> str:
    return f"What of the {topic}?"


def firsts(memory: Memory, topics: tuple[str, ...]) -> list[str]:
    return [memory.search(asked(topic), k=2)[0].text for topic in topics]


def test_utility_learns_from_verdicts_and_holds_for_questions_it_was_never_told_of() -> None:
    taught, held_out = TOPICS[:3], TOPICS[3:]
    with archive(FREE.replace("read.WeighUtility.rate", 0.1)) as memory:
        # The untrained model is similarity: it is wrong on every held-out question.
        assert firsts(memory, held_out) == [rumour(t) for t in held_out]
        for topic in taught * 3:
            hits = memory.search(asked(topic), k=4)
            memory.feedback(asked(topic), cited=[h for h in hits if h.text == record(topic)], k=4)
        assert firsts(memory, taught) == [record(t) for t in taught]
        assert firsts(memory, held_out) == [record(t) for t in held_out]
        assert judgements(memory) == []  # verdicts lie in the journal
        parts = memory.search(asked(held_out[0]), k=1, explain=True)[0].signals
        assert set(parts) == {"dense", "learnt"}


def test_erasing_what_taught_takes_back_what_was_learnt() -> None:
    with archive(FREE.replace("read.WeighUtility.rate", 0.1)) as memory:
        events: list[str] = []
        for topic in TOPICS[:3] * 3:
            hits = memory.search(asked(topic), k=4)
            cited = [h for h in hits if h.text == record(topic)]
            events += memory.feedback(asked(topic), cited=cited, k=4).event_ids
        for event in events:
            memory.delete(event)
        assert firsts(memory, TOPICS) == [rumour(t) for t in TOPICS]


def test_what_was_wrong_is_pushed_down() -> None:
    with archive(FREE.replace("read.WeighUtility.rate", 0.1)) as memory:
        for topic in TOPICS[:3] * 3:
            hits = memory.search(asked(topic), k=4)
            memory.feedback(asked(topic), wrong=[h for h in hits if h.text == rumour(topic)], k=4)
        assert firsts(memory, TOPICS[3:]) == [record(t) for t in TOPICS[3:]]


def test_one_lesson_is_one_step_of_the_gradient_of_kl() -> None:
    rng = np.random.default_rng(7)
    question, memories = rng.normal(size=3), rng.normal(size=(4, 3))
    target = softmax(np.array([1.0, 0.0, 0.5, 0.0]), 0.1)
    maps = moved(still(3), question, memories, target, rate=1.0, temperature=0.1)

    def kl(weights: np.ndarray) -> float:
        scores = memories @ (question + weights @ question)
        chances = softmax(scores, 0.1)
        return float((target * np.log(target / chances)).sum())

    # The step on W_q from 0 is minus the gradient, taken here by differences.
    step = 1e-6
    for row in range(3):
        for column in range(3):
            there, back = np.zeros((3, 3)), np.zeros((3, 3))
            there[row, column], back[row, column] = step, -step
            slope = (kl(there) - kl(back)) / (2 * step)
            assert maps.question[row, column] == pytest.approx(-slope, rel=1e-4, abs=1e-6)


def test_both_are_weighed_and_the_best_of_either_are_kept() -> None:
    # Utility alone puts records first, similarity alone rumours; of the best of each, both stand in a context.
    for part, first in ((1.0, record("castle")), (0.0, rumour("castle"))):
        recipe = FREE.replace("read.WeighUtility.rate", 0.1).replace("read.WeighUtility.utility", part)
        with archive(recipe.replace("read.WeighUtility.keep", 1)) as memory:
            teach(memory)
            assert firsts(memory, ("castle",)) == [first]
            assert {h.text for h in memory.context(asked("castle")).hits} == {
                record("castle"),
                rumour("castle"),
            }


def teach(memory: Memory) -> None:
    for topic in TOPICS[:3] * 3:
        hits = memory.search(asked(topic), k=4)
        memory.feedback(asked(topic), cited=[h for h in hits if h.text == record(topic)], k=4)


def useful(blocks: dict[str, str]) -> dict[str, object]:
    """Records help, rumours do not."""
    lines = blocks["memories"].splitlines()
    return {"uses": [{"memory": n, "use": 10 * ("record" in line)} for n, line in enumerate(lines, start=1)]}


REPLIES: dict[Prompt, Reply] = {USE: useful, POINTS: {"points": []}}


def talked(memory: Memory, topics: tuple[str, ...], day: int) -> None:
    """Questions that were answered in the conversation."""
    for number, topic in enumerate(topics):
        lines = (f"user: {asked(topic)}", f"assistant: The record has it: {topic}s there are.")
        tell(memory, *lines, session=f"s{number}", day=day)


def judgements(memory: Memory) -> list[Engram]:
    return [e for e in memory.get_all() if e.kind == SCORER]


def test_utility_learns_from_a_models_judgement_of_questions_answered_in_the_conversation() -> None:
    learning = METRAG.replace("read.WeighUtility.rate", 0.1).replace("read.WeighUtility.epochs", 3)
    with opened(learning, REPLIES, DIRECTIONS) as (memory, talk):
        for topic in TOPICS:
            tell(memory, f"user: {rumour(topic)}", f"user: {record(topic)}", session=topic)
        held_out = TOPICS[3:]
        assert [h.text for t in held_out for h in memory.search(asked(t), k=1)] == [
            rumour(t) for t in held_out
        ]
        talked(memory, TOPICS[:3], day=1)
        memory.consolidate()
        assert len(judgements(memory)) == len(talk.shown("usefulness")) == 3
        shown = talk.shown("usefulness")[0]
        assert "tulip" in shown["question"]
        # What came later, the question and its answer are not judged.
        assert shown["memories"].count("tulip") == 2
        assert "has it" not in shown["memories"]
        assert [h.text for t in held_out for h in memory.search(asked(t), k=1)] == [
            record(t) for t in held_out
        ]
        memory.consolidate()
        assert len(talk.shown("usefulness")) == 3


def test_a_judgement_goes_with_its_question() -> None:
    with opened(METRAG, REPLIES, DIRECTIONS) as (memory, _):
        tell(memory, f"user: {rumour('lamp')}", f"user: {record('lamp')}", session="a")
        [question, _] = tell(memory, f"user: {asked('lamp')}", "assistant: A record.", session="b", day=1)
        memory.consolidate()
        [judged] = judgements(memory)
        assert judged.metadata["asked"] == asked("lamp")
        assert sorted(judged.metadata["worth"]) == [0.0, 1.0]
        assert len(judged.sources) == 2
        memory.delete(question)
        assert judgements(memory) == []


def test_points_rest_on_the_memories_they_name() -> None:
    points = {
        "points": [
            {"text": "Heard of and told of.", "memories": [1, 2, 9]},
            {"text": "From nowhere.", "memories": [9]},
            {"text": " ", "memories": [1]},
        ]
    }
    with opened(METRAG, {**REPLIES, POINTS: points}, DIRECTIONS) as (memory, talk):
        said = tell(memory, f"user: {rumour('lamp')}", f"user: {record('lamp')}")
        context = memory.context(asked("lamp"))
        [hit] = context.hits
        assert hit.text == "Heard of and told of."
        assert set(context.citations[0].event_ids) == {*said}
        assert len(talk.shown("task_summary")[0]["memories"].splitlines()) == 2
        assert len(memory.search(asked("lamp"), k=5)) == 2


def test_where_nothing_serves_nothing_is_given() -> None:
    with opened(METRAG, REPLIES, DIRECTIONS) as (memory, _):
        tell(memory, f"user: {rumour('lamp')}")
        assert not memory.context(asked("lamp")).found


def test_without_a_model_the_answers_words_say_what_was_of_use() -> None:
    with archive(topics=("lamp",)) as memory:
        memory.add("The wall is high.", occurred_at=START)
        tell(memory, f"user: {asked('lamp')}", "assistant: A record.", session="b", day=1)
        memory.consolidate()
        [judged] = judgements(memory)
        assert sorted(judged.metadata["worth"]) == [0.0, 0.0, 1.0]
        swapped = [d.split()[3] for d in memory.recipe.differs if "without a model:" in d]
        assert sorted(swapped) == ["AnswerWords", "CondenseEach"]
        long = "The lamp is lit. " + "The sea is wide and the wind is cold today. " * 12
        memory.add(long, occurred_at=START)
        assert len(memory.context("Is the lamp lit?", k=1).text) < len(long) / 2


def test_settings_that_make_no_sense_are_refused() -> None:
    find = Nearest(kinds=("passage",))
    for make, key in (
        (lambda: WeighUtility(among=0), "among"),
        (lambda: WeighUtility(utility=2), "utility"),
        (lambda: WeighUtility(teacher=0), "teacher"),
        (lambda: JudgeUse(find=find, most=1), "most"),
        (lambda: SummariseForTask(tokens=0), "tokens"),
        (lambda: CondenseEach(tokens=0), "tokens"),
    ):
        with pytest.raises(BadSetting, match=key):
            make()
