"""Extracts facts: entities first, then triples of subject, predicate and object over them; by a model, or by rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.organise.entities import names_in
from engrams.organise.facts import sentences
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import Draft, Engram, EngramId, Link, derived_id
from engrams.step import Run, Step
from engrams.words import name_hash

Triple = tuple[str, str, str]

ENTITIES = {
    "type": "object",
    "properties": {"entities": {"type": "array", "items": {"type": "string"}}},
    "required": ["entities"],
}
TRIPLES = {
    "type": "object",
    "properties": {
        "triples": {
            "type": "array",
            "items": {"type": "array", "items": {"type": "string"}, "minItems": 3, "maxItems": 3},
        }
    },
    "required": ["triples"],
}


@dataclass(frozen=True)
class ExtractEntities(Step[Draft, Draft]):
    """Asks a model what each passage of a draft speaks of by name; one call a passage.

    The names are noted with the passage, for the step that extracts facts and for walks over names.

    Source: HippoRAG 2 (Gutiérrez et al. 2025), section 3.1: named entities, which the extraction of triples is given.
    Without a model: spans of capitalised words (`NameByCapitals`).
    """

    asks: ClassVar[tuple[str, ...]] = ("entities",)

    prompt: Prompt = Prompt("entities")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the names.

        Raises:
            ModelError: the model failed, or twice gave what is no list of names.
        """
        passages = passages_of(value)
        answers = run.chat.ask_many(
            [Ask("entities", self.prompt, {"passage": e.content}, ENTITIES) for e in passages]
        )
        made = {
            e.id: tuple(dict.fromkeys(n.strip() for n in (a.value or {})["entities"] if n.strip()))
            for e, a in zip(passages, answers, strict=True)
        }
        return replace(value, names={**value.names, **made})

    def without_model(self) -> Step[Draft, Draft]:
        """The counterpart that asks no model."""
        return NameByCapitals()


@dataclass(frozen=True)
class NameByCapitals(Step[Draft, Draft]):
    """Notes the spans of capitalised words in each passage (see `names_in`) and its speaker, without a model.

    In place of a model's entities; scripts without capitals give only speakers.
    """

    annotates: ClassVar[bool] = True

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the names."""
        made = {
            e.id: tuple(dict.fromkeys([*([e.speaker] if e.speaker else []), *names_in(e.content)]))
            for e in passages_of(value)
        }
        return replace(value, names={**value.names, **made})


@dataclass(frozen=True)
class ExtractTriples(Step[Draft, Draft]):
    """Asks a model for the facts of each passage, given its entities; facts and their phrases become engrams.

    A fact is an engram of kind `fact` ("subject predicate object", the three apart in its metadata); what stands as subject
    or object is one of kind `entity`, named for the graph, and joined to the other by a link that says the predicate. The
    passage is named by the phrases of its facts alone, as in the authors' code. Repeated triples of a passage count
    once, those with an empty part not at all. One call a passage.

    Source: HippoRAG 2 (Gutiérrez et al. 2025), section 3.1 and the authors' code (`reformat_openie_results`).
    Without a model: names in one sentence, with the words between them (`JoinNames`).
    """

    asks: ClassVar[tuple[str, ...]] = ("triples",)

    prompt: Prompt = Prompt("triples")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds facts, phrases and links.

        Raises:
            ModelError: the model failed, or twice gave what are no triples.
        """
        passages = passages_of(value)
        asks = [
            Ask(
                "triples",
                self.prompt,
                {"passage": e.content, "entities": "\n".join(value.names.get(e.id, ()))},
                TRIPLES,
            )
            for e in passages
        ]
        answers = run.chat.ask_many(asks)
        triples = [valid((a.value or {})["triples"]) for a in answers]
        return with_triples(value, passages, triples, run)

    def without_model(self) -> Step[Draft, Draft]:
        """The counterpart that asks no model."""
        return JoinNames()


@dataclass(frozen=True)
class JoinNames(Step[Draft, Draft]):
    """Takes two names that follow each other in one sentence for a fact, the words between them for what it says.

    At most `words` (>= 1) words may stand between. In place of a model's triples: it finds who and what stand together, and
    says little about how. In a dialogue the speaker is the subject where a sentence holds one name only.
    """

    words: int = 12

    def __post_init__(self) -> None:
        if self.words < 1:
            raise BadSetting("JoinNames.words", self.words, "a number of words, at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds facts, phrases and links."""
        passages = passages_of(value)
        triples = [valid(self._joined(e, value.names.get(e.id, ()))) for e in passages]
        return with_triples(value, passages, triples, run)

    def _joined(self, passage: Engram, names: Sequence[str]) -> Iterable[Sequence[str]]:
        title, _, rest = passage.content.partition("\n")
        # A first line that is itself a name is the title of a document: what its sentences say is about it.
        about = title.strip() if rest and title.strip() in names else passage.speaker
        for sentence in sentences(rest if about == title.strip() and rest else passage.content):
            found = _places(sentence, names)
            if about and (not found or found[0][2] != about):
                found = [(0, 0, about), *found]
            for (_, end, one), (begin, _, other) in pairwise(found):
                between = sentence[end:begin].split()
                if len(between) <= self.words:
                    yield one, " ".join(between).strip(" ,;:-") or "and", other


def _places(sentence: str, names: Sequence[str]) -> list[tuple[int, int, str]]:
    """Where names stand in a sentence, in its order, none inside another: (begin, end, name)."""
    taken: list[tuple[int, int, str]] = []
    for name in sorted(set(names), key=lambda n: (-len(n), n)):
        for match in re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", sentence):
            if all(match.end() <= begin or match.start() >= end for begin, end, _ in taken):
                taken.append((match.start(), match.end(), name))
    return sorted(taken)


def passages_of(value: Draft) -> list[Engram]:
    """The active passages of a draft."""
    return [e for e in value.engrams if e.kind == "passage" and e.state == "active"]


def valid(triples: Iterable[Sequence[str]]) -> tuple[Triple, ...]:
    """Triples of three parts that say something, each once, in their order."""
    stripped = (tuple(" ".join(part.split()) for part in triple) for triple in triples)
    whole = (t for t in stripped if len(t) == 3 and all(t))
    return tuple(dict.fromkeys((t[0], t[1], t[2]) for t in whole))


def with_triples(
    value: Draft, passages: Sequence[Engram], triples: Sequence[tuple[Triple, ...]], run: Run
) -> Draft:
    """A draft with the facts of its passages, their phrases, and links between these."""
    made: list[Engram] = []
    links: list[Link] = []
    names: dict[EngramId, tuple[str, ...]] = {}
    for passage, found in zip(passages, triples, strict=True):
        phrases: dict[int, Engram] = {}
        for ordinal, (subject, predicate, object_) in enumerate(found):
            fact = replace(
                _from(passage, run, "fact", f"{subject} {predicate} {object_}", ordinal),
                metadata={**passage.metadata, "subject": subject, "predicate": predicate, "object": object_},
            )
            made.append(fact)
            names[fact.id] = (subject, object_)
            for phrase in (subject, object_):
                number = name_hash(phrase)
                if number not in phrases:
                    phrases[number] = _from(passage, run, "entity", phrase, len(phrases))
                    names[phrases[number].id] = (phrase,)
            one, other = phrases[name_hash(subject)].id, phrases[name_hash(object_)].id
            if one != other:
                links.append(Link(one, other, predicate, 1.0, run.recipe))
        made += phrases.values()
        names[passage.id] = tuple(e.content for e in phrases.values())
    return replace(
        value,
        engrams=(*value.engrams, *made),
        links=(*value.links, *links),
        names={**value.names, **names},
    )


def _from(passage: Engram, run: Run, kind: str, content: str, ordinal: int) -> Engram:
    """An engram that a passage gave, with its time, speaker and source."""
    return replace(
        passage,
        id=derived_id(run.recipe, kind, (passage.id,), ordinal),
        kind=kind,
        content=content,
    )
