"""Extracts statements: what a reader would note down of a conversation, one by one; by a model, or sentence by sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.organise.facts import sentences
from engrams.ports import Ask, Where
from engrams.prompts import Prompt
from engrams.records import Draft, Engram, Event, Query, Ranked, Scope, derived_id
from engrams.step import Run, Step
from engrams.words import STOP_WORDS, words

FACTS = {
    "type": "object",
    "properties": {"facts": {"type": "array", "items": {"type": "string"}}},
    "required": ["facts"],
}


@dataclass(frozen=True)
class ExtractFacts(Step[Draft, Draft]):
    """Asks a model for the facts in the messages of a draft; each becomes an engram of kind `fact`. One call.

    The model is shown the `recent` (>= 0) messages that went before, to know what "it" and "there" are; facts are asked of
    the new ones alone. `roles` are whose words count (none: everybody's). A fact rests on all messages of the draft whose
    words counted: the recipe's `unit` says how many these are. With `known` the model is also shown the facts that it finds for
    the new messages, to tell only what is new. What an answer tells twice is kept once.

    Source: Mem0 (Chhikara et al. 2025), section 2.1, the extraction phase: 10 recent messages. Its rolling summary of the
    conversation is not among them here. `known`: Mem0's code of 2026, with 10 facts.
    Without a model: the sentences themselves (`TakeSentences`).
    """

    asks: ClassVar[tuple[str, ...]] = ("extract",)

    recent: int = 10
    roles: tuple[str, ...] = ()
    prompt: Prompt = Prompt("facts")
    known: Step[Query, Ranked[Engram]] | None = None

    def __post_init__(self) -> None:
        if self.recent < 0:
            raise BadSetting("ExtractFacts.recent", self.recent, "a number of messages, at least 0")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Asks and adds.

        Raises:
            ModelError: the model failed, or twice gave what is no list of facts.
        """
        said = spoken(value.events, self.roles)
        if not said:
            return value
        shown = {"earlier": dialogue(before_this(said, self.recent, run)), "messages": dialogue(said)}
        if self.known is not None:
            asked = Query(shown["messages"], Scope(said[0].namespace), writer=run.recipe)
            standing = self.known(asked, run).items
            shown = {"memories": "\n".join(s.item.content for s in standing), **shown}
        answer = run.chat.ask(Ask("extract", self.prompt, shown, FACTS))
        facts = dict.fromkeys(" ".join(fact.split()) for fact in (answer.value or {})["facts"])
        return with_facts(value, said, [fact for fact in facts if fact], run)

    def without_model(self) -> Step[Draft, Draft]:
        """The counterpart that asks no model."""
        return TakeSentences(roles=self.roles)


@dataclass(frozen=True)
class TakeSentences(Step[Draft, Draft]):
    """Takes each sentence that states something for a fact of its speaker; questions and small talk are left out.

    A statement has at least `words` (>= 1) words of content; it is kept as an engram of kind `into`, and found with the name of who
    said it, as a model's fact says whom it is about: without, what others call them by name ("Wow, Anna!") is nearer to a question
    about them than what they tell. In place of a model's facts: nothing is made clearer, and nothing is made up.
    """

    words: int = 2
    roles: tuple[str, ...] = ()
    into: str = "fact"

    def __post_init__(self) -> None:
        if self.words < 1:
            raise BadSetting("TakeSentences.words", self.words, "a number of words, at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the facts."""
        made = value
        for event in spoken(value.events, self.roles):
            told = [
                s
                for s in sentences(event.content)
                if not s.rstrip().endswith(("?", "？"))
                and sum(w not in STOP_WORDS for w in words(s)) >= self.words
            ]
            before = len(made.engrams)
            made = with_facts(made, (event,), told, run, self.into)
            facts = tuple(replace(fact, keys=named(fact)) for fact in made.engrams[before:])
            made = replace(made, engrams=(*made.engrams[:before], *facts))
        return made


def named(engram: Engram) -> tuple[str, ...]:
    """What an engram is found by, with the name of who said it before it; as it is where nobody has one."""
    if not engram.speaker:
        return engram.keys
    return tuple(f"{engram.speaker}: {key}" for key in engram.keys or (engram.content,))


def spoken(events: Sequence[Event], roles: tuple[str, ...] = ()) -> tuple[Event, ...]:
    """The messages among events that say something, of these roles (none: any)."""
    return tuple(
        e for e in events if e.kind == "message" and e.content.strip() and (not roles or e.role in roles)
    )


def before_this(events: Sequence[Event], most: int, run: Run) -> tuple[Event, ...]:
    """The last messages of the same conversation that were journalled before these, at most `most`, oldest first."""
    if not most or not events:
        return ()
    here = Scope(events[0].namespace, session=events[0].session)
    ids = {e.id for e in events}
    found: list[Event] = []
    # The journal is read backwards; events of later jobs may already stand in it.
    newest = run.store.journal(here, Where(), limit=most + len(ids) + LOOKED_PAST, newest_first=True)
    for _, event in newest:
        if event.id not in ids and event.id < events[0].id:
            found.append(event)
    return tuple(reversed(found[:most]))


#: Messages journalled after those at work that are looked past at most, where a job is behind.
LOOKED_PAST = 500


def dialogue(events: Sequence[Event]) -> str:
    """Messages as a model reads them: day, speaker, words."""
    return "\n".join(f"[{e.occurred_at:%Y-%m-%d}] {e.speaker or e.role}: {e.content}" for e in events)


def with_facts(
    value: Draft, events: Sequence[Event], facts: Sequence[str], run: Run, into: str = "fact"
) -> Draft:
    """A draft with facts that rest on these messages, as engrams of kind `into`."""
    ids = tuple(e.id for e in events)
    held = sum(e.kind == into and e.sources == ids for e in value.engrams)
    made = [of_messages(events, run, into, fact, held + ordinal) for ordinal, fact in enumerate(facts)]
    return replace(value, engrams=(*value.engrams, *made))


def of_messages(events: Sequence[Event], run: Run, kind: str, content: str, ordinal: int) -> Engram:
    """An engram that rests on messages, at the time of the last; the speaker's where all have one, the role's where it is one."""
    last = events[-1]
    ids = tuple(e.id for e in events)
    return Engram(
        id=derived_id(run.recipe, kind, ids, ordinal),
        namespace=last.namespace,
        recipe=run.recipe,
        kind=kind,
        content=content,
        occurred_at=last.occurred_at,
        recorded_at=last.recorded_at,
        sources=ids,
        role=last.role if len(events) == 1 else "",
        speaker=last.speaker if len({e.speaker for e in events}) == 1 else None,
        session=last.session,
        agent_id=last.agent_id,
        run_id=last.run_id,
        thread=last.thread,
        metadata=last.metadata,
    )


_EDGES = re.compile(r"^\W+|\W+$")


def plain(text: str) -> str:
    """A text as repeats are told by: folded, without what stands around its words."""
    return _EDGES.sub("", " ".join(text.casefold().split()))
