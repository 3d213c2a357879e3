"""Thinks a session over: what happened in it that is worth keeping, as thoughts with tags of an ontology."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.organise.central import central_sentences
from engrams.organise.groups import Group, groups_of, lines, with_groups
from engrams.organise.notes import keywords
from engrams.organise.topics import REFLECTION, Unseen, numbered_turns, topic_shifts, unseen
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import Draft, Engram, EngramId, derived_id
from engrams.step import Run, Step

THOUGHT = "thought"
#: The tags that a model is offered first. Ours: the paper's ontology could not be read.
ONTOLOGY = (
    *("person", "family", "friends", "home", "work", "study", "health", "feelings", "food", "hobby", "sport"),
    *("travel", "event", "plan", "preference", "possession", "money", "animal", "culture", "advice"),
)
_WORDS = {"type": "array", "items": {"type": "string"}}
THOUGHTS = {
    "type": "object",
    "properties": {
        "thoughts": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "thought": {"type": "string"},
                    "tags": _WORDS,
                    "turns": {"type": "array", "items": {"type": "integer", "minimum": 1}},
                },
                "required": ["thought", "tags", "turns"],
            },
        }
    },
    "required": ["thoughts"],
}


@dataclass(frozen=True, slots=True)
class Thought:
    """What is kept of a session: a text, its tags, and the numbers (from 0) of the turns it rests on."""

    text: str
    tags: tuple[str, ...]
    turns: tuple[int, ...]


@dataclass(frozen=True)
class ThinkOver(Step[Draft, Draft]):
    """Asks a model what of each session's turns (engrams of kind `of`) is worth keeping: thoughts, each with tags and its turns.

    A thought is an engram of kind `thought`, its tags in the metadata. The tags of `ontology` and those in use are offered; the model
    may add to them. Only turns that were not thought over before are asked about, with the `recent` (>= 0) before them to be understood
    by; how far that is stands in an engram of kind `reflection`. One call a session that has grown. For a consolidate chain.

    No option of `ExtractTopics`, whose topics are the raw turns, found by a summary.

    Source: CAIM (Westhäußer et al. 2025), post-thinking, memory extension.
    Without a model: the central sentences of turns between shifts of vocabulary, with their words as tags (`TakeThoughts`).
    """

    asks: ClassVar[tuple[str, ...]] = ("extract",)

    of: str = "passage"
    recent: int = 10
    ontology: tuple[str, ...] = ONTOLOGY
    prompt: Prompt = Prompt("session_thoughts")

    def __post_init__(self) -> None:
        if self.recent < 0:
            raise BadSetting("ThinkOver.recent", self.recent, "a number of turns, at least 0")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Asks and adds.

        Raises:
            ModelError: the model failed, or twice gave what are no thoughts. Nothing counts as thought over.
        """
        due = unseen(value, self.of, run)
        offered = "\n".join(dict.fromkeys((*self.ontology, *_in_use(value))))
        asks = [
            Ask(
                "extract",
                self.prompt,
                {"tags": offered, "earlier": self._earlier(one), "turns": numbered_turns(one.new)},
                THOUGHTS,
            )
            for one in due
        ]
        found = [
            [
                Thought(
                    " ".join(told["thought"].split()),
                    tuple(
                        dict.fromkeys(tag for t in told["tags"] if (tag := " ".join(t.casefold().split())))
                    ),
                    tuple(sorted({n - 1 for n in told["turns"]})),
                )
                for told in (answer.value or {})["thoughts"]
            ]
            for answer in run.chat.ask_many(asks)
        ]
        return with_thoughts(value, due, found, run)

    def _earlier(self, one: Unseen) -> str:
        return lines(Group(one.new.key, one.before[-self.recent :] if self.recent else ()))

    def without_model(self) -> Step[Draft, Draft]:
        """The counterpart that asks no model."""
        return TakeThoughts(of=self.of)


@dataclass(frozen=True)
class TakeThoughts(Step[Draft, Draft]):
    """Takes the `most` (>= 1) central sentences of each run of turns between two shifts of vocabulary for a thought.

    Its tags are the `tags` (>= 1) words of the run that stand out. In place of a model: nothing is said in other words, and tags
    are what was said, not what it is about. `width` (>= 1) turns before and after a gap are compared.

    Source: TextTiling (Hearst 1997), as `SplitTopics`.
    """

    of: str = "passage"
    width: int = 2
    most: int = 2
    tags: int = 10

    def __post_init__(self) -> None:
        for name in ("width", "most", "tags"):
            if getattr(self, name) < 1:
                raise BadSetting(f"TakeThoughts.{name}", getattr(self, name), "a whole number of at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the thoughts."""
        due = unseen(value, self.of, run)
        found = []
        for one in due:
            said = [e.content for e in one.new.engrams]
            ends = [0, *topic_shifts(said, self.width), len(said)]
            found.append([self._thought(said, tuple(range(a, b))) for a, b in pairwise(ends)])
        return with_thoughts(value, due, found, run)

    def _thought(self, said: Sequence[str], turns: tuple[int, ...]) -> Thought:
        own = [said[n] for n in turns]
        return Thought(
            " ".join(central_sentences(own, self.most)), tuple(keywords(" ".join(own), self.tags)), turns
        )


def with_thoughts(value: Draft, due: Sequence[Unseen], found: Sequence[Sequence[Thought]], run: Run) -> Draft:
    """A draft with the thoughts on some sessions, and a note for each of how far it was thought over."""
    made: dict[EngramId, Engram] = {}
    for one, thoughts in zip(due, found, strict=True):
        whole = range(len(one.new.engrams))
        for ordinal, thought in enumerate(thoughts):
            if thought.text:
                turns = [one.new.engrams[n] for n in thought.turns if n in whole] or list(one.new.engrams)
                engram = _engram(thought, turns, ordinal, run)
                made[engram.id] = engram
    notes = [f"{len(one.whole.engrams)} turns were thought over" for one in due]
    noted = with_groups(value, [one.whole for one in due], notes, "session", REFLECTION, run)
    return replace(noted, engrams=(*noted.engrams, *made.values()))


def _engram(thought: Thought, turns: Sequence[Engram], ordinal: int, run: Run) -> Engram:
    last = turns[-1]
    sources = tuple(dict.fromkeys(source for turn in turns for source in turn.sources))
    return Engram(
        id=derived_id(run.recipe, THOUGHT, sources, ordinal),
        namespace=last.namespace,
        recipe=run.recipe,
        kind=THOUGHT,
        content=thought.text,
        occurred_at=last.occurred_at,
        recorded_at=run.clock.now(),
        sources=sources,
        session=last.session,
        thread=last.thread,
        agent_id=last.agent_id,
        run_id=last.run_id,
        metadata={"tags": list(thought.tags)},
    )


def _in_use(value: Draft) -> list[str]:
    """The tags of the thoughts that stand, oldest first."""
    groups = groups_of(value, "all", THOUGHT, "")
    return [str(tag) for group in groups for e in group.engrams for tag in e.metadata.get("tags", ())]
