"""Walks a graph of passages, phrases and facts: what the kept facts speak of leads to the passages that answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from engrams.arithmetic import Doubles, min_max, top_k, walk_graph
from engrams.errors import BadSetting
from engrams.joints import NothingFound
from engrams.ports import Float32, Int64, View
from engrams.recall.derived import once
from engrams.recall.graph import places_among
from engrams.recall.nearest import allowed, cosines, rows_of
from engrams.recall.select import fetch
from engrams.records import Engram, Query, Ranked, Scored
from engrams.step import Run, Step
from engrams.words import name_hash

PASSAGE, FACT, ENTITY = "passage", "fact", "entity"
#: Rows of the table of cosines between phrases that are worked out at once.
AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class PhraseGraph:
    """Nodes 0 .. p-1 are passages (`passages`: their rows), then phrases in the order of `hashes` (uint32[e], ascending).

    Edge i joins node `ends[i]` and node `others[i]` with `weights[i]`. `held` int64[e]: in how many passages a phrase stands.
    """

    passages: Int64
    hashes: npt.NDArray[np.uint32]
    ends: Int64
    others: Int64
    weights: Doubles
    held: Int64

    def phrase(self, text: str) -> int:
        """The number of a phrase in `hashes`; -1 where the graph does not hold it."""
        return int(places_among(self.hashes, [name_hash(text)])[0])


@dataclass(frozen=True)
class Synonyms:
    """Which phrases are joined as saying the same: cosine at least `min_cosine`, at most `most` for each.

    Source: HippoRAG 2 (Gutiérrez et al. 2025), section 3.1; 0.8 from the paper, 100 from the authors' code.
    """

    min_cosine: float = 0.8
    most: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.min_cosine <= 1:
            raise BadSetting("Synonyms.min_cosine", self.min_cosine, "a cosine above 0, at most 1")
        if self.most < 1:
            raise BadSetting("Synonyms.most", self.most, "a whole number of at least 1")


def phrase_graph(view: View, synonyms: Synonyms | None, fingerprint: str) -> PhraseGraph:
    """The graph of a view, worked out once for each of its states.

    Edges as in the authors' code, where an edge that is noted from both ends counts twice: between the subject and the object
    of a fact 2 for each time it was extracted, between a passage and each phrase of its facts 1, between synonyms twice
    their cosine.
    """
    return once(view, ("phrase graph", synonyms, fingerprint), lambda: _made(view, synonyms, fingerprint))


def _made(view: View, synonyms: Synonyms | None, fingerprint: str) -> PhraseGraph:
    rows, named = view.names()
    order = np.lexsort((named, rows))
    rows, named = rows[order], named[order]
    passages = rows_of(view, (PASSAGE,))
    place = np.full(view.size, -1, dtype=np.int64)
    place[passages] = np.arange(len(passages))
    fact = np.zeros(view.size, dtype=np.bool_)
    fact[rows_of(view, (FACT,))] = True
    inside = (place[rows] >= 0) | fact[rows]
    hashes = np.unique(named[inside])
    phrase = np.searchsorted(hashes, named).astype(np.int64)
    first = len(passages)

    of_passage = place[rows] >= 0
    contexts = np.unique(np.stack([place[rows[of_passage]], phrase[of_passage]]), axis=1)
    ends, others = [contexts[0]], [contexts[1] + first]
    weights: list[Doubles] = [np.ones(contexts.shape[1], dtype=np.float64)]

    # A fact has two phrases, subject and object; with one it says something of itself, and joins nothing.
    of_fact = fact[rows]
    numbers, counts = np.unique(rows[of_fact], return_counts=True)
    begins = np.cumsum(counts) - counts
    two = begins[counts == 2]
    pairs = (
        np.stack([phrase[of_fact][two], phrase[of_fact][two + 1]]) if len(numbers) else np.empty((2, 0), int)
    )
    joined, times = np.unique(pairs, axis=1, return_counts=True)
    alike = (
        _synonyms(view, hashes, synonyms, fingerprint)
        if synonyms is not None
        else (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    )
    # A pair that is both counts as synonyms: in the authors' code the cosine replaces the count.
    size = len(hashes)
    over = np.isin(joined[0] * size + joined[1], alike[0] * size + alike[1])
    ends += [joined[0][~over] + first, alike[0] + first]
    others += [joined[1][~over] + first, alike[1] + first]
    counted: Doubles = 2.0 * times[~over].astype(np.float64)
    weights += [counted, 2.0 * alike[2]]
    return PhraseGraph(
        passages,
        hashes,
        np.concatenate(ends),
        np.concatenate(others),
        np.concatenate(weights),
        np.bincount(contexts[1], minlength=size).astype(np.int64),
    )


def phrase_vectors(
    view: View, hashes: npt.NDArray[np.uint32], fingerprint: str
) -> tuple[Int64, Float32] | None:
    """The numbers in `hashes` of the phrases that have a vector, ascending int64[n], and these, float32[n, d]; None where none has."""
    vectors = view.vectors(fingerprint)
    entities = rows_of(view, (ENTITY,))
    if vectors is None or not len(entities):
        return None
    rows, named = view.names()
    entity = np.zeros(view.size, dtype=np.bool_)
    entity[entities] = True
    known, at = np.unique(named[entity[rows]], return_index=True)
    inside = np.isin(known, hashes)
    phrases = np.searchsorted(hashes, known[inside]).astype(np.int64)
    return phrases, vectors[rows[entity[rows]][at[inside]]]


def _synonyms(
    view: View, hashes: npt.NDArray[np.uint32], synonyms: Synonyms, fingerprint: str
) -> tuple[Int64, Int64, Doubles]:
    """(phrase, phrase, cosine) of the pairs that say the same, each once with the lower number first."""
    found = phrase_vectors(view, hashes, fingerprint)
    if found is None or not len(found[0]):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    phrases, held = found
    ends, others, heights = [], [], []
    for begin in range(0, len(held), AT_ONCE):
        table = held[begin : begin + AT_ONCE] @ held.T
        for row, close in enumerate(table, start=begin):
            close[row] = -1
            near = np.flatnonzero(close >= synonyms.min_cosine)
            near = near[top_k(close[near], synonyms.most)]
            ends.append(np.full(len(near), phrases[row]))
            others.append(phrases[near])
            heights.append(close[near].astype(np.float64))
    one, other, cosine = np.concatenate(ends), np.concatenate(others), np.concatenate(heights)
    pairs, first = np.unique(
        np.stack([np.minimum(one, other), np.maximum(one, other)]), axis=1, return_index=True
    )
    return pairs[0], pairs[1], cosine[first]


@dataclass(frozen=True)
class NeedSome(Step[Ranked[Engram], Ranked[Engram]]):
    """Passes on what was found; where that is nothing, the backup of the `OrElse` around it is asked.

    No option of `OrElse`: that cannot know what is nothing in the type that its branches give.
    """

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """The same.

        Raises:
            NothingFound: no item is left.
        """
        if not value.items:
            raise NothingFound("nothing is left to go on from; there is a backup only inside OrElse")
        return value


@dataclass(frozen=True, slots=True)
class Seeded:
    """A question, the graph to walk, and where the walk begins: float64[nodes], not all 0.

    `sureness`, a cosine: how near what the question names is to where the walk begins, 1 where nothing had to be likened.
    """

    query: Query
    view: View
    graph: PhraseGraph
    start: Doubles
    sureness: float = 1.0


@dataclass(frozen=True)
class SeedGraph(Step[Ranked[Engram], Seeded]):
    """Where the walk begins: at the phrases of the facts that were kept, and a little at every passage.

    A phrase weighs the mean, over the facts that have it as subject or object, of the fact's score divided by the number of
    passages that hold the phrase; the `phrases` (>= 1) heaviest stay. A passage weighs its cosine with the question, min-max
    over all passages, times `passage_weight` (>= 0).

    No option of `LinkNames`: that begins at names in the question, this at facts near to it and at all passages.

    Source: HippoRAG 2 (Gutiérrez et al. 2025), section 3.2 and the authors' code (`graph_search_with_fact_entities`).
    """

    phrases: int = 5
    passage_weight: float = 0.05
    synonyms: Synonyms | None = Synonyms()

    def __post_init__(self) -> None:
        if self.phrases < 1:
            raise BadSetting("SeedGraph.phrases", self.phrases, "a whole number of at least 1")
        if self.passage_weight < 0:
            raise BadSetting("SeedGraph.passage_weight", self.passage_weight, "a number of at least 0")

    def __call__(self, value: Ranked[Engram], run: Run) -> Seeded:
        """Weighs the nodes.

        Raises:
            NothingFound: neither a phrase nor a passage weighs anything.
        """
        view = run.index.view(value.query)
        fingerprint = "" if run.embedder is None else run.embedder.fingerprint
        graph = phrase_graph(view, self.synonyms, fingerprint)
        first = len(graph.passages)
        start = np.zeros(first + len(graph.hashes))
        close = cosines(view, value.query.text, (PASSAGE,), run)[graph.passages].astype(np.float64)
        there = np.isfinite(close)
        start[:first][there] = self.passage_weight * min_max(close[there])
        for phrase, weight in self._weights(value, graph).items():
            start[first + phrase] = weight
        if not start.any():
            raise NothingFound("no phrase of the facts stands in the graph")
        return Seeded(value.query, view, graph, start)

    def _weights(self, value: Ranked[Engram], graph: PhraseGraph) -> dict[int, float]:
        shares: dict[int, list[float]] = {}
        for scored in value.items:
            for name in ("subject", "object"):
                phrase = graph.phrase(str(scored.item.metadata.get(name, "")))
                if phrase >= 0:
                    shares.setdefault(phrase, []).append(scored.score / max(int(graph.held[phrase]), 1))
        means = {phrase: sum(found) / len(found) for phrase, found in shares.items()}
        return dict(sorted(means.items(), key=lambda pair: -pair[1])[: self.phrases])


@dataclass(frozen=True)
class WalkGraph(Step[Seeded, Ranked[Engram]]):
    """Personalised PageRank from the seeds, following an edge with chance `damping` (0..1): the `k` (>= 1) passages with most.

    With `by="nodes"` passages are nodes of the walk, and score what they have of it. With `by="facts"` the walk is over phrases
    alone, and a passage scores the sum, over its facts, of what subject and object have, min-max over all passages. Where the
    seeds are not surer than `unsure_until` (-1..1), half of a score is the passage's cosine with the question, min-max; -1: never.
    The query's own limit goes before `k`. Signal `graph`, and `dense` where the cosine counts.

    Source: HippoRAG 2 (Gutiérrez et al. 2025), section 3.2; damping 0.5, 5 passages for the reader. "facts": HippoRAG (Gutiérrez
    et al. 2024), section 2.3 and the authors' code, whose `doc_ensemble` is unsure until 0.9.
    """

    damping: float = 0.5
    k: int = 5
    by: Literal["nodes", "facts"] = "nodes"
    unsure_until: float = -1.0

    def __post_init__(self) -> None:
        if not 0 <= self.damping < 1:
            raise BadSetting("WalkGraph.damping", self.damping, "a chance from 0 to below 1")
        if self.k < 1:
            raise BadSetting("WalkGraph.k", self.k, "a whole number of at least 1")
        if self.by not in ("nodes", "facts"):
            raise BadSetting("WalkGraph.by", self.by, "'nodes' or 'facts'")
        if not -1 <= self.unsure_until <= 1:
            raise BadSetting("WalkGraph.unsure_until", self.unsure_until, "a cosine from -1 to 1")

    def __call__(self, value: Seeded, run: Run) -> Ranked[Engram]:
        """Walks and fetches.

        Raises:
            ModelError: the embedder failed.
        """
        graph = value.graph if self.by == "nodes" else phrases_alone(value.graph)
        rank = walk_graph(graph.ends, graph.others, graph.weights, value.start, self.damping)
        first = len(graph.passages)
        walked = rank[:first]
        if self.by == "facts":
            passage, phrase = facts_of_passages(value.view, value.graph)
            told: Doubles = np.bincount(passage, rank[first + phrase], first).astype(np.float64)
            walked = min_max(told)
        parts = {"graph": walked}
        if value.sureness <= self.unsure_until:
            close = cosines(value.view, value.query.text, (PASSAGE,), run)[graph.passages].astype(np.float64)
            there = np.isfinite(close)
            dense = np.zeros(first)
            dense[there] = min_max(close[there])
            parts = {"graph": walked / 2, "dense": dense / 2}
        scores: Float32 = np.full(value.view.size, -np.inf, dtype=np.float32)
        scores[graph.passages] = sum(parts.values())
        best = top_k(allowed(value.view, scores), value.query.limit or self.k)
        places = np.searchsorted(graph.passages, best)
        return Ranked(
            value.query,
            tuple(
                Scored(engram, float(scores[at]), {name: float(part[place]) for name, part in parts.items()})
                for at, place, engram in zip(best, places, fetch(run, value.view, best), strict=True)
                if engram is not None
            ),
        )


def phrases_alone(graph: PhraseGraph) -> PhraseGraph:
    """The same graph without what joins passages to phrases: a walk from phrases stays among phrases."""

    first = len(graph.passages)
    inside = (graph.ends >= first) & (graph.others >= first)
    return replace(graph, ends=graph.ends[inside], others=graph.others[inside], weights=graph.weights[inside])


def facts_of_passages(view: View, graph: PhraseGraph) -> tuple[Int64, Int64]:
    """(passage, phrase), int64[m] each: once for every fact of the passage that has the phrase as subject or object.

    A fact is of the passages of its message that hold all of its phrases.
    """

    def make() -> tuple[Int64, Int64]:
        rows, named = view.names()
        order = np.argsort(rows, kind="stable")
        rows, phrase = rows[order], np.searchsorted(graph.hashes, named[order])
        begins, ends = (np.searchsorted(rows, np.arange(view.size), side=side) for side in ("left", "right"))
        of_event: dict[int, list[tuple[int, set[int]]]] = {}
        for number, row in enumerate(graph.passages):
            held = set(phrase[begins[row] : ends[row]].tolist())
            of_event.setdefault(int(view.event[row]), []).append((number, held))
        pairs = [
            (number, said)
            for row in rows_of(view, (FACT,))
            for number, held in of_event.get(int(view.event[row]), ())
            if (spoken := set(phrase[begins[row] : ends[row]].tolist())) <= held
            for said in sorted(spoken)
        ]
        found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    return once(view, ("facts of passages",), make)
