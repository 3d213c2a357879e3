"""What the house recipe says of every row without an embedder, kept once: the trained vectors are added to it later."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from engrams_bench.asking import messages_of
from engrams_bench.cases import Case, Question

from engrams import Memory
from engrams.organise.embed import Embed
from engrams.recall.fuse import Summed, SumStandardised
from engrams.recall.select import Top, fetch
from engrams.recipe import Recipe
from engrams.recipes.engrams import ENGRAMS
from engrams.records import Engram, Event, Ranked
from engrams.step import Chain, Run, Step, steps_of
from engrams.words import named

Floats = npt.NDArray[np.float32]
NAMESPACE = "measured"
PAGE = 10_000


@dataclass
class Haystack:
    """The rows of one memory: what is embedded of each, its event, and the rows before and after (-1: none)."""

    texts: list[str]
    turns: list[str]
    sessions: list[str]
    previous: npt.NDArray[np.int32]
    following: npt.NDArray[np.int32]

    def windows(self) -> list[str]:
        """Each row with its neighbours in the talk."""
        out = []
        for row in range(len(self.texts)):
            near = [int(self.previous[row]), row, int(self.following[row])]
            out.append("\n".join(self.texts[at] for at in near if at >= 0))
        return out


@dataclass
class Asked:
    """A question as recall cleans it, the sum of the signals without an embedder for each row, and what is right."""

    id: str
    case: str
    category: str
    text: str
    nameless: str
    score: Floats
    gold_turns: tuple[str, ...]
    gold_sessions: tuple[str, ...]


@dataclass(frozen=True)
class Kept(Step[Summed, Ranked[Engram]]):
    """Writes down what reaches it."""

    into: list[tuple[Summed, list[tuple[str, str]]]] = field(default_factory=list, hash=False, compare=False)

    def __call__(self, value: Summed, run: Run) -> Ranked[Engram]:
        """Keeps the sums; event and text of the rows the first time only."""
        rows: list[tuple[str, str]] = []
        if not self.into:
            rows = [_row(engram) for engram in fetch(run, value.view, np.arange(value.view.size))]
        self.into.append((value, rows))
        return Top(k=1)(value, run)


def gathered(cases: Sequence[Case], most: int | None = None) -> Iterator[tuple[Haystack, list[Asked]]]:
    """Each case with its questions that have an answer; `most` cases, drawn the same way every time."""
    chosen = list(cases)
    if most is not None and most < len(chosen):
        chosen = [chosen[n] for n in sorted(random.Random(0).sample(range(len(chosen)), most))]
    for case in chosen:
        questions = [q for q in case.questions if not q.abstain and (q.turns or q.sessions)]
        if questions:
            yield _of(case, questions)


def without_names(text: str, speakers: Sequence[str]) -> str:
    """The question without the names of those who speak; a question of names alone keeps them."""
    left = text
    while found := named(left, speakers):
        for place in reversed(found):
            left = left[: place.begin] + left[place.end :]
    return " ".join(left.split()) if any(c.isalnum() for c in left) else text


def _of(case: Case, questions: Sequence[Question]) -> tuple[Haystack, list[Asked]]:
    kept = Kept()
    steps = steps_of(ENGRAMS.read)
    end = next(n for n, step in enumerate(steps) if isinstance(step, SumStandardised))
    # Without `Embed` no row has a vector, and the signals of the embedder stay at 0: `measure` adds them.
    write = tuple(step for step in steps_of(ENGRAMS.write) if not isinstance(step, Embed))
    recipe = Recipe("measured", Chain(write), Chain((*steps[: end + 1], kept)))
    home = {turn.id: session.id for session in case.sessions for turn in session.turns}
    turns = [turn.id for session in case.sessions for turn in session.turns]
    asked = []
    with Memory.open(":memory:", recipe, actor="measure") as memory:
        memory.add_many(messages_of(case), namespace=NAMESPACE)
        for question in questions:
            memory.search(question.text, k=1, namespace=NAMESPACE, asked_at=question.asked_at)
            summed, _ = kept.into[-1]
            asked.append(
                Asked(
                    question.id,
                    case.id,
                    question.category,
                    question.text,
                    without_names(question.text, summed.view.speakers),
                    np.array(summed.scores, np.float32),
                    question.turns,
                    question.sessions,
                )
            )
        events = [event.id for event in journal(memory, NAMESPACE)]
    if len(events) != len(turns):
        raise ValueError(f"{case.id}: {len(turns)} turns, {len(events)} events")
    turn_of = dict(zip(events, turns, strict=True))
    first, rows = kept.into[0]
    told = [turn_of[event] for event, _ in rows]
    near = first.view.previous.copy(), first.view.following.copy()
    return Haystack([text for _, text in rows], told, [home[turn] for turn in told], *near), asked


def journal(memory: Memory, namespace: str) -> Iterator[Event]:
    """Every event, the oldest first."""
    cursor: str | None = None
    while True:
        page = memory.log(namespace=namespace, limit=PAGE, cursor=cursor)
        yield from page
        cursor = page.next
        if cursor is None:
            return


def _row(engram: Engram | None) -> tuple[str, str]:
    if engram is None:
        raise ValueError("a row without an engram: the memory changed while it was measured")
    text = engram.content
    return engram.sources[0], f"{engram.speaker}: {text}" if engram.speaker else text
