"""Extracts facts: entities first, then triples of subject, predicate and object over them; by a model, or by rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.organise.entities import names_in
from engrams.organise.extract import TakeSentences, dialogue, of_messages, spoken
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

    The names are noted with the passage, for the step that extracts facts and for walks over names. `of`: what counts as a
    passage (see `passages_of`).

    Source: HippoRAG 2 (Gutiérrez et al. 2025), section 3.1: named entities, which the extraction of triples is given. Mem0
    (Chhikara et al. 2025), section 2.2, does so with the new messages.
    Without a model: spans of capitalised words (`NameByCapitals`).
    """

    asks: ClassVar[tuple[str, ...]] = ("entities",)

    prompt: Prompt = Prompt("entities")
    of: str = "passage"

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the names.

        Raises:
            ModelError: the model failed, or twice gave what is no list of names.
        """
        passages = passages_of(value, self.of, run)
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
        return NameByCapitals(of=_apart(self.of))


@dataclass(frozen=True)
class NameByCapitals(Step[Draft, Draft]):
    """Notes the spans of capitalised words in each passage (see `names_in`) and its speaker, without a model.

    In place of a model's entities; scripts without capitals give only speakers. `of`: what counts as a passage (see
    `passages_of`).
    """

    annotates: ClassVar[bool] = True

    of: str = "passage"

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the names."""
        made = {
            e.id: tuple(dict.fromkeys([*([e.speaker] if e.speaker else []), *names_in(e.content)]))
            for e in passages_of(value, self.of, run)
        }
        return replace(value, names={**value.names, **made})


@dataclass(frozen=True)
class ExtractTriples(Step[Draft, Draft]):
    """Asks a model for the facts of each passage, given its entities; facts and their phrases become engrams.

    A fact is an engram of kind `fact` ("subject predicate object", the three apart in its metadata); what stands as subject
    or object is one of kind `entity`, named for the graph, and joined to the other by a link that says the predicate. The
    passage is named by the phrases of its facts alone, as in the authors' code. Repeated triples of a passage count
    once, those with an empty part not at all. One call a passage. `of`: what counts as a passage (see `passages_of`); `into`: the
    kind of a fact. Without `phrases` facts alone are made: no entities, no names, no links.

    Source: HippoRAG 2 (Gutiérrez et al. 2025), section 3.1 and the authors' code (`reformat_openie_results`). Mem0 (Chhikara et
    al. 2025), section 2.2, extracts relations so; TiM (Liu et al. 2023), section 3.2, thoughts, without phrases.
    Without a model: names in one sentence, with the words between them (`JoinNames`); without phrases, the sentences
    themselves (`TakeSentences`).
    """

    asks: ClassVar[tuple[str, ...]] = ("triples",)

    prompt: Prompt = Prompt("triples")
    of: str = "passage"
    into: str = "fact"
    phrases: bool = True

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds facts, phrases and links.

        Raises:
            ModelError: the model failed, or twice gave what are no triples.
        """
        passages = passages_of(value, self.of, run)
        asks = [Ask("triples", self.prompt, self._shown(e, value), TRIPLES) for e in passages]
        answers = run.chat.ask_many(asks)
        triples = [valid((a.value or {})["triples"]) for a in answers]
        return with_triples(value, passages, triples, run, self.into, self.phrases)

    def _shown(self, passage: Engram, value: Draft) -> dict[str, str]:
        if not self.phrases:
            return {"passage": passage.content}
        return {"passage": passage.content, "entities": "\n".join(value.names.get(passage.id, ()))}

    def without_model(self) -> Step[Draft, Draft]:
        """The counterpart that asks no model."""
        if not self.phrases:
            return TakeSentences(into=self.into)
        return JoinNames(of=_apart(self.of), into=self.into)


@dataclass(frozen=True)
class JoinNames(Step[Draft, Draft]):
    """Takes two names that follow each other in one sentence for a fact, the words between them for what it says.

    At most `words` (>= 1) words may stand between. In place of a model's triples: it finds who and what stand together, and
    says little about how. In a dialogue the speaker is the subject where a sentence holds one name only. `of` and `into` as in
    `ExtractTriples`.
    """

    words: int = 12
    of: str = "passage"
    into: str = "fact"

    def __post_init__(self) -> None:
        if self.words < 1:
            raise BadSetting("JoinNames.words", self.words, "a number of words, at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds facts, phrases and links."""
        passages = passages_of(value, self.of, run)
        triples = [valid(self._joined(e, value.names.get(e.id, ()))) for e in passages]
        return with_triples(value, passages, triples, run, self.into)

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


def passages_of(value: Draft, of: str, run: Run) -> list[Engram]:
    """What facts are extracted from: the active engrams of a kind, or messages that are no engrams themselves.

    With `of` "messages" those of the draft together, each on a line with day and speaker; with "message" each by itself. These are
    only lent the form of an engram, to be read from, and stand in no draft.
    """
    if of == "messages":
        said = spoken(value.events)
        return [of_messages(said, run, "messages", dialogue(said), 0)] if said else []
    if of == "message":
        return [of_messages((e,), run, "messages", e.content, 0) for e in spoken(value.events)]
    return [e for e in value.engrams if e.kind == of and e.state == "active"]


def _apart(of: str) -> str:
    """As what messages are read without a model: each by itself, since who spoke is then known."""
    return "message" if of == "messages" else of


def valid(triples: Iterable[Sequence[str]]) -> tuple[Triple, ...]:
    """Triples of three parts that say something, each once, in their order."""
    stripped = (tuple(" ".join(part.split()) for part in triple) for triple in triples)
    whole = (t for t in stripped if len(t) == 3 and all(t))
    return tuple(dict.fromkeys((t[0], t[1], t[2]) for t in whole))


def with_triples(
    value: Draft,
    passages: Sequence[Engram],
    triples: Sequence[tuple[Triple, ...]],
    run: Run,
    into: str = "fact",
    with_phrases: bool = True,
) -> Draft:
    """A draft with the facts of its passages, as engrams of kind `into`, their phrases, and links between these."""
    made: list[Engram] = []
    links: list[Link] = []
    names: dict[EngramId, tuple[str, ...]] = {}
    for passage, found in zip(passages, triples, strict=True):
        phrases: dict[int, Engram] = {}
        for ordinal, (subject, predicate, object_) in enumerate(found):
            fact = replace(
                _from(passage, run, into, f"{subject} {predicate} {object_}", ordinal),
                metadata={**passage.metadata, "subject": subject, "predicate": predicate, "object": object_},
            )
            made.append(fact)
            if not with_phrases:
                continue
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
        if with_phrases:
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
