"""A person in layers: notes sorted into named topics, topics drawn together into facets."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.organise.central import central_sentences
from engrams.organise.extract import plain
from engrams.organise.groups import Group, lines, with_groups
from engrams.organise.long_ones import SUMMARY
from engrams.organise.topics import REFLECTION, TOPIC, unseen
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import Decision, Draft, Engram, EngramId, derived_id
from engrams.step import Run, Step
from engrams.words import STOP_WORDS, words

FACET = "facet"
#: The key of a topic's or a facet's metadata that holds its name.
NAME = "name"
TOPICS = {
    "type": "object",
    "properties": {
        "topics": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "description": {"type": "string"},
                    "notes": {"type": "array", "items": {"type": "integer", "minimum": 1}},
                },
                "required": ["name", "description", "notes"],
            },
        }
    },
    "required": ["topics"],
}
FACETS = {
    "type": "object",
    "properties": {
        "facets": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "description": {"type": "string"},
                    "topics": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["name", "description", "topics"],
            },
        }
    },
    "required": ["facets"],
}


@dataclass(frozen=True)
class NameTopics(Step[Draft, Draft]):
    """Asks a model to sort notes (engrams of kind `of`) that were not looked at into named topics, `batch` (>= 1) at a time.

    A topic is an engram of kind `topic`: its description, its name in the metadata, resting on its notes. One of a name that stands gets
    the new description, and rests on the new notes besides (a version that `history` shows). Long notes are shown as their summary,
    where they have one. One call a batch, in order: each is shown the topics that those before it left. For a consolidate chain.

    No option of `ExtractTopics`, whose topics are runs of one session's turns: these have names, and grow over all sessions.

    Source: Second Me (Wei et al. 2025), the authors' code, `topics_generator`: batches of 20.
    Without a model: words that many notes share (`TopicsByWords`).
    """

    asks: ClassVar[tuple[str, ...]] = ("extract",)

    of: str = "passage"
    batch: int = 20
    prompt: Prompt = Prompt("name_topics")

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise BadSetting("NameTopics.batch", self.batch, "a number of notes, at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Asks and adds.

        Raises:
            ModelError: the model failed, or twice gave what are no topics. Nothing counts as looked at.
        """
        due = unseen(value, self.of, run)
        notes = sorted((e for one in due for e in one.new.engrams), key=lambda e: (e.occurred_at, e.sources))
        made = value
        for begin in range(0, len(notes), self.batch):
            some = notes[begin : begin + self.batch]
            shown = {"topics": _listed(made, TOPIC), "notes": _numbered(some)}
            answer = run.chat.ask(Ask("extract", self.prompt, shown, TOPICS))
            for told in (answer.value or {})["topics"]:
                its = [some[n - 1] for n in dict.fromkeys(told["notes"]) if n <= len(some)]
                made = _with(made, TOPIC, told["name"], told["description"], its, run)
        looked = [f"{len(one.whole.engrams)} notes were looked at" for one in due]
        return with_groups(made, [one.whole for one in due], looked, "session", REFLECTION, run)

    def without_model(self) -> Step[Draft, Draft]:
        """The counterpart that asks no model."""
        return TopicsByWords(of=self.of)


@dataclass(frozen=True)
class TopicsByWords(Step[Draft, Draft]):
    """Takes each of the `most` (>= 1) words that at least `notes` (>= 2) notes share, and most do, for a topic of these.

    Its description is their `lines` (>= 1) central sentences. In place of a model: a topic is one word, and says nothing of what the person
    thinks of it.
    """

    of: str = "passage"
    most: int = 20
    notes: int = 3
    lines: int = 2

    def __post_init__(self) -> None:
        for name, least in (("most", 1), ("notes", 2), ("lines", 1)):
            if getattr(self, name) < least:
                raise BadSetting(
                    f"TopicsByWords.{name}", getattr(self, name), f"a number of at least {least}"
                )

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the topics."""
        holding: dict[str, list[Engram]] = defaultdict(list)
        notes = [e for e in value.engrams if e.kind == self.of and e.state == "active"]
        for note in sorted(notes, key=lambda e: (e.occurred_at, e.sources)):
            for word in dict.fromkeys(words(note.content)):
                if word not in STOP_WORDS and len(word) > 2:
                    holding[word].append(note)
        shared = Counter({word: len(its) for word, its in holding.items() if len(its) >= self.notes})
        made = value
        for word, _ in sorted(shared.items(), key=lambda pair: (-pair[1], pair[0]))[: self.most]:
            said = " ".join(central_sentences([e.content for e in holding[word]], self.lines))
            made = _with(made, TOPIC, word, said, holding[word], run)
        return made


@dataclass(frozen=True)
class DrawFacets(Step[Draft, Draft]):
    """Asks a model for the facets of a person that the topics show, where these have changed; engrams of kind `facet`. One call.

    One of a name that stands gets the new description; a facet rests on the notes of its topics. For a consolidate chain, behind the step
    that makes topics.

    No option of `SummariseGroups`: that writes one text a group; facets are named by the model, several topics may give one,
    and one topic several.

    Source: Second Me (Wei et al. 2025), the authors' code, `shades_generator`: shades with the topics they come from, drawn or updated.
    Without a model: the topics of most notes (`LargestTopics`).
    """

    asks: ClassVar[tuple[str, ...]] = ("summarise",)

    prompt: Prompt = Prompt("draw_facets")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Asks and adds.

        Raises:
            ModelError: the model failed, or twice gave what are no facets.
        """
        topics = _standing(value, TOPIC)
        if not topics or not _changed(value, run):
            return value
        shown = {"topics": _listed(value, TOPIC), "facets": _listed(value, FACET)}
        answer = run.chat.ask(Ask("summarise", self.prompt, shown, FACETS))
        by_name = {plain(str(e.metadata[NAME])): e for e in topics.values()}
        made = value
        for told in (answer.value or {})["facets"]:
            its = [by_name[plain(name)] for name in dict.fromkeys(told["topics"]) if plain(name) in by_name]
            made = _with(made, FACET, told["name"], told["description"], its, run)
        return made

    def without_model(self) -> Step[Draft, Draft]:
        """The counterpart that asks no model."""
        return LargestTopics()


@dataclass(frozen=True)
class LargestTopics(Step[Draft, Draft]):
    """Takes the `most` (>= 1) topics that rest on most notes for facets, as they are described, in place of a model that draws them.

    Among topics of as many notes those that stood first.
    """

    most: int = 5

    def __post_init__(self) -> None:
        if self.most < 1:
            raise BadSetting("LargestTopics.most", self.most, "a number of topics, at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the facets."""
        topics = sorted(_standing(value, TOPIC).values(), key=lambda e: -len(e.sources))
        made = value
        for topic in topics[: self.most]:
            made = _with(made, FACET, str(topic.metadata[NAME]), topic.content, [topic], run)
        return made


def _standing(value: Draft, kind: str) -> dict[EngramId, Engram]:
    return {e.id: e for e in value.engrams if e.kind == kind and e.state == "active"}


def _changed(value: Draft, run: Run) -> bool:
    """Whether this run of the chain made a topic or changed one."""
    ids = list(_standing(value, TOPIC))
    stored = run.store.engrams(ids)
    return len(stored) < len(ids) or any(d.engram.kind == TOPIC for d in value.decisions)


def _listed(value: Draft, kind: str) -> str:
    return "\n".join(f"{e.metadata[NAME]}: {e.content}" for e in _standing(value, kind).values())


def _numbered(notes: Sequence[Engram]) -> str:
    shown = (replace(e, content=str(e.metadata.get(SUMMARY) or e.content)) for e in notes)
    return "\n".join(f"{n}. {lines(Group('', (e,)))}" for n, e in enumerate(shown, start=1))


def _with(value: Draft, kind: str, name: str, said: str, its: Sequence[Engram], run: Run) -> Draft:
    """A draft with a topic or facet of that name, new or changed, that rests on what these rest on."""
    name, said = " ".join(name.split()), " ".join(said.split())
    if not name or not said or not its:
        return value
    first, last = its[0], max(its, key=lambda e: e.occurred_at)
    id = derived_id(run.recipe, kind, (first.namespace, plain(name)))
    old = _standing(value, kind).get(id)
    sources = tuple(dict.fromkeys(s for e in ([old] if old else []) + list(its) for s in e.sources))
    engram = Engram(
        id=id,
        namespace=first.namespace,
        recipe=run.recipe,
        kind=kind,
        content=said,
        occurred_at=max(last.occurred_at, old.occurred_at) if old else last.occurred_at,
        recorded_at=run.clock.now(),
        sources=sources,
        keys=(f"{name}: {said}",),
        agent_id=last.agent_id,
        run_id=last.run_id,
        metadata={NAME: str(old.metadata[NAME]) if old else name},
    )
    if old is None:
        return replace(value, engrams=(*value.engrams, engram))
    if (old.content, old.sources) == (said, sources):
        return value
    decisions = value.decisions
    if id in run.store.engrams([id]):
        decisions = (*decisions, Decision("UPDATE", engram, f"more was said of {name}"))
    return replace(
        value, engrams=tuple(engram if e.id == id else e for e in value.engrams), decisions=decisions
    )
