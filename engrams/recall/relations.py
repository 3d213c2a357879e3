"""Finds relations between things: those around what a question names, chosen by words or by meaning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from engrams.arithmetic import Doubles, dots, products, rarity, saturate, top_k
from engrams.errors import BadSetting, NeedsExtra
from engrams.ports import Embedder, Float32, Int64, UInt32, View
from engrams.recall.derived import once
from engrams.recall.fact_graph import ENTITY
from engrams.recall.nearest import ROUNDING, TOGETHER, Nearest, of_one_state, rows_of
from engrams.recall.question_names import Names
from engrams.recall.select import fetch
from engrams.records import Engram, Query, Ranked, Scored
from engrams.step import Run, Step
from engrams.words import terms

Retrieval = Literal["released", "paper"]
RELATION = "relation"
#: BM25 as the authors' code has it: the defaults of `rank_bm25`.
K1, B = 1.5, 0.75


@dataclass(frozen=True)
class AsName(Step[Query, Names]):
    """Takes the text that is looked up for a name, as it stands.

    No option of `AskNames`: that reads names in a question; here the text is one already.
    """

    def __call__(self, value: Query, run: Run) -> Names:
        """The same."""
        return Names(value, (value.text,))


@dataclass(frozen=True)
class Around(Step[Names, Ranked[Engram]]):
    """The relations from or to things whose names are at least `min_cosine` (-1..1) close to a name, nearest names first.

    At most `most` (>= 1) for each name; scores are the cosines of the names, signal `names`.

    No option of `Nearest`: what is near is the name of a thing, and what is found are the relations at both of its ends.

    Source: Mem0 (Chhikara et al. 2025), section 2.2; 0.7 and 100 from the authors' code (v0.1.100).
    """

    min_cosine: float = 0.7
    most: int = 100

    def __post_init__(self) -> None:
        if not -1 <= self.min_cosine <= 1:
            raise BadSetting("Around.min_cosine", self.min_cosine, "a cosine from -1 to 1")
        if self.most < 1:
            raise BadSetting("Around.most", self.most, "a whole number of at least 1")

    def __call__(self, value: Names, run: Run) -> Ranked[Engram]:
        """Finds.

        Raises:
            NeedsExtra: there is no embedder.
            ModelError: the embedder failed.
        """
        return self.many((value,), run)[0]

    def many(self, values: Sequence[Names], run: Run) -> Sequence[Ranked[Engram]]:
        """The same for the names of several, which are embedded and likened at once. Raises as `__call__`."""
        if run.embedder is None:
            raise NeedsExtra(f"{run.recipe!r} finds things by the vectors of their names, and so", "embed")
        views = [run.index.view(value.query) for value in values]
        if not of_one_state(views):
            return [self(value, run) for value in values]
        names = list(dict.fromkeys(name for value in values for name in value.names))
        near = self._near(views[0], names, run.embedder) if names else {}
        return [self._around(value, view, near, run) for value, view in zip(values, views, strict=True)]

    def _near(self, view: View, names: list[str], embedder: Embedder) -> dict[str, tuple[Int64, Float32]]:
        """For each name the relations from or to things that are close to it: rows, int64[n] ascending, and how close the
        closer end is, float32[n]."""
        joined = _joined(view, embedder.fingerprint)
        if joined is None:
            return {}
        vectors, rows, begins = joined
        found: dict[str, tuple[Int64, Float32]] = {}
        for first in range(0, len(names), TOGETHER):
            some = names[first : first + TOGETHER]
            asked = embedder.embed(some)
            for name, one, rough in zip(some, asked, products(vectors, asked).T, strict=True):
                things = np.flatnonzero(rough >= self.min_cosine - ROUNDING)
                close = dots(vectors[things], one)
                there = close >= self.min_cosine
                things, close = things[there], close[there]
                joins = [rows[begins[thing] : begins[thing + 1]] for thing in things.tolist()]
                every = np.concatenate([np.empty(0, dtype=np.int64), *joins])
                unique, at = np.unique(every, return_inverse=True)
                best: Float32 = np.full(len(unique), -np.inf, dtype=np.float32)
                np.maximum.at(best, at, np.repeat(close, begins[things + 1] - begins[things]))
                found[name] = unique, best
        return found

    def _around(
        self, value: Names, view: View, near: Mapping[str, tuple[Int64, Float32]], run: Run
    ) -> Ranked[Engram]:
        """What is around the names of one value."""
        best: dict[int, float] = {}
        for name in value.names if near else ():
            rows, scores = near[name]
            if view.allowed is not None:
                scores = np.where(view.allowed[rows], scores, -np.inf).astype(np.float32)
            for at in top_k(scores, self.most).tolist():
                best[int(rows[at])] = max(best.get(int(rows[at]), -1.0), float(scores[at]))
        order = sorted(best, key=lambda row: (-best[row], row))
        engrams = fetch(run, view, np.array(order, dtype=np.int64))
        return Ranked(
            value.query,
            tuple(
                Scored(engram, best[row], {"names": best[row]})
                for row, engram in zip(order, engrams, strict=True)
                if engram is not None
            ),
        )


def entity_vectors(view: View, fingerprint: str) -> tuple[UInt32, Float32] | None:
    """The hashes of the names of entities, uint32[e] ascending, and a vector of each, float32[e, d]; None where none has one."""
    vectors = view.vectors(fingerprint)
    entities = rows_of(view, (ENTITY,))
    if vectors is None or not len(entities):
        return None

    def make() -> tuple[UInt32, Float32]:
        rows, named = view.names()
        there = np.isin(rows, entities)
        there[there] = vectors[rows[there]].any(axis=1)
        hashes, at = np.unique(named[there], return_index=True)
        return hashes, vectors[rows[there][at]]

    held = once(view, ("entity vectors", fingerprint), make)
    return held if len(held[0]) else None


def _joined(view: View, fingerprint: str) -> tuple[Float32, Int64, Int64] | None:
    """The vectors of things, float32[e, d]; the rows of the relations that join them, int64[m], those of one thing behind each
    other; and where those of each thing begin, int64[e + 1]. None where no thing has a vector."""

    def make() -> tuple[Float32, Int64, Int64] | None:
        found = entity_vectors(view, fingerprint)
        if found is None:
            return None
        hashes, vectors = found
        rows, named = view.names()
        there = np.isin(rows, rows_of(view, (RELATION,)))
        rows, ends = rows[there], named[there]
        thing = np.minimum(np.searchsorted(hashes, ends), len(hashes) - 1)
        known = hashes[thing] == ends
        rows, thing = rows[known].astype(np.int64), thing[known]
        order = np.argsort(thing, kind="stable")
        return (
            vectors,
            rows[order],
            np.searchsorted(thing[order], np.arange(len(hashes) + 1)).astype(np.int64),
        )

    return once(view, ("what relations join", fingerprint), make)


@dataclass(frozen=True)
class AddRelations(Step[Ranked[Engram], Ranked[Engram]]):
    """Puts the `k` (>= 1) relations that speak to the question before what was found; it composes, and ranks nothing else.

    With `retrieval="released"` those `around` what the question names, by BM25 of their words among each other. With "paper" those and
    all whose vector is at least `least` (-1..1) close to the question's, by that cosine; the paper gives no threshold, 0.7 is
    that of names. What is told twice counts once.

    No option of `Preface`: that puts the same engrams first whatever is asked; these are chosen by the question.

    Source: Mem0 (Chhikara et al. 2025), section 2.2; k=5 and BM25 from the authors' code (v0.1.100), where a name is one word.
    """

    composes: ClassVar[bool] = True

    names: Step[Query, Names]
    around: Step[Names, Ranked[Engram]]
    retrieval: Retrieval = "released"
    k: int = 5
    least: float = 0.7

    def __post_init__(self) -> None:
        if self.retrieval not in ("released", "paper"):
            raise BadSetting("AddRelations.retrieval", self.retrieval, "'released' or 'paper'")
        if self.k < 1:
            raise BadSetting("AddRelations.k", self.k, "a whole number of at least 1")

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """Finds and puts first.

        Raises:
            NeedsExtra: there is no embedder.
            ModelError: the model or the embedder failed.
        """
        near = self.around(self.names(value.query, run), run).items
        once_each = {s.item.content: s.item for s in reversed(near)}
        relations = list(reversed(once_each.values()))
        if self.retrieval == "released":
            scores = by_words([e.content for e in relations], value.query.text)
            best = [(relations[n], float(scores[n])) for n in np.argsort(-scores, kind="stable")[: self.k]]
        else:
            asked = replace(value.query, limit=None)
            every = Nearest(kinds=(RELATION,), k=max(run.index.view(asked).size, 1), distinct=True)(
                asked, run
            )
            named = set(once_each)
            close = [
                (s.item, s.score) for s in every.items if s.item.content in named or s.score >= self.least
            ]
            best = close[: self.k]
        top = max((s.score for s in value.items), default=0.0)
        first = tuple(Scored(engram, top, {"relations": score}) for engram, score in best)
        return replace(value, items=(*first, *value.items))


def by_words(texts: list[str], question: str) -> Doubles:
    """BM25 of each text for a question, float64[n], with the statistics of these texts alone.

    Source: Robertson and Zaragoza 2009, section 3.
    """
    scores = np.zeros(len(texts))
    if not texts:
        return scores
    said = [terms(text) for text in texts]
    lengths = np.array([len(t) for t in said], dtype=np.float32)
    for term in dict.fromkeys(terms(question)):
        counts = np.array([t.count(term) for t in said], dtype=np.float32)
        there = int(np.count_nonzero(counts))
        if there:
            scores += rarity(len(texts), there) * saturate(counts, lengths, float(lengths.mean()), K1, B)
    return scores
