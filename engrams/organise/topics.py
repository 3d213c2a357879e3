"""Topics of sessions: what each was about, with the turns that speak of it, merged with topics that stand."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, cast

import numpy as np

from engrams.arithmetic import dots, top_k
from engrams.errors import BadSetting, NeedsExtra
from engrams.organise.central import central_sentences
from engrams.organise.groups import Group, group_id, groups_of, lines, with_groups
from engrams.organise.judge import Case, Operation, Verdict
from engrams.ports import Ask, Float32
from engrams.prompts import Prompt
from engrams.records import Decision, Draft, Engram, EngramId, EventId, Query, Ranked, Scope, derived_id
from engrams.step import Run, Step
from engrams.words import STOP_WORDS, terms

TOPIC = "topic"
#: The kind of engrams that note how far into a session a reflection has looked.
REFLECTION = "reflection"
TOPICS = {
    "type": "object",
    "properties": {
        "topics": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "summary": {"type": "string"},
                    "turns": {"type": "array", "items": {"type": "integer", "minimum": 1}},
                },
                "required": ["summary", "turns"],
            },
        }
    },
    "required": ["topics"],
}
MERGE = {
    "type": "object",
    "properties": {
        "operation": {"type": "string", "enum": ["ADD", "MERGE"]},
        "memory": {"type": "integer", "minimum": 0},
        "text": {"type": "string"},
    },
    "required": ["operation"],
}
#: A summary, and the numbers (from 0) of the turns that it sums up.
Found = tuple[str, tuple[int, ...]]


@dataclass(frozen=True)
class Unseen:
    """A session with turns that no reflection has looked at: the `new` ones, those `before` them, and the `whole`."""

    new: Group
    before: tuple[Engram, ...]
    whole: Group


@dataclass(frozen=True)
class ExtractTopics(Step[Draft, Draft]):
    """Asks a model for the topics of each session's turns (engrams of kind `of`); each becomes an engram of kind `topic`.

    A topic's content is the turns that speak of it, its key the summary, its sources their events. Only turns that were not
    looked at before are asked about, with the `recent` (>= 0) before them to be understood by; how far that is stands in an
    engram of kind `reflection`. One call a session that has grown. For a consolidate chain, whose draft holds all that stands.

    No option of `ExtractFacts`: a topic keeps the turns themselves and is only found by its summary, and a turn may stand in
    several.

    Source: RMM (Tan et al., ACL 2025), section 4.2, prospective reflection.
    Without a model: runs of turns between shifts of vocabulary (`SplitTopics`).
    """

    asks: ClassVar[tuple[str, ...]] = ("extract",)

    of: str = "passage"
    recent: int = 10
    prompt: Prompt = Prompt("topics")

    def __post_init__(self) -> None:
        if self.recent < 0:
            raise BadSetting("ExtractTopics.recent", self.recent, "a number of turns, at least 0")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Asks and adds.

        Raises:
            ModelError: the model failed, or twice gave what are no topics. Nothing counts as looked at.
        """
        due = unseen(value, self.of, run)
        asks = [
            Ask(
                "extract",
                self.prompt,
                {"earlier": self._earlier(one), "turns": numbered_turns(one.new)},
                TOPICS,
            )
            for one in due
        ]
        found: list[list[Found]] = [
            [
                (" ".join(t["summary"].split()), tuple(sorted({n - 1 for n in t["turns"]})))
                for t in (answer.value or {})["topics"]
            ]
            for answer in run.chat.ask_many(asks)
        ]
        return with_topics(value, due, found, run)

    def _earlier(self, one: Unseen) -> str:
        return lines(Group(one.new.key, one.before[-self.recent :] if self.recent else ()))

    def without_model(self) -> Step[Draft, Draft]:
        """The counterpart that asks no model."""
        return SplitTopics(of=self.of)


@dataclass(frozen=True)
class SplitTopics(Step[Draft, Draft]):
    """Takes each run of turns between two shifts of vocabulary for a topic, summed up by its `most` (>= 1) central sentences.

    In place of a model's topics: a topic is never in two places, and nothing is left out or said in other words. `width` (>= 1)
    turns before and after a gap are compared.

    Source: TextTiling (Hearst 1997), with turns in place of sequences of 20 words.
    """

    of: str = "passage"
    width: int = 2
    most: int = 2

    def __post_init__(self) -> None:
        if self.width < 1:
            raise BadSetting("SplitTopics.width", self.width, "a number of turns, at least 1")
        if self.most < 1:
            raise BadSetting("SplitTopics.most", self.most, "a number of sentences, at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the topics."""
        due = unseen(value, self.of, run)
        found: list[list[Found]] = []
        for one in due:
            said = [e.content for e in one.new.engrams]
            ends = [0, *topic_shifts(said, self.width), len(said)]
            runs = [tuple(range(a, b)) for a, b in pairwise(ends)]
            found.append(
                [(" ".join(central_sentences([said[n] for n in run], self.most)), run) for run in runs]
            )
        return with_topics(value, due, found, run)


def topic_shifts(texts: Sequence[str], width: int) -> list[int]:
    """Before which texts (1 to n - 1) the vocabulary shifts, ascending.

    At each gap the terms of the `width` texts before and after are compared by their cosine; its depth is by how much the
    nearest peaks on both sides are higher. A gap deeper than the mean less half a deviation, and than those beside it, is a shift.

    Source: Hearst 1997, "TextTiling", sections 5.2 to 5.4: block comparison, depth scores, the stricter cutoff; unsmoothed.
    """
    bags = [Counter(t for t in terms(text) if t not in STOP_WORDS) for text in texts]
    alike = [
        _cosine(sum(bags[max(0, gap - width) : gap], Counter()), sum(bags[gap : gap + width], Counter()))
        for gap in range(1, len(bags))
    ]
    depths = [_peak(alike[at::-1]) + _peak(alike[at:]) - 2 * one for at, one in enumerate(alike)]
    if not depths:
        return []
    cutoff = max(0.0, float(np.mean(depths) - np.std(depths) / 2))
    beside = [0.0, *depths, 0.0]
    return [
        at + 1
        for at, depth in enumerate(depths)
        if depth > cutoff and depth >= beside[at] and depth > beside[at + 2]
    ]


@dataclass(frozen=True)
class AskMerge(Step[Case, tuple[Verdict, ...]]):
    """Asks a model whether a new topic is one of those that stand, by their summaries, numbered from 1. One call.

    Source: RMM (Tan et al., ACL 2025), section 4.2, memory update: add or merge.
    Without a model: a cosine decides (`MergeAlike`).
    """

    asks: ClassVar[tuple[str, ...]] = ("reconcile",)

    prompt: Prompt = Prompt("merge_topics")

    def __call__(self, value: Case, run: Run) -> tuple[Verdict, ...]:
        """Asks.

        Raises:
            ModelError: the model failed, or twice gave what is no decision.
        """
        standing = "\n".join(f"{n}. {_summary(old)}" for n, old in enumerate(value.old, start=1))
        told = {"memories": standing, "topic": _summary(value.facts[0])}
        answer = run.chat.ask(Ask("reconcile", self.prompt, told, MERGE)).value or {}
        text = " ".join(str(answer.get("text") or "").split())
        return (Verdict(0, cast(Operation, answer["operation"]), int(answer.get("memory") or 0) - 1, text),)

    def without_model(self) -> Step[Case, tuple[Verdict, ...]]:
        """The counterpart that asks no model."""
        return MergeAlike()


@dataclass(frozen=True)
class MergeAlike(Step[Case, tuple[Verdict, ...]]):
    """Merges a new topic with the nearest that stands where their cosine is `least` (-1..1) or more; adds it else.

    In place of a model. The summary of both is the `most` (>= 1) central sentences of theirs. The threshold is ours, and was not
    measured: it is that of synonyms in HippoRAG.
    """

    least: float = 0.8
    most: int = 3

    def __post_init__(self) -> None:
        if not -1 <= self.least <= 1:
            raise BadSetting("MergeAlike.least", self.least, "a cosine from -1 to 1")
        if self.most < 1:
            raise BadSetting("MergeAlike.most", self.most, "a number of sentences, at least 1")

    def __call__(self, value: Case, run: Run) -> tuple[Verdict, ...]:
        """Judges."""
        if not value.closeness or value.closeness[0] < self.least:
            return (Verdict(0, "ADD"),)
        both = central_sentences([_summary(value.old[0]), _summary(value.facts[0])], self.most)
        return (Verdict(0, "MERGE", 0, " ".join(both), why=f"cosine {value.closeness[0]:.2f}"),)


@dataclass(frozen=True)
class MergeTopics(Step[Draft, Draft]):
    """Holds each new topic against the `k` (>= 1) most alike, those that `find` gives and those made just now, and does as `judge` says.

    ADD keeps it. MERGE appends its turns to the topic that stands, which is found by the summary of both from then on and
    rests on both (a version that `history` shows). A verdict that names none of them adds.

    No option of `Reconcile`: a merged topic keeps the turns of both and changes its key; `Reconcile` puts one text in the place
    of another.

    Source: RMM (Tan et al., ACL 2025), section 4.2; the paper gives no number of similar memories, 20 is that of its reading.
    """

    find: Step[Query, Ranked[Engram]]
    judge: Step[Case, tuple[Verdict, ...]] = AskMerge()
    k: int = 20

    def __post_init__(self) -> None:
        if self.k < 1:
            raise BadSetting("MergeTopics.k", self.k, "a number of topics, at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Judges and applies.

        Raises:
            NeedsExtra: there is no embedder.
        """
        stored = run.store.engrams([e.id for e in value.engrams if e.kind == TOPIC])
        there = {id for id, e in stored.items() if e.state == "active"}  # one taken out may be made again
        new = [e for e in value.engrams if e.kind == TOPIC and e.id not in there]
        if not new:
            return value
        if run.embedder is None:
            raise NeedsExtra(f"{run.recipe!r} merges what is alike by vectors, and so", "embed")
        vectors = run.embedder.embed([_summary(e) for e in new])
        held = _Held(vectors.shape[1])
        decisions: dict[EngramId, Decision] = {}
        for topic, vector in zip(new, vectors, strict=True):
            case = self._case(topic, vector, held, run)
            verdict = self._merging(case, run) if case.old else None
            if verdict is None:
                held.put(topic, vector)
                continue
            old = case.old[verdict.old]
            text = verdict.text or f"{_summary(old)} {_summary(topic)}"
            both = _merged(old, topic, text)
            held.put(both, run.embedder.embed([text])[0])
            if old.id in there:
                why = verdict.why or f"merge: {_summary(topic)}"
                decisions[old.id] = Decision("MERGE", both, why, event_id=EventId(topic.sources[-1]))
        dropped = {e.id for e in new} - held.engrams.keys()
        kept = (held.engrams.get(e.id, e) for e in value.engrams if e.id not in dropped)
        return replace(value, engrams=tuple(kept), decisions=(*value.decisions, *decisions.values()))

    def _case(self, topic: Engram, vector: Float32, held: _Held, run: Run) -> Case:
        asked = Query(_summary(topic), Scope(topic.namespace), writer=run.recipe)
        near = [(s.score, s.item) for s in self.find(asked, run).items if s.item.id not in held.engrams]
        near += held.nearest(vector, self.k)
        near = sorted(near, key=lambda pair: -pair[0])[: self.k]
        return Case((topic,), tuple(e for _, e in near), tuple(score for score, _ in near))

    def _merging(self, case: Case, run: Run) -> Verdict | None:
        for verdict in self.judge(case, run):
            if verdict.operation == "MERGE" and 0 <= verdict.old < len(case.old):
                return verdict
        return None


class _Held:
    """Topics made just now, each with its vector: in one array, since every further topic is held against all of them."""

    def __init__(self, dimensions: int) -> None:
        self.engrams: dict[EngramId, Engram] = {}
        self._place: dict[EngramId, int] = {}
        self._vectors: Float32 = np.empty((0, dimensions), dtype=np.float32)

    def put(self, engram: Engram, vector: Float32) -> None:
        """Puts one in, or in the place of the one of this id."""
        at = self._place.setdefault(engram.id, len(self._place))
        if at == len(self._vectors):
            grown = np.empty((max(2 * at, 64), len(vector)), dtype=np.float32)
            grown[:at] = self._vectors
            self._vectors = grown
        self.engrams[engram.id], self._vectors[at] = engram, vector

    def nearest(self, vector: Float32, k: int) -> list[tuple[float, Engram]]:
        """The `k` most alike with their cosines, best first."""
        cosines = dots(self._vectors[: len(self._place)], vector)
        known = list(self.engrams.values())
        return [(float(cosines[at]), known[at]) for at in top_k(cosines, k).tolist()]


def unseen(value: Draft, of: str, run: Run) -> list[Unseen]:
    """The sessions of a draft with turns of kind `of` that no reflection has looked at."""
    standing = {e.id: e for e in value.engrams}
    found = []
    for whole in groups_of(value, "session", of, ""):
        made = standing.get(group_id(run, REFLECTION, "session", whole))
        looked = set(made.sources) if made is not None else set()
        new = tuple(e for e in whole.engrams if looked.isdisjoint(e.sources))
        if new:
            before = tuple(e for e in whole.engrams if not looked.isdisjoint(e.sources))
            found.append(Unseen(Group(whole.key, new), before, whole))
    return found


def with_topics(value: Draft, due: Sequence[Unseen], found: Sequence[Sequence[Found]], run: Run) -> Draft:
    """A draft with the topics of some sessions, and a note for each of how far it was looked at."""
    made: dict[EngramId, Engram] = {}
    for one, topics in zip(due, found, strict=True):
        for ordinal, (summary, numbers) in enumerate(topics):
            turns = tuple(one.new.engrams[n] for n in numbers if 0 <= n < len(one.new.engrams))
            if summary and turns:
                topic = _topic(summary, Group(one.new.key, turns), ordinal, run)
                made[topic.id] = topic
    notes = [f"{len(one.whole.engrams)} turns were looked at" for one in due]
    noted = with_groups(value, [one.whole for one in due], notes, "session", REFLECTION, run)
    return replace(noted, engrams=(*noted.engrams, *made.values()))


def _topic(summary: str, turns: Group, ordinal: int, run: Run) -> Engram:
    first, last = turns.engrams[0], turns.engrams[-1]
    sources = tuple(dict.fromkeys(source for e in turns.engrams for source in e.sources))
    return Engram(
        id=derived_id(run.recipe, TOPIC, sources, ordinal),
        namespace=first.namespace,
        recipe=run.recipe,
        kind=TOPIC,
        content=lines(turns),
        occurred_at=last.occurred_at,
        recorded_at=run.clock.now(),
        sources=sources,
        keys=(summary,),
        session=first.session,
        thread=first.thread,
        agent_id=first.agent_id,
        run_id=first.run_id,
    )


def _merged(old: Engram, new: Engram, summary: str) -> Engram:
    """A topic that stands with the turns of a new one behind its own; of no session, agent or run where theirs differ."""
    return replace(
        old,
        content=f"{old.content}\n{new.content}",
        keys=(summary,),
        sources=tuple(dict.fromkeys((*old.sources, *new.sources))),
        occurred_at=max(old.occurred_at, new.occurred_at),
        session=old.session if old.session == new.session else None,
        agent_id=old.agent_id if old.agent_id == new.agent_id else None,
        run_id=old.run_id if old.run_id == new.run_id else None,
    )


def _summary(topic: Engram) -> str:
    return " ".join(topic.keys) or topic.content


def numbered_turns(group: Group) -> str:
    """Turns as a model reads them, numbered from 1."""
    shown = (lines(Group(group.key, (e,))) for e in group.engrams)
    return "\n".join(f"{n}. {line}" for n, line in enumerate(shown, start=1))


def _peak(heights: Sequence[float]) -> float:
    """The height reached by climbing from the first on until it goes down."""
    top = heights[0]
    for height in heights[1:]:
        if height < top:
            break
        top = height
    return top


def _cosine(one: Counter[str], other: Counter[str]) -> float:
    size = math.sqrt(sum(n * n for n in one.values()) * sum(n * n for n in other.values()))
    return sum(n * other[term] for term, n in one.items()) / size if size else 0.0
