"""One conversation through a recipe with a policy: what was decided, what it costs, and what its questions find afterwards."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engrams_bench.asking import NAMESPACE, derive, messages_of, opened
from engrams_bench.cases import Case, Question
from engrams_bench.policies.seams import About, Seam
from engrams_bench.vectors import KeptVectors

Doubles = NDArray[np.float64]
#: Memories and events read at once: as many as a page may hold.
PAGE = 10_000
#: Hits looked at for what fits into the characters that a reader is given.
DEPTH = 200


@dataclass(frozen=True, slots=True)
class Decision:
    """A choice: features of each thing that could be done, float64[a, f], the first of them to leave it (all 0); what was chosen
    with what chance; what each is about (None for the first)."""

    features: Doubles
    chosen: int
    chance: float
    about: tuple[About, ...]


@dataclass
class Drawing:
    """A policy that draws what is done from the softmax of the scores of a linear one, and writes it down.

    It adds Gumbel noise to the scores, drawn once for each action of a loop, so that the best is a draw.
    """

    seam: Seam
    names: tuple[str, ...]
    weights: Doubles
    draw: np.random.Generator
    decided: list[Decision] = field(default_factory=list)
    _scores: dict[tuple[str, str], float] = field(default_factory=dict)

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return "Drawing()"

    def scores(self, value: Any, done: Sequence[Any], actions: Sequence[Any], run: Any) -> list[float]:
        """0 for leaving, for others by how much their noisy score is above that of leaving what they are about."""
        if not done:
            self._begin(value, actions, run)
        return [0.0, *(self._scores[_key(self.seam, action)] for action in actions[1:])]

    def _begin(self, value: Any, actions: Sequence[Any], run: Any) -> None:
        self._scores = {}
        groups: dict[str, list[int]] = defaultdict(list)
        for at, action in enumerate(actions[1:], start=1):
            groups[_key(self.seam, action)[1]].append(at)
        seen = self.seam.linear.seen(value, actions, run)
        for members in groups.values():
            features = np.zeros((len(members) + 1, len(self.names)))
            for row, at in enumerate(members, start=1):
                features[row] = [seen[at].get(name, 0.0) for name in self.names]
            clean = features @ self.weights
            noisy = clean + self.draw.gumbel(size=len(clean))
            for row, at in enumerate(members, start=1):
                self._scores[_key(self.seam, actions[at])] = float(noisy[row] - noisy[0])
            best = int(noisy.argmax())
            chance = float(np.exp(clean[best] - clean.max()) / np.exp(clean - clean.max()).sum())
            about = tuple(self.seam.about(value, actions[at]) for at in members)
            self.decided.append(Decision(features, best, chance, about))


def _key(seam: Seam, action: Any) -> tuple[str, str]:
    return action.tool, str(action.arguments[seam.group]) if seam.group else ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A memory as it stands at the end: the turns it rests on, its text, and its part in the mean recall, by turn."""

    turns: tuple[str, ...]
    text: str
    gains: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Rollout:
    """What a policy made of a conversation: recall of each question, characters kept, the memories, and what was decided."""

    case: str
    recall: Mapping[str, float]
    characters: int
    kept: tuple[Kept, ...]
    decided: tuple[Decision, ...] = ()


def _all(listed: Callable[..., Any]) -> list[Any]:
    """Everything that `Memory.log` or `Memory.get_all` lists, page by page."""
    found: list[Any] = []
    page = listed(namespace=NAMESPACE, limit=PAGE)
    while True:
        found += page.items
        if page.next is None:
            return found
        page = listed(namespace=NAMESPACE, limit=PAGE, cursor=page.next)


def _by_turn(decision: Decision, turn_of: Mapping[str, str]) -> Decision:
    """The same, of turns in place of events: a conversation that is written again has other events."""

    def named(about: About) -> About:
        other = about.other
        turns = None if other is None else (tuple(turn_of[event] for event in other[0]), other[1])
        return About(turn_of[about.turn], about.text, turns)

    return replace(decision, about=tuple(named(about) for about in decision.about))


def asked_of(case: Case) -> list[Question]:
    """The questions with evidence."""
    return [q for q in case.questions if q.turns and not q.abstain]


def roll(
    seam: Seam, policy: object, case: Case, embedder: str | KeptVectors, reads: int, store: str = "memory"
) -> Rollout:
    """Writes a conversation with a policy and asks its questions; a reader is given the first hits that together have at most
    `reads` characters.

    Raises:
        BenchError: a job failed.
    """
    with opened(seam.with_policy(policy), store, embedder) as memory:
        memory.add_many(messages_of(case), namespace=NAMESPACE)
        derive(memory)
        events = [e.id for e in _all(memory.log)]
        turns = [turn.id for session in case.sessions for turn in session.turns]
        turn_of = dict(zip(events, turns, strict=True))
        standing = [e for e in _all(memory.get_all) if e.kind in seam.kinds]
        gains: dict[str, dict[str, float]] = {e.id: defaultdict(float) for e in standing}
        questions, recall = asked_of(case), dict[str, float]()
        for question in questions:
            hits = memory.search(question.text, k=DEPTH, namespace=NAMESPACE, asked_at=question.asked_at)
            given, left = [], reads
            for hit in hits:
                left -= len(hit.text)
                if left < 0:
                    break
                given.append(hit)
            recall[question.id] = 0.0
            for turn in question.turns:
                holding = [hit for hit in given if turn in {turn_of[e] for e in hit.event_ids}]
                if holding:
                    recall[question.id] += 1 / len(question.turns)
                for hit in holding:
                    gains[hit.id][turn] += 1 / len(question.turns) / len(holding) / len(questions)
    kept = tuple(
        Kept(tuple(turn_of[event] for event in e.event_ids), e.content, dict(gains[e.id])) for e in standing
    )
    decided = tuple(_by_turn(one, turn_of) for one in policy.decided) if isinstance(policy, Drawing) else ()
    return Rollout(case.id, recall, sum(len(one.text) for one in kept), kept, decided)
