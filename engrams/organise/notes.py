"""Notes: what was said with keywords, tags and a sentence of context, linked to older notes, which change with it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from engrams.errors import BadSetting
from engrams.organise.extract import spoken
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import (
    Decision,
    Draft,
    Engram,
    Event,
    EventId,
    Json,
    Link,
    Query,
    Ranked,
    Scope,
    derived_id,
)
from engrams.step import Run, Step
from engrams.words import SPACELESS, STOP_WORDS, words

IndexText = Literal["paper", "released"]

_WORDS = {"type": "array", "items": {"type": "string"}}
NOTE = {
    "type": "object",
    "properties": {"keywords": _WORDS, "context": {"type": "string"}, "tags": _WORDS},
    "required": ["keywords", "context", "tags"],
}
EVOLUTION = {
    "type": "object",
    "properties": {
        "connect": {"type": "array", "items": {"type": "integer", "minimum": 1}},
        "tags": _WORDS,
        "neighbours": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "number": {"type": "integer", "minimum": 1},
                    "context": {"type": "string"},
                    "tags": _WORDS,
                },
                "required": ["number"],
            },
        },
    },
    "required": ["connect", "neighbours"],
}

_PAIR = re.compile(f"[{SPACELESS}]{{2}}")


@dataclass(frozen=True)
class WriteNotes(Step[Draft, Draft]):
    """Makes a note of each message: a model gives keywords, a sentence of context and tags; one call a message.

    A note is an engram of kind `note`; keywords, context and tags stand in its metadata. What it is found by is, with
    `index_text="paper"`, its content with all of these; with "released", context and keywords alone, as the authors' code
    has it until its index is built anew.

    No option of `ExtractFacts`: a note keeps the words as they were said, one for each message, and adds what they are found
    by; facts are new sentences, any number of them.

    Source: A-Mem (Xu et al. 2025), section 3.1, equations 1 to 3; the authors' code for "released".
    Without a model: the words that stand out, and no context (`PlainNotes`).
    """

    asks: ClassVar[tuple[str, ...]] = ("annotate",)

    index_text: IndexText = "paper"
    prompt: Prompt = Prompt("note")

    def __post_init__(self) -> None:
        _require_index_text("WriteNotes", self.index_text)

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Asks and adds.

        Raises:
            ModelError: the model failed, or twice gave what is no annotation.
        """
        said = spoken(value.events)
        who = [f"{e.speaker or e.role} says: {e.content}" for e in said]
        answers = run.chat.ask_many([Ask("annotate", self.prompt, {"message": t}, NOTE) for t in who])
        made = []
        for event, answer in zip(said, answers, strict=True):
            told = answer.value or {}
            about = {
                "keywords": _clean(told["keywords"]),
                "context": " ".join(told["context"].split()),
                "tags": _clean(told["tags"]),
            }
            made.append(_note(event.id, run, value, about, self.index_text))
        return replace(value, engrams=(*value.engrams, *made))

    def without_model(self) -> Step[Draft, Draft]:
        """The counterpart that asks no model."""
        return PlainNotes()


@dataclass(frozen=True)
class PlainNotes(Step[Draft, Draft]):
    """Makes a note of each message, its keywords the `most` (>= 1) content words that it repeats most, then the longest.

    In place of a model's annotation: no tags, no context, and found by all of its words.
    """

    most: int = 5

    def __post_init__(self) -> None:
        if self.most < 1:
            raise BadSetting("PlainNotes.most", self.most, "a number of words, at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the notes."""
        made = [
            _note(
                e.id,
                run,
                value,
                {"keywords": keywords(e.content, self.most), "context": "", "tags": []},
                "paper",
            )
            for e in spoken(value.events)
        ]
        return replace(value, engrams=(*value.engrams, *made))


@dataclass(frozen=True)
class Evolve(Step[Draft, Draft]):
    """Shows a model each new note with the older ones that `find` gives; it connects them, and may rewrite what these say.

    Connected notes get a link `related`; a neighbour's new context and tags are a version of it (EVOLVE), which shows from
    what. A neighbour that the model leaves out stays. One call a note that has neighbours.

    No option of `Reconcile`: its verdicts decide about the new engram; here the new note always stays, and its neighbours
    change.

    Source: A-Mem (Xu et al. 2025), sections 3.2 and 3.3, equations 4 to 7: 5 neighbours. In the authors' code links are places
    in a list, which break when it changes; here they are ids.
    Without a model: links alone (`LinkNeighbours`).
    """

    asks: ClassVar[tuple[str, ...]] = ("evolve",)

    find: Step[Query, Ranked[Engram]]
    index_text: IndexText = "paper"
    prompt: Prompt = Prompt("evolve")

    def __post_init__(self) -> None:
        _require_index_text("Evolve", self.index_text)

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Asks and applies.

        Raises:
            ModelError: the model failed, or twice gave what fits no note.
        """
        notes = {e.id: e for e in value.engrams}
        links, decisions = list(value.links), {d.engram.id: d for d in value.decisions}
        for note in _notes(value):
            near = neighbours(note, self.find, run)
            if not near:
                continue
            answer = run.chat.ask(
                Ask("evolve", self.prompt, {"note": shown([note]), "neighbours": shown(near)}, EVOLUTION)
            )
            told = answer.value or {}
            links += _links(
                note, [near[n - 1] for n in dict.fromkeys(told["connect"]) if n <= len(near)], run
            )
            if told.get("tags"):
                notes[note.id] = _annotated(note, {"tags": _clean(told["tags"])}, self.index_text)
            for change in told["neighbours"]:
                at = int(change["number"]) - 1
                if at < len(near) and near[at].id not in decisions:
                    new = _rewritten(near[at], change, self.index_text)
                    if new != near[at]:
                        why = f"a new note: {note.content}"
                        decisions[new.id] = Decision("EVOLVE", new, why, event_id=EventId(note.sources[-1]))
        return replace(
            value,
            engrams=tuple(notes.values()),
            links=tuple(links),
            decisions=tuple(decisions.values()),
        )

    def without_model(self) -> Step[Draft, Draft]:
        """The counterpart that asks no model."""
        return LinkNeighbours(find=self.find)


@dataclass(frozen=True)
class LinkNeighbours(Step[Draft, Draft]):
    """Links each new note of a draft to the older ones that `find` gives and that score at least `least` (a cosine, -1..1).

    In place of a model that connects: what is alike is connected, and nothing is rewritten.
    """

    find: Step[Query, Ranked[Engram]]
    least: float = 0.5

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the links."""
        made = [
            link
            for note in _notes(value)
            for link in _links(note, neighbours(note, self.find, run, self.least), run)
        ]
        return replace(value, links=(*value.links, *made))


def keywords(text: str, most: int) -> list[str]:
    """The content words of a text that stand out: those said most often, among equals the longest, at most `most`.

    Words of one or two letters tell too little; in scripts without spaces two signs are a word.
    """
    said = Counter(w for w in words(text) if w not in STOP_WORDS and (len(w) > 2 or _PAIR.fullmatch(w)))
    return sorted(said, key=lambda w: (-said[w], -len(w), w))[:most]


def neighbours(
    note: Engram, find: Step[Query, Ranked[Engram]], run: Run, least: float | None = None
) -> list[Engram]:
    """What stands nearest to an engram's content, without itself; with `least`, only what scores that much."""
    found = find(Query(note.content, Scope(note.namespace), writer=run.recipe), run)
    return [s.item for s in found.items if s.item.id != note.id and (least is None or s.score >= least)]


def shown(notes: Sequence[Engram]) -> str:
    """Notes as a model reads them, numbered from 1."""
    return "\n".join(
        f"{n}. [{e.occurred_at:%Y-%m-%d}] {e.speaker or e.role}: {e.content}\n"
        f"   context: {e.metadata.get('context', '')}\n"
        f"   keywords: {', '.join(e.metadata.get('keywords', ()))}\n"
        f"   tags: {', '.join(e.metadata.get('tags', ()))}"
        for n, e in enumerate(notes, start=1)
    )


def index_keys(content: str, about: Mapping[str, Json], index_text: IndexText) -> tuple[str, ...]:
    """What a note is found by."""
    names = ", ".join(about["keywords"])
    if index_text == "released":
        return (f"{about['context']} keywords: {names}",)
    parts = (content, about["context"], names, ", ".join(about["tags"]))
    return (" ".join(part for part in parts if part),)


def _require_index_text(step: str, given: str) -> None:
    if given not in ("paper", "released"):
        raise BadSetting(f"{step}.index_text", given, "'paper' or 'released'")


def _notes(value: Draft) -> list[Engram]:
    return [e for e in value.engrams if e.kind == "note" and e.state == "active"]


def _note(event_id: str, run: Run, value: Draft, about: Mapping[str, Json], index_text: IndexText) -> Engram:
    event = next(e for e in value.events if e.id == event_id)
    return Engram(
        id=derived_id(run.recipe, "note", (event.id,)),
        namespace=event.namespace,
        recipe=run.recipe,
        kind="note",
        content=event.content,
        keys=index_keys(_told(event), about, index_text),
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_at,
        sources=(event.id,),
        role=event.role,
        speaker=event.speaker,
        session=event.session,
        agent_id=event.agent_id,
        run_id=event.run_id,
        thread=event.thread,
        metadata={**event.metadata, **about},
    )


def _told(turn: Event | Engram) -> str:
    """What a turn says, with who says it where they have a name: the authors' code makes notes of such lines."""
    return f"{turn.speaker} says: {turn.content}" if turn.speaker else turn.content


def _annotated(note: Engram, about: Mapping[str, Json], index_text: IndexText) -> Engram:
    whole = {**note.metadata, **about}
    return replace(note, metadata=whole, keys=index_keys(_told(note), whole, index_text))


def _rewritten(note: Engram, change: Mapping[str, Json], index_text: IndexText) -> Engram:
    """A neighbour with the context and tags a model gave it; what it left out stays."""
    about: dict[str, Json] = {}
    if str(change.get("context") or "").strip():
        about["context"] = " ".join(str(change["context"]).split())
    if change.get("tags"):
        about["tags"] = _clean(change["tags"])
    return _annotated(note, about, index_text) if about else note


def _links(note: Engram, others: Sequence[Engram], run: Run) -> list[Link]:
    return [Link(note.id, other.id, "related", 1.0, run.recipe) for other in others]


def _clean(said: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(" ".join(word.split()) for word in said if word.strip()))
