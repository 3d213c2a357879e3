"""Schedules: brings what will be needed into working memory, and lets the rest of it go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from engrams.errors import BadSetting, NeedsExtra
from engrams.organise.judge import numbered
from engrams.organise.notes import keywords
from engrams.ports import Ask, Where
from engrams.prompts import Prompt
from engrams.records import Decision, Draft, Engram, EngramId, Event, Query, Ranked, Scope
from engrams.step import Run, Step
from engrams.words import words

#: Keys of the metadata of what is in working memory: its importance, how often it was brought in, and up to which message.
WORKING, RECORDINGS, UNTIL = "working", "recordings", "working_until"
MISSING = {
    "type": "object",
    "properties": {"missing": {"type": "array", "items": {"type": "string"}}},
    "required": ["missing"],
}
ORDER = {
    "type": "object",
    "properties": {"numbers": {"type": "array", "items": {"type": "integer", "minimum": 1}}},
    "required": ["numbers"],
}
#: Messages looked back at for those that count.
LOOKED_BACK = 50
#: Weights of order, keywords and recordings, and what the last two count at most. Source: MemOS, `MemoryMonitorItem`.
WEIGHTS, MOST_KEYWORDS, MOST_RECORDINGS = (0.9, 0.05, 0.05), 5.0, 2.0


@dataclass(frozen=True, slots=True)
class AtHand:
    """What was said last, oldest first, and memories."""

    said: tuple[str, ...]
    memories: tuple[Engram, ...]


@dataclass(frozen=True)
class AskMissing(Step[AtHand, tuple[str, ...]]):
    """Asks a model what to look up for what was said last, given what is in working memory: at most `most` (>= 1) phrases. One call.

    Source: MemOS (Li et al. 2025), the scheduler's intent: whether to retrieve, and which evidence is missing.
    Without a model: what was said last, as it is (`SaidLast`).
    """

    asks: ClassVar[tuple[str, ...]] = ("schedule",)

    most: int = 3
    prompt: Prompt = Prompt("missing_evidence")

    def __post_init__(self) -> None:
        if self.most < 1:
            raise BadSetting("AskMissing.most", self.most, "a number of phrases, at least 1")

    def __call__(self, value: AtHand, run: Run) -> tuple[str, ...]:
        """Asks.

        Raises:
            ModelError: the model failed, or twice gave what are no phrases.
        """
        shown = {"said": "\n".join(value.said), "memories": numbered(value.memories)}
        answer = run.chat.ask(Ask("schedule", self.prompt, shown, MISSING, slots={"most": self.most}))
        found = (" ".join(phrase.split()) for phrase in (answer.value or {})["missing"])
        return tuple(dict.fromkeys(phrase for phrase in found if phrase))[: self.most]

    def without_model(self) -> Step[AtHand, tuple[str, ...]]:
        """The counterpart that asks no model."""
        return SaidLast()


@dataclass(frozen=True)
class SaidLast(Step[AtHand, tuple[str, ...]]):
    """Looks up what was said last, in place of a model that would say what is missing."""

    def __call__(self, value: AtHand, run: Run) -> tuple[str, ...]:
        """The same."""
        return value.said


@dataclass(frozen=True)
class AskOrder(Step[AtHand, tuple[int, ...]]):
    """Asks a model for the order in which memories will be needed; what it leaves out is not needed. One call.

    Source: MemOS (Li et al. 2025), the scheduler's reranking; its second question, which are unrelated, is part of this one.
    Without a model: by the nearest of what was said last (`ByCloseness`).
    """

    asks: ClassVar[tuple[str, ...]] = ("schedule",)

    prompt: Prompt = Prompt("order_by_need")

    def __call__(self, value: AtHand, run: Run) -> tuple[int, ...]:
        """Asks; numbers from 0.

        Raises:
            ModelError: the model failed, or twice gave what are no numbers.
        """
        shown = {"said": "\n".join(value.said), "memories": numbered(value.memories)}
        answer = run.chat.ask(Ask("schedule", self.prompt, shown, ORDER))
        given = dict.fromkeys(n - 1 for n in (answer.value or {})["numbers"])
        return tuple(n for n in given if n < len(value.memories))

    def without_model(self) -> Step[AtHand, tuple[int, ...]]:
        """The counterpart that asks no model."""
        return ByCloseness()


@dataclass(frozen=True)
class ByCloseness(Step[AtHand, tuple[int, ...]]):
    """Orders memories by their cosine with the nearest of what was said last, in place of a model; all are kept."""

    def __call__(self, value: AtHand, run: Run) -> tuple[int, ...]:
        """Orders.

        Raises:
            NeedsExtra: there is no embedder.
            ModelError: the embedder failed.
        """
        if run.embedder is None:
            raise NeedsExtra(f"{run.recipe!r} orders by vectors, and so", "embed")
        close = (
            run.embedder.embed([m.content for m in value.memories]) @ run.embedder.embed(list(value.said)).T
        )
        return tuple(int(n) for n in np.argsort(-close.max(axis=1), kind="stable"))


@dataclass(frozen=True)
class Schedule(Step[Draft, Draft]):
    """Brings what `missing` names and `find` gives into working memory, with what is there, in the order of `order`.

    The `capacity` (>= 1) most important stay; each has its importance under `working` in its metadata: 0.9 of its place from the end,
    plus 0.05 times min(0.05 times how often it holds a keyword of what was said last, 5), plus 0.05 times min(0.05 times how often it
    was brought in, 2). Of what was there and is not needed now, the `retained` (>= 0) most important stay as if brought in just once,
    last. Texts alike by a cosine of `alike` (-1..1) or more count once, those of fewer than `shortest` words (of Chinese: characters)
    not at all. The last `window` (>= 1) messages of `roles` are what was said; where none is newer than the last time, nothing
    happens. Each memory that comes or goes is a new version (EVOLVE). For a consolidate chain.

    No option of `KeepCapacities`: that ends what is too much in a tier; this brings in, ranks and leaves what working memory
    holds, and ends nothing.

    Source: MemOS (Li et al. 2025), the authors' code: 20 memories, 2 retained, 5 messages, 0.75, 6, and the weights.
    """

    find: Step[Query, Ranked[Engram]]
    missing: Step[AtHand, tuple[str, ...]] = AskMissing()
    order: Step[AtHand, tuple[int, ...]] = AskOrder()
    kind: str = "fact"
    capacity: int = 20
    retained: int = 2
    window: int = 5
    alike: float = 0.75
    shortest: int = 6
    roles: tuple[str, ...] = ("user", "human", "")

    def __post_init__(self) -> None:
        for name, least in (("capacity", 1), ("retained", 0), ("window", 1), ("shortest", 0)):
            if getattr(self, name) < least:
                raise BadSetting(f"Schedule.{name}", getattr(self, name), f"a number of at least {least}")
        if not -1 <= self.alike <= 1:
            raise BadSetting("Schedule.alike", self.alike, "a cosine from -1 to 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Looks up, orders and decides.

        Raises:
            NeedsExtra: there is no embedder.
            ModelError: a model failed.
        """
        gone = {d.engram.id for d in value.decisions}
        standing = {
            e.id: e for e in value.engrams if e.kind == self.kind and e.state == "active" and e.id not in gone
        }
        before = [e for e in standing.values() if WORKING in e.metadata]
        said = self._said(run)
        if not said or any(e.metadata.get(UNTIL) == said[-1].id for e in before):
            return value
        texts = tuple(e.content for e in said)
        phrases = self.missing(AtHand(texts, tuple(before)), run)
        if not phrases:
            return value
        candidates = {e.id: e for e in sorted(before, key=_importance, reverse=True)}
        asked = [Query(phrase, Scope(said[-1].namespace), writer=run.recipe) for phrase in phrases]
        for ranked in self.find.many(asked, run):
            for scored in ranked.items:
                if scored.item.id in standing:
                    candidates.setdefault(scored.item.id, scored.item)
        apart = self._apart(list(candidates.values()), run)
        if not apart:
            return value
        needed = [apart[n] for n in self.order(AtHand(texts, tuple(apart)), run)]
        return self._replaced(value, before, needed, said, standing)

    def _said(self, run: Run) -> list[Event]:
        found = run.store.journal(run.scope, Where(), limit=LOOKED_BACK, newest_first=True)
        last = [e for _, e in found if e.role in self.roles and e.content.strip()][: self.window]
        return last[::-1]

    def _apart(self, memories: Sequence[Engram], run: Run) -> list[Engram]:
        """Those that say enough, and are not like one before them."""
        if run.embedder is None:
            raise NeedsExtra(f"{run.recipe!r} tells repeats by vectors, and so", "embed")
        told = [m for m in memories if len(words(m.content)) >= self.shortest]
        if not told:
            return []
        vectors = run.embedder.embed([m.content for m in told])
        kept: list[int] = []
        for n in range(len(told)):
            if not kept or float((vectors[kept] @ vectors[n]).max()) < self.alike:
                kept.append(n)
        return [told[n] for n in kept]

    def _replaced(
        self,
        value: Draft,
        before: Sequence[Engram],
        needed: Sequence[Engram],
        said: Sequence[Event],
        standing: Mapping[EngramId, Engram],
    ) -> Draft:
        counts = Counter(w.casefold() for e in said for w in keywords(e.content, KEYWORDS))
        now: dict[EngramId, tuple[float, int]] = {}
        for place, memory in enumerate(needed):
            times = int(memory.metadata.get(RECORDINGS, 0)) + 1
            now[memory.id] = (importance(len(needed) - place, held(memory.content, counts), times), times)
        left = sorted((e for e in before if e.id not in now), key=_importance, reverse=True)
        now |= {e.id: (importance(0, 0, 1), 1) for e in left[: self.retained]}
        best = dict(sorted(now.items(), key=lambda pair: -pair[1][0])[: self.capacity])
        changed: dict[EngramId, Engram] = {}
        for id in (*best, *(e.id for e in before if e.id not in best)):
            old = standing[id]
            kept = {k: v for k, v in old.metadata.items() if k not in (WORKING, RECORDINGS, UNTIL)}
            if id in best:
                kept |= {WORKING: round(best[id][0], 4), RECORDINGS: best[id][1], UNTIL: said[-1].id}
            changed[id] = replace(old, metadata=kept)
        why = {True: "brought into working memory", False: "left working memory"}
        made = [Decision("EVOLVE", e, why[id in best], event_id=said[-1].id) for id, e in changed.items()]
        return replace(
            value,
            engrams=tuple(changed.get(e.id, e) for e in value.engrams),
            decisions=(*value.decisions, *made),
        )


#: Keywords of a message that count. Source: none; MemOS has a model name them.
KEYWORDS = 5


def importance(order: float, said: int, recordings: int) -> float:
    """How important a memory at hand is: by its place from the end, keywords of what was said that it holds, and times brought in."""
    by_order, by_keywords, by_recordings = WEIGHTS
    return (
        by_order * order
        + by_keywords * min(by_keywords * said, MOST_KEYWORDS)
        + by_recordings * min(by_recordings * recordings, MOST_RECORDINGS)
    )


def held(text: str, counts: Mapping[str, int]) -> int:
    """How often a text holds keywords, each as often as it was said."""
    low = text.casefold()
    return sum(low.count(word) * times for word, times in counts.items())


def _importance(engram: Engram) -> float:
    return float(engram.metadata.get(WORKING, 0.0))
