"""Finds by place in the graph: what the best passages speak of leads to others that speak of the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engrams.arithmetic import Doubles, chances, moments, page_rank, top_k
from engrams.errors import BadSetting
from engrams.ports import Float32, Int64, UInt32, View
from engrams.recall.derived import once
from engrams.recall.found import Found, Signal
from engrams.recall.fuse import SumStandardised, is_dialogue
from engrams.step import Run, Step
from engrams.words import name_hash, name_words

LONGEST_NAME = 6
"""Words of the longest name looked for in a question."""

SHORTEST_NAME = 3
"""Letters of the shortest: "Al" and "It" name too much."""

LEAST = 1e-7
"""Added to a rank before its logarithm: what the walk does not reach stands far below, not at minus infinity."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Passages and names: pair i joins passage `passage[i]` (of `size`) and name `name[i]`, hashed as `hashes[name[i]]`.

    `from_passage` and `from_name` are the chances of a walk to take the pair from either end, `held` int64[e] how many
    passages hold each name.
    """

    size: int
    passage: Int64
    name: Int64
    hashes: UInt32
    from_passage: Doubles
    from_name: Doubles
    held: Int64

    @classmethod
    def of(cls, view: View, rows: npt.NDArray[np.integer]) -> Graph:
        """The graph of some rows (ascending) of a view; passage i is the i-th of them."""
        held, hashes = view.names()
        place = np.full(view.size, -1, dtype=np.int64)
        place[rows] = np.arange(len(rows))
        inside = place[held] >= 0
        distinct, name = np.unique(hashes[inside], return_inverse=True)
        passage = place[held[inside]]
        return cls(
            len(rows),
            passage,
            name.astype(np.int64),
            distinct,
            chances(passage, len(rows)),
            chances(name, len(distinct)),
            np.bincount(name, minlength=len(distinct)).astype(np.int64),
        )

    def places(self, hashes: Sequence[int]) -> Int64:
        """The numbers of the names with these hashes, int64[len(hashes)]; -1 for one that is not there."""
        return places_among(self.hashes, hashes)


def places_among(known: UInt32, hashes: Sequence[int]) -> Int64:
    """Where hashes stand among those known, uint32[e] ascending: int64[len(hashes)]; -1 for one that is not there."""
    wanted = np.array(hashes, dtype=np.uint32)
    if not len(known):
        return np.full(len(wanted), -1, dtype=np.int64)
    at = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[at] == wanted, at, -1).astype(np.int64)


@dataclass(frozen=True)
class GraphScores(Step[Found, Found]):
    """Personalised PageRank over passages and the names in them: signal `graph`, the logarithm of the rank, float32[c].

    The walk starts at the `seeds` (>= 1) best candidates by the sum so far (`by`), as e to their score, and as often at
    the names in the question, rare ones more; with chance `damping` (0..1) it goes on to a neighbour, `rounds` times. So it
    finds what the question does not say: the passage about the mayor of the town that it does say. Among dialogue,
    where a name stands in a turn by chance, and where no names were noted, the signal is 0.

    About 1 ms for 1,000 to 2,000 passages, 2 for 5,000, 5 for 10,000. Up to `exact` (>= 0) rows the graph is that of all, also
    where few are candidates; above,
    that of the candidates alone.

    Source: HippoRAG 2 (Gutiérrez et al. 2025), section 3, damping from section 4; seeds from passages alone and the
    logarithm are ours.
    """

    by: SumStandardised
    seeds: int = 3
    damping: float = 0.5
    rounds: int = 8
    exact: int = 10_000

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise BadSetting("GraphScores.seeds", self.seeds, "a number of passages, at least 1")
        if not 0 < self.damping < 1:
            raise BadSetting("GraphScores.damping", self.damping, "a chance above 0 and below 1")
        if self.exact < 0:
            raise BadSetting("GraphScores.exact", self.exact, "a number of rows, at least 0")
        if self.rounds < 1:
            raise BadSetting("GraphScores.rounds", self.rounds, "a number of rounds, at least 1")

    def __call__(self, value: Found, run: Run) -> Found:
        """Adds the signal."""
        without = value.with_signal("graph", Signal(np.zeros(len(value.rows), dtype=np.float32)))
        if not len(value.rows) or is_dialogue(value.view):
            return without
        whole = value.view.size <= self.exact
        graph = self._graph(value, whole=whole)
        if not len(graph.hashes):
            return without
        passages = self._seeds(without, run)
        if whole and not value.whole:
            seeds, passages = passages, np.zeros(value.view.size, dtype=np.float32)
            passages[value.rows] = seeds
        names = _seeds_of_names(graph, value.query.text)
        if not passages.any() and not names.any():  # the query may see no passage, and names nothing
            return without
        rank = page_rank(
            graph.passage,
            graph.name,
            graph.from_passage,
            graph.from_name,
            passages,
            names,
            self.damping,
            self.rounds,
        )
        logs = np.log(rank + LEAST).astype(np.float32)
        if whole:
            return value.with_scores("graph", logs)
        return value.with_signal("graph", Signal(logs, *moments(logs)))

    def _graph(self, value: Found, *, whole: bool) -> Graph:
        view = value.view
        if whole:
            return once(view, ("graph",), lambda: Graph.of(view, np.arange(view.size)))
        return Graph.of(view, value.rows)

    def _seeds(self, value: Found, run: Run) -> Float32:
        """Where the walk starts among passages, float32[c], summing to 1; 0 where the query may see none."""
        scores = self.by(value, run).scores
        if value.view.allowed is not None:
            scores = np.where(value.view.allowed[value.rows], scores, -np.inf).astype(np.float32)
        best = top_k(scores, self.seeds)
        start = np.zeros(len(scores), dtype=np.float32)
        if len(best):
            weights = np.exp(scores[best] - scores[best[0]])
            start[best] = weights / weights.sum()
        return start


def _seeds_of_names(graph: Graph, question: str) -> Float32:
    """Where the walk starts among names, float32[e], summing to 1; rare names more; all 0 where none is named."""
    start = np.zeros(len(graph.hashes), dtype=np.float32)
    places = sorted({place for place, _ in named_in(graph.places, question)})
    if places:
        start[places] = 1 / graph.held[places]
        start /= start.sum()
    return start


def named_in(places_of: Callable[[Sequence[int]], Int64], question: str) -> list[tuple[int, str]]:
    """The names in a question, by number and as said: the longest first at each place, whether capitalised or not.

    `places_of` gives the numbers of the names with some hashes, -1 for one that is not there.
    """
    said = name_words(question)
    spans = [
        (begin, begin + length)
        for begin in range(len(said))
        for length in range(min(LONGEST_NAME, len(said) - begin), 0, -1)
    ]
    texts = [" ".join(said[begin:end]) for begin, end in spans]
    places = places_of([name_hash(text) for text in texts]) if texts else ()
    found: list[tuple[int, str]] = []
    free = 0
    for (begin, end), text, place in zip(spans, texts, places, strict=True):
        if begin >= free and place >= 0 and len(text) >= SHORTEST_NAME:
            found.append((int(place), text))
            free = end
    return found
