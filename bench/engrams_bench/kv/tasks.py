"""Contexts and questions for a small model: invented facts whose answers stand in the context, some only through other chunks.

A question is three tokens, `ASK entity attribute`, and its answer one, a value. Contexts are of three tasks:

- `facts`: chunks `tag source …`, where the source is an entity, or a reference to the tag of an earlier chunk: "about the same
  as that one". The rest are facts (attribute, value) about the entity, and filler. A fact's depth is how many other chunks its
  entity has to be looked up in: 0 local, 1 through two chunks in all, 2 through three.
- `recall`: pairs (attribute, value) without an entity, asked with `ANY`: associative recall.
- `retrieval`: lines `entity attribute value`, of which no two share both: key-value retrieval.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

ENTITIES, ATTRIBUTES, VALUES, TAGS, FILLERS = 12, 12, 24, 8, 8
PAD, BEGIN, ASK, ANY = range(4)
ENTITY = 4
ATTRIBUTE = ENTITY + ENTITIES
VALUE = ATTRIBUTE + ATTRIBUTES
TAG = VALUE + VALUES
REFERENCE = TAG + TAGS
FILLER = REFERENCE + TAGS
VOCABULARY = FILLER + FILLERS

CHUNKS = 8  # of a context of facts
CHUNK_TOKENS = 12
CHUNK_FACTS = 3
#: How often one of the two chains goes through three chunks, and how often then the third is the one that is asked about.
THREE_CHUNKS, ASKED_THIRD = 0.75, 0.7
PAIRS, LINES, GAP = 12, 20, 12  # of recall, of retrieval, filler tokens in either


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked and the one right answer, as tokens; `depth` chunks beside its own are needed; it stands in `chunk`."""

    entity: int
    attribute: int
    value: int
    depth: int
    chunk: int

    def tokens(self) -> tuple[int, int, int]:
        """As it is put."""
        return (ASK, self.entity, self.attribute)


@dataclass(frozen=True, slots=True)
class Sample:
    """One context, and every question that it answers."""

    task: str
    chunks: tuple[tuple[int, ...], ...]
    questions: tuple[Question, ...]

    def tokens(self) -> tuple[int, ...]:
        """The whole context, begun with `BEGIN`."""
        return (BEGIN, *(token for chunk in self.chunks for token in chunk))


def facts(rng: Random) -> Sample:
    """Chunks of facts, two or three of them about the same as an earlier chunk.

    Two of these are about different entities and tell the same attributes, with other values: without knowing where their
    references lead nobody can tell which of the two is asked for. Only such facts and local ones are asked.
    """
    # Chunks 0 and 1 are the roots of the two chains, 2 is about the same as 0, 3 as 1, and 4, if there, as 2.
    parents = {2: 0, 3: 1} | ({4: 2} if rng.random() < THREE_CHUNKS else {})
    twin = 4 if 4 in parents and rng.random() < ASKED_THIRD else 2
    entities = rng.sample(range(ENTITIES), CHUNKS)
    tags = rng.sample(range(TAGS), CHUNKS)
    root = {chunk: _root(chunk, parents) for chunk in range(CHUNKS)}
    told: dict[int, list[int]] = {}
    for chunk in range(CHUNKS):
        taken = {a for other in told for a in told[other] if root[other] == root[chunk]}
        told[chunk] = rng.sample([a for a in range(ATTRIBUTES) if a not in taken], CHUNK_FACTS)
    told[3] = list(told[twin])
    taken = set(told[3])
    told[1] = rng.sample([a for a in range(ATTRIBUTES) if a not in taken], CHUNK_FACTS)
    values = {chunk: [rng.randrange(VALUES) for _ in range(CHUNK_FACTS)] for chunk in range(CHUNKS)}
    values[3] = [(value + 1 + rng.randrange(VALUES - 1)) % VALUES for value in values[twin]]
    made: list[tuple[int, ...]] = []
    questions: list[Question] = []
    for place, chunk in enumerate(_after_their_parents(rng, parents)):
        pairs = [(ATTRIBUTE + a, VALUE + v) for a, v in zip(told[chunk], values[chunk], strict=True)]
        parent = parents.get(chunk)
        source = ENTITY + entities[chunk] if parent is None else REFERENCE + tags[parent]
        filler = CHUNK_TOKENS - 2 - 2 * CHUNK_FACTS
        made.append((TAG + tags[chunk], source, *_mixed(rng, pairs, filler)))
        if parent is None or chunk in (3, twin):
            depth = 0 if parent is None else 1 if parent < 2 else 2
            about = ENTITY + entities[root[chunk]]
            questions += [Question(about, a, v, depth, place) for a, v in pairs]
    return Sample("facts", tuple(made), tuple(questions))


def _root(chunk: int, parents: dict[int, int]) -> int:
    while chunk in parents:
        chunk = parents[chunk]
    return chunk


def _after_their_parents(rng: Random, parents: dict[int, int]) -> list[int]:
    """All chunks in an order drawn by lot in which each comes after the one it refers to."""
    order: list[int] = []
    while len(order) < CHUNKS:
        able = [c for c in range(CHUNKS) if c not in order and parents.get(c, c) in (c, *order)]
        order.append(rng.choice(able))
    return order


def recall(rng: Random) -> Sample:
    """Pairs of attribute and value."""
    told = [(ATTRIBUTE + a, VALUE + rng.randrange(VALUES)) for a in rng.sample(range(ATTRIBUTES), PAIRS)]
    return Sample("recall", (_mixed(rng, told, GAP),), tuple(Question(ANY, a, v, 0, 0) for a, v in told))


def retrieval(rng: Random) -> Sample:
    """Lines of entity, attribute and value."""
    keys = rng.sample([(e, a) for e in range(ENTITIES) for a in range(ATTRIBUTES)], LINES)
    told = [(ENTITY + e, ATTRIBUTE + a, VALUE + rng.randrange(VALUES)) for e, a in keys]
    return Sample("retrieval", (_mixed(rng, told, GAP),), tuple(Question(e, a, v, 0, 0) for e, a, v in told))


TASKS: dict[str, Callable[[Random], Sample]] = {"facts": facts, "recall": recall, "retrieval": retrieval}


def drawn(rng: Random, sample: Sample, count: int) -> list[Question]:
    """`count` questions, each depth that there is as likely as any other; each may come again.

    Without repetition a model learns instead which values were not asked for yet.
    """
    depths = sorted({question.depth for question in sample.questions})
    by_depth = {depth: [q for q in sample.questions if q.depth == depth] for depth in depths}
    return [rng.choice(by_depth[rng.choice(depths)]) for _ in range(count)]


def _mixed(rng: Random, told: Sequence[tuple[int, ...]], filler: int) -> tuple[int, ...]:
    parts = [*told, *((FILLER + rng.randrange(FILLERS),) for _ in range(filler))]
    rng.shuffle(parts)
    return tuple(token for part in parts for token in part)
