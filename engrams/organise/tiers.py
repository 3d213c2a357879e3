"""Memories in tiers: what a window of messages gives, how much of each tier is kept, and what a new one does to those it contradicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.organise.extract import TakeSentences, before_this, dialogue, of_messages, spoken
from engrams.organise.judge import Case, RuleVerdicts, Verdict, numbered
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import Decision, Draft, Engram
from engrams.step import Run, Step
from engrams.words import words

#: The key of a memory's metadata that says its tier, and the two tiers in which memories are kept for long.
TIER, USER, LONG_TERM = "tier", "user", "long-term"
MEMORIES = {
    "type": "object",
    "properties": {
        "memories": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "key": {"type": "string"},
                    "tier": {"type": "string", "enum": [USER, LONG_TERM]},
                    "text": {"type": "string"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["key", "tier", "text", "tags"],
            },
        }
    },
    "required": ["memories"],
}
RELATION = {
    "type": "object",
    "properties": {"relation": {"type": "string", "enum": ["contradictory", "redundant", "independent"]}},
    "required": ["relation"],
}
FUSED = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
#: How somebody speaks of themselves, in English; in other languages all is long-term without a model.
ONESELF = frozenset({"i", "i'm", "i've", "i'd", "i'll", "my", "me", "mine", "we", "our"})


@dataclass(frozen=True)
class ExtractTiers(Step[Draft, Draft]):
    """Asks a model for the memories in the messages of a draft, each with its tier, a key and tags; engrams of kind `fact`. One call.

    The tier is "user" for what a person is like and wants, else "long-term"; tier, key and tags stand in the metadata. The model is
    shown the `recent` (>= 0) messages that went before: windows overlap by so many, and are as long as the recipe's `unit`.

    No option of `ExtractFacts`, whose answers are sentences alone.

    Source: MemOS (Li et al. 2025), the authors' code: windows of at most 10 messages that overlap by 2, key, memory type, value, tags.
    Without a model: sentences; those in which the user speaks of themselves are of the tier "user" (`TakeTiers`).
    """

    asks: ClassVar[tuple[str, ...]] = ("extract",)

    recent: int = 2
    prompt: Prompt = Prompt("memories_of_window")

    def __post_init__(self) -> None:
        if self.recent < 0:
            raise BadSetting("ExtractTiers.recent", self.recent, "a number of messages, at least 0")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Asks and adds.

        Raises:
            ModelError: the model failed, or twice gave what are no memories.
        """
        said = spoken(value.events)
        if not said:
            return value
        shown = {"earlier": dialogue(before_this(said, self.recent, run)), "messages": dialogue(said)}
        answer = run.chat.ask(Ask("extract", self.prompt, shown, MEMORIES))
        made: list[Engram] = []
        for told in (answer.value or {})["memories"]:
            text = " ".join(told["text"].split())
            if text:
                fact = of_messages(said, run, "fact", text, len(made))
                more = {TIER: told["tier"], "key": told["key"].strip(), "tags": list(told["tags"])}
                made.append(replace(fact, metadata={**fact.metadata, **more}))
        return replace(value, engrams=(*value.engrams, *made))

    def without_model(self) -> Step[Draft, Draft]:
        """The counterpart that asks no model."""
        return TakeTiers(take=TakeSentences())


@dataclass(frozen=True)
class TakeTiers(Step[Draft, Draft]):
    """Takes each sentence that states something (as `take` does) for a memory: "user" where a user says it of themselves, else "long-term".

    In place of a model: no keys, no tags, and English alone.
    """

    take: Step[Draft, Draft]
    roles: tuple[str, ...] = ("user", "human", "")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the memories."""
        held = {e.id for e in value.engrams}
        made = self.take(value, run)
        return replace(made, engrams=tuple(e if e.id in held else self._tiered(e) for e in made.engrams))

    def _tiered(self, engram: Engram) -> Engram:
        own = engram.role in self.roles and not ONESELF.isdisjoint(words(engram.content))
        return replace(engram, metadata={**engram.metadata, TIER: USER if own else LONG_TERM})


@dataclass(frozen=True)
class AskConflicts(Step[Case, tuple[Verdict, ...]]):
    """Asks a model of each pair of a new memory and a standing one how they relate, and to fuse what is contradictory or redundant.

    What is fused stands in place of both (MERGE); where the model cannot tell, the older of the two goes (DELETE of the standing one, NOOP
    for the new). One call a pair, and one a pair that is not independent. With `reorganise` false nothing is asked and all is added.

    No option of `AskVerdicts`, which is asked once for all: this looks at pairs, and fuses in a question of its own.

    Source: MemOS (Li et al. 2025), the authors' code, `NodeHandler`; there `is_reorganize` is off unless somebody turns it on.
    Without a model: repeats and outright changes, by rules (`RuleVerdicts`).
    """

    asks: ClassVar[tuple[str, ...]] = ("reconcile",)

    reorganise: bool = True
    relate: Prompt = Prompt("relation_of_pair")
    resolve: Prompt = Prompt("resolve_pair")

    def __call__(self, value: Case, run: Run) -> tuple[Verdict, ...]:
        """Asks.

        Raises:
            ModelError: the model failed, or twice gave what is no answer.
        """
        made: list[Verdict] = []
        for number, fact in enumerate(value.facts if self.reorganise else ()):
            asks = [Ask("reconcile", self.relate, _pair(fact, old), RELATION) for old in value.old]
            said = [str((a.value or {})["relation"]) for a in run.chat.ask_many(asks)]
            for at, relation in enumerate(said):
                if relation == "independent":
                    continue
                old = value.old[at]
                answer = run.chat.ask(Ask("reconcile", self.resolve, _pair(fact, old), FUSED))
                text = " ".join(str((answer.value or {})["text"]).split())
                if text:
                    made.append(Verdict(number, "MERGE", at, text, relation))
                    break  # the new one is in the fused one now, and is held against nothing else
                if old.occurred_at > fact.occurred_at:
                    made.append(Verdict(number, "NOOP", at, why=relation))
                    break
                made.append(Verdict(number, "DELETE", at, why=relation))
        return tuple(made)

    def without_model(self) -> Step[Case, tuple[Verdict, ...]]:
        """The counterpart that asks no model."""
        return RuleVerdicts()


def _pair(fact: Engram, old: Engram) -> dict[str, str]:
    return {"standing": numbered((old,)), "new": numbered((fact,))}


@dataclass(frozen=True)
class KeepCapacities(Step[Draft, Draft]):
    """Archives the oldest memories of each tier beyond its capacity, `capacities` (tier, number >= 1); what is pinned stays.

    For a consolidate chain, whose draft holds all that stands.

    No option of `Forget`, which draws by a curve of time: this is a queue, first in, first out.

    Source: MemOS (Li et al. 2025), the authors' code: 1500 long-term and 480 user memories.
    """

    capacities: tuple[tuple[str, int], ...] = ((LONG_TERM, 1500), (USER, 480))

    def __post_init__(self) -> None:
        if any(most < 1 for _, most in self.capacities):
            raise BadSetting(
                "KeepCapacities.capacities", self.capacities, "tiers with at least 1 memory each"
            )

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Decides."""
        made = [
            Decision(
                "DELETE", replace(engram, state="archived"), f"more than {most} memories of the tier {tier}"
            )
            for tier, most in self.capacities
            for engram in _oldest_first(value, tier)[:-most]
            if not engram.pinned
        ]
        return replace(value, decisions=(*value.decisions, *made))


def _oldest_first(value: Draft, tier: str) -> Sequence[Engram]:
    held = [e for e in value.engrams if e.state == "active" and e.metadata.get(TIER) == tier]
    return sorted(held, key=lambda e: (e.occurred_at, e.recorded_at))
