"""A learned reranker over vectors: two linear maps beside the identity, moved by what answers cited.

The maps are worked out from the journal: a verdict is an event that holds the question's vector and the ids of what was
compared, the vectors of these are the index's. So nothing of a memory that was erased is left in the maps, an undo or a look
into the past takes as many verdicts as stood then, and a store does not grow by two maps of d x d numbers with each verdict.
What the scorer engram of a namespace holds is how many verdicts count, and which is the last.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engrams.arithmetic import Doubles, softmax
from engrams.errors import BadSetting
from engrams.ports import Embedder, Float32, View, Where
from engrams.recall.derived import once
from engrams.recall.learnt import SHARE, WRITER, Verdict
from engrams.recall.nearest import rows_of
from engrams.recall.select import fetch
from engrams.records import (
    NOTHING,
    SCORER,
    Engram,
    EngramId,
    Event,
    Json,
    Query,
    Ranked,
    Scope,
    Scored,
    derived_id,
)
from engrams.step import Run, Step

#: How a vector lies in the journal: two bytes a number, far finer than what a verdict moves.
STORED = np.dtype("<f2")
#: Feedback events read at once.
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Maps:
    """W_q and W_m, float64[d, d] each; all 0 before any verdict, where a score is the plain product of the vectors."""

    question: Doubles
    memory: Doubles

    def scores(self, asked: Doubles, memories: Doubles) -> Doubles:
        """(q + W_q q) . (m + W_m m) of float64[d] with each of float64[k, d]: float64[k]. Source: RMM, section 4.3."""
        scores: Doubles = (memories + memories @ self.memory.T) @ (asked + self.question @ asked)
        return scores


def still(dimensions: int) -> Maps:
    """Maps that change nothing."""
    return Maps(np.zeros((dimensions, dimensions)), np.zeros((dimensions, dimensions)))


def moved(
    maps: Maps, asked: Doubles, memories: Doubles, worth: Doubles, *, rate: float, temperature: float
) -> Maps:
    """The maps after one step of REINFORCE: `rate` times the gradient of the sum of worth_i log p_i is added.

    p = softmax(scores / temperature) over the memories float64[k, d]; worth float64[k] is reward less baseline, 0 for what got
    none. With c_i = (worth_i - p_i Σ worth) / temperature, that is Σ c_i m'_i ⊗ q for W_q and q' ⊗ Σ c_i m_i for W_m.

    Source: RMM (Tan et al., ACL 2025), section 4.3 (Williams 1992).
    """
    further, towards = memories + memories @ maps.memory.T, asked + maps.question @ asked
    chances = softmax(further @ towards, temperature)
    push = (worth - chances * worth.sum()) / temperature
    return Maps(
        maps.question + np.outer(rate * (push @ further), asked),
        maps.memory + np.outer(rate * towards, push @ memories),
    )


def maps_id(namespace: str) -> EngramId:
    """The id of the scorer that says which verdicts a namespace's maps have learnt from."""
    return derived_id(WRITER, SCORER, (namespace, "maps"))


def lesson(
    verdict: Verdict,
    among: Sequence[str],
    passed: Sequence[str],
    share: int,
    asked: Doubles,
    embedder: str,
) -> dict[str, Json]:
    """What the journal keeps of a verdict on one memory beside question and target.

    `among` are the ids that were compared, `passed` those that were shown and not cited, which each of `share` good verdicts on
    one question pushes down by its part; `asked` is the question's vector float[d] of that embedder.
    """
    vector = base64.b64encode(asked.astype(STORED).tobytes()).decode()
    return {
        "verdict": verdict,
        "among": list(among),
        "passed": list(passed),
        "share": share,
        "vector": vector,
        "embedder": embedder,
    }


def is_lesson(event: Event) -> bool:
    """Whether a feedback event is one that maps learn from."""
    return event.kind == "feedback" and "among" in event.metadata


@dataclass(frozen=True)
class RerankResidual(Step[Ranked[Engram], Ranked[Engram]]):
    """Orders the `among` (>= 1) best by (q + W_q q) . (m + W_m m) and keeps `keep` (>= 1) of all; the query's own limit goes first.

    The others stay behind them. Without feedback the maps are 0 and the order stays. Signal `learnt`: by how much a score differs
    from the one before. A path with everything below it (`acme/*`) has no maps.

    Feedback moves the maps: +1 for what was cited or chosen, -1 for what was wrong, or shown and not cited, less `baseline`, times
    `rate` (above 0), over a softmax with `temperature` (above 0). With `noise`, the seed of a generator, Gumbel noise is added before
    the best are taken, the same for the same question; None: none.

    No option of `Rerank`: that moves the weights of signals, this the vectors themselves, by two maps that learn from what is
    cited.

    Source: retrospective reflection of RMM (Tan et al., ACL 2025), section 4.3: 20, 5, 1e-3, 0.5, 0.5.
    """

    among: int = 20
    keep: int = 5
    rate: float = 1e-3
    baseline: float = 0.5
    temperature: float = 0.5
    noise: int | None = None
    kinds: tuple[str, ...] = ("topic",)

    def __post_init__(self) -> None:
        for name in ("among", "keep"):
            if getattr(self, name) < 1:
                raise BadSetting(
                    f"RerankResidual.{name}", getattr(self, name), "a number of hits, at least 1"
                )
        for name in ("rate", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise BadSetting(f"RerankResidual.{name}", getattr(self, name), "a number above 0")
        if not -1 <= self.baseline <= 1:
            raise BadSetting("RerankResidual.baseline", self.baseline, "a reward, -1 to 1")
        if self.noise is not None and self.noise < 0:
            raise BadSetting("RerankResidual.noise", self.noise, "a seed, at least 0, or None")

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """Scores again.

        Raises:
            ModelError: the embedder failed.
        """
        best, behind = list(value.items[: self.among]), value.items[self.among :]
        before = np.array([s.score for s in best], dtype=np.float64)
        after = self._scores(value.query, best, before, run)
        if self.noise is not None:
            drawn = np.random.default_rng([self.noise, zlib.crc32(value.query.text.encode())])
            after = after + drawn.gumbel(size=len(after))
        added = after - before
        if added.any():
            scored = [_with(s, float(more)) for s, more in zip(best, added, strict=True)]
            best = [scored[at] for at in np.argsort(-after, kind="stable")]
            behind = tuple(_with(s, float(added.min())) for s in behind)
        return replace(value, items=(*best, *behind)[: value.query.limit or self.keep])

    def _scores(self, asked: Query, best: Sequence[Scored[Engram]], before: Doubles, run: Run) -> Doubles:
        told = counted(asked, run)
        if not told or not best or run.embedder is None:
            return before
        view = run.index.view(asked)
        vectors = view.vectors(run.embedder.fingerprint)
        if vectors is None:
            return before
        maps = self._maps(asked.scope.namespace, told, view, run)
        places = places_of(view, self.kinds, run)
        known = [at for at, s in enumerate(best) if s.item.id in places]
        memories = vectors[[places[best[at].item.id] for at in known]].astype(np.float64)
        question = run.embedder.embed([asked.text])[0].astype(np.float64)
        after = before.copy()
        after[known] = maps.scores(question, memories)
        return after

    def _maps(self, namespace: str, told: Mapping[str, Json], view: View, run: Run) -> Maps:
        """The maps after every verdict up to the last that counts. The view keeps those of one moment, from which it goes on."""
        embedder = run.embedder
        vectors = None if embedder is None else view.vectors(embedder.fingerprint)
        assert embedder is not None and vectors is not None
        nothing_kept: dict[tuple[int, str], Maps] = {}
        kept = once(view, ("residual maps", self, namespace, embedder.fingerprint), lambda: nothing_kept)
        mark = (int(told["verdicts"]), str(told["last"]))
        maps = kept.get(mark)
        if maps is None:
            verdicts = lessons(namespace, mark[1], run)
            done, maps = 0, still(vectors.shape[1])
            for (count, last), there in list(kept.items()):
                if count < len(verdicts) == mark[0] and verdicts[count - 1].id == last:
                    done, maps = count, there
            for event in verdicts[done:]:
                maps = self._after(maps, event, vectors, places_of(view, self.kinds, run), embedder)
            kept.clear()
            kept[mark] = maps
        return maps

    def _after(
        self,
        maps: Maps,
        event: Event,
        vectors: Float32,
        places: Mapping[EngramId, int],
        embedder: Embedder,
    ) -> Maps:
        """The maps after one verdict; what was compared and is gone does not count, and without its target there is none."""
        among = [id for id in event.metadata["among"] if id in places]
        if event.target not in among:
            return maps
        worth = np.array([self._worth(event, id) for id in among])
        memories = vectors[[places[EngramId(id)] for id in among]].astype(np.float64)
        asked = lesson_vector(event, embedder)
        return moved(maps, asked, memories, worth, rate=self.rate, temperature=self.temperature)

    def _worth(self, event: Event, id: str) -> float:
        if id == event.target:
            return (-1.0 if event.metadata["verdict"] == "wrong" else 1.0) - self.baseline
        if id in event.metadata["passed"]:
            return (-1.0 - self.baseline) / int(event.metadata["share"])
        return 0.0


def counted(asked: Query, run: Run) -> Mapping[str, Json]:
    """What the scorer of a query's namespace says, as it stood at `as_of`: `verdicts`, how many count, and `last`, the id of the last.

    Empty where there is none, or it was rejected.
    """
    if asked.scope.below:
        return NOTHING
    id = maps_id(asked.scope.namespace)
    if asked.as_of is None:
        engram = run.store.engrams([id]).get(id)
        return engram.metadata if engram is not None and engram.state == "active" else NOTHING
    past = [r for r in run.store.versions(id) if r.at <= asked.as_of]
    return past[-1].metadata if past and past[-1].state == "active" else NOTHING


def lessons(namespace: str, last: str, run: Run) -> list[Event]:
    """The feedback events of a namespace that maps learn from, in their order, up to the one of that id."""
    found: list[Event] = []
    after = 0
    while page := run.store.journal(Scope(namespace), Where(), kinds=("feedback",), after=after, limit=PAGE):
        for _, event in page:
            if is_lesson(event):
                found.append(event)
            if event.id == last:
                return found
        after = page[-1][0]
    return found


def lesson_vector(event: Event, embedder: Embedder) -> Doubles:
    """The question's vector, float64[d]: as it was kept, or of another embedder made anew."""
    if event.metadata["embedder"] == embedder.fingerprint:
        vector: Doubles = np.frombuffer(base64.b64decode(event.metadata["vector"]), STORED).astype(np.float64)
    else:
        vector = embedder.embed([event.content])[0].astype(np.float64)
    return vector


def places_of(view: View, kinds: tuple[str, ...], run: Run) -> Mapping[EngramId, int]:
    """The row of the newest version of each engram of some kinds."""

    def make() -> dict[EngramId, int]:
        rows = rows_of(view, kinds)
        there = zip(rows.tolist(), fetch(run, view, rows), strict=True)
        return {engram.id: row for row, engram in there if engram is not None}

    return once(view, ("places of", kinds), make)


def _with(scored: Scored[Engram], more: float) -> Scored[Engram]:
    return replace(scored, score=scored.score + more, parts={**scored.parts, SHARE: more})
