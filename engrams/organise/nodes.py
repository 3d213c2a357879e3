"""Keeps one name for one thing: what is called almost alike is called as it was called first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from engrams.errors import BadSetting, NeedsExtra
from engrams.records import Draft, Engram, EngramId, Query, Ranked, Scope, derived_id
from engrams.step import Run, Step
from engrams.words import name_hash

_ENDS = ("subject", "object")


@dataclass(frozen=True)
class UnifyNames(Step[Draft, Draft]):
    """Calls what a draft names as it is called already, where the vectors are `min_cosine` (-1..1) close or the words the same.

    `find` gives the nearest engram of kind `entity`. Facts with a subject and an object are written with the new name; every name
    of an engram gets an engram of kind `entity`, by which it is found. So a thing is a node: all engrams named alike. Each
    mention is an engram of its own, resting on its message alone, so that an erased message takes no other's names with it.

    Source: Mem0 (Chhikara et al. 2025), section 2.2, where a node is taken over from 0.9 on in the authors' code (v0.1.100), from
    0.95 on in that of 2026, which compares the words first.
    """

    find: Step[Query, Ranked[Engram]]
    min_cosine: float = 0.9

    def __post_init__(self) -> None:
        if not -1 <= self.min_cosine <= 1:
            raise BadSetting("UnifyNames.min_cosine", self.min_cosine, "a cosine from -1 to 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Renames and adds.

        Raises:
            NeedsExtra: there is no embedder.
            ModelError: the embedder failed.
        """
        engrams = {e.id: e for e in value.engrams}
        said = list(dict.fromkeys(n for id, names in value.names.items() if id in engrams for n in names))
        if not said:
            return value
        first = next(iter(value.engrams))
        called = self._called(said, first.namespace, run)
        made = {id: _renamed(e, called) for id, e in engrams.items()}
        names: dict[EngramId, tuple[str, ...]] = {}
        for id, own in value.names.items():
            unified = [called.get(n, n) for n in own]
            # A node is also known by what it was called here, so that a question may call it so.
            node = id in engrams and engrams[id].kind == "entity"
            names[id] = tuple(dict.fromkeys([*unified, *own] if node else unified))
        there = {(e.sources, name_hash(e.content)) for e in made.values() if e.kind == "entity"}
        for id, engram in engrams.items():
            for ordinal, name in enumerate(value.names.get(id, ())):
                key = (engram.sources, name_hash(called[name]))
                if key not in there:
                    there.add(key)
                    new = _node(engram, called[name], ordinal, run)
                    made[new.id], names[new.id] = new, tuple(dict.fromkeys((called[name], name)))
        return replace(value, engrams=tuple(made.values()), names=names)

    def _called(self, said: list[str], namespace: str, run: Run) -> dict[str, str]:
        """How each name is called from now on: as what stands, or as an earlier name of the draft, or as it is."""
        if run.embedder is None:
            raise NeedsExtra(f"{run.recipe!r} joins names that are alike by their vectors, and so", "embed")
        vectors = run.embedder.embed(said)
        called: dict[str, str] = {}
        new: list[int] = []
        queries = [Query(name, Scope(namespace), writer=run.recipe) for name in said]
        for at, (name, ranked) in enumerate(zip(said, self.find.many(queries, run), strict=True)):
            found = ranked.items[:1]
            close = [float(vectors[other] @ vectors[at]) for other in new]
            same = [other for other in new if name_hash(said[other]) == name_hash(name)]
            if found and (
                found[0].score >= self.min_cosine or name_hash(found[0].item.content) == name_hash(name)
            ):
                called[name] = found[0].item.content
            elif same or (close and max(close) >= self.min_cosine):
                called[name] = said[same[0] if same else new[int(np.argmax(close))]]
            else:
                called[name] = name
                new.append(at)
        return called


def _renamed(engram: Engram, called: Mapping[str, str]) -> Engram:
    """An entity or a fact, written with the names that hold from now on."""
    if engram.kind == "entity":
        return replace(engram, content=called.get(engram.content, engram.content))
    # A thing may be called "None": what a fact does not say is told by its absence, not by what absence is written as.
    ends = {part: called.get(str(engram.metadata[part]), "") for part in _ENDS if part in engram.metadata}
    predicate = engram.metadata.get("predicate")
    if predicate is None or len(ends) < len(_ENDS) or not all(ends.values()):
        return engram
    content = f"{ends['subject']} {predicate} {ends['object']}"
    return replace(engram, content=content, metadata={**engram.metadata, **ends})


def _node(engram: Engram, name: str, ordinal: int, run: Run) -> Engram:
    return replace(
        engram,
        id=EngramId(derived_id(run.recipe, "entity", (engram.id,), ordinal)),
        kind="entity",
        content=name,
        keys=(),
    )
