"""Ranks by similarity and by utility: a model of what memories are worth, which begins as similarity and learns from what was of use.

It is two linear maps of vectors beside the identity (`residual.Maps`), and what it learns from are two things: verdicts of
`Memory.feedback`, which lie in the journal, and judgements on questions that were answered in the conversation, which are engrams of
kind `scorer`. The maps are worked out from these, so nothing of what was erased is left in them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engrams.arithmetic import Doubles, min_max, softmax
from engrams.errors import BadSetting
from engrams.ports import Embedder, Float32, Where
from engrams.recall.derived import once
from engrams.recall.learnt import SHARE
from engrams.recall.residual import Maps, counted, lesson_vector, lessons, moved, places_of, still
from engrams.records import SCORER, Engram, EngramId, Event, Query, Ranked, Scope, Scored
from engrams.step import Run, Step

#: Judgements read at once.
PAGE = 1000
#: A chance nearer to 1 than this counts as this where a memory was wrong: the push has no bound else.
SUREST = 0.9


@dataclass(frozen=True, slots=True)
class Lesson:
    """A question's vector float64[d], the rows of what was compared int64[k], and where chances should go.

    `target` float64[k]: the chances that are aimed at, times how much the lesson counts; all 0 where number `wrong` is to lose its own.
    """

    asked: Doubles
    rows: tuple[int, ...]
    target: Doubles
    wrong: int = -1


@dataclass(frozen=True)
class WeighUtility(Step[Ranked[Engram], Ranked[Engram]]):
    """Ranks the `among` (>= 1) best by similarity and utility, and keeps what is among the `keep` (>= 1) best of either.

    Utility is (q + W_q q) . (m + W_m m); both are moved and stretched to 0..1, and their mean is the score, in which utility has the part
    `utility` (0..1). A query's own limit goes in place of `keep`, and bounds all. Before anything was learnt utility is similarity, and
    nothing changes. Shares: `dense`, `learnt`.

    For each lesson the maps move by `rate` (> 0) times the gradient of -KL(target || softmax(utility / `temperature`)), `epochs` (>= 1)
    times over all. The target of a judgement is the softmax of what memories are worth (0..1) at temperature `teacher` (> 0); that of
    verdicts is what was cited or chosen, each its part; a wrong one moves by the gradient of log(1 - p). A path with everything
    below it has no maps. The `latest` (>= 1) lessons count: each takes a millisecond or two, once for each state of the index.

    No option of `RerankResidual`: that replaces the order by one learnt from rewards of +1 and -1, this keeps similarity beside what
    it learns from distributions, since supervision may be wrong. The maps and their step are the same.

    Source: MetRag (Gan et al. 2024), utility-oriented thought, in an approximation: the paper trains a small encoder that begins as the
    retriever and gives a gate f(q, d) that could not be read. KL from a model's distribution is the paper's. 50, 0.02, 0.1 and 0.75 were
    chosen on the development conversations of LoCoMo: there 0.75 finds more than 0.5, and no less than utility alone.
    """

    among: int = 50
    keep: int = 5
    utility: float = 0.75
    rate: float = 0.02
    temperature: float = 0.1
    teacher: float = 0.1
    epochs: int = 1
    latest: int = 1000
    kinds: tuple[str, ...] = ("passage",)

    def __post_init__(self) -> None:
        for name in ("among", "keep", "epochs", "latest"):
            if getattr(self, name) < 1:
                raise BadSetting(f"WeighUtility.{name}", getattr(self, name), "a number of at least 1")
        if not 0 <= self.utility <= 1:
            raise BadSetting("WeighUtility.utility", self.utility, "a part from 0 to 1")
        for name in ("rate", "temperature", "teacher"):
            if not 0 < getattr(self, name) < math.inf:
                raise BadSetting(f"WeighUtility.{name}", getattr(self, name), "a number above 0")

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """Weighs and keeps.

        Raises:
            ModelError: the embedder failed.
        """
        keep = value.query.limit or self.keep
        best, behind = list(value.items[: self.among]), list(value.items[self.among :])
        utility = self._utility(value.query, best, run)
        if utility is None:
            return replace(value, items=value.items[:keep])
        similarity = np.array([s.score for s in best], dtype=np.float64)
        close, useful = (1 - self.utility) * min_max(similarity), self.utility * min_max(utility)
        chosen = {*_best(similarity, keep), *_best(utility, keep)}
        order = sorted(range(len(best)), key=lambda n: (n not in chosen, -(close[n] + useful[n]), n))
        ranked = [
            Scored(
                best[n].item,
                float(close[n] + useful[n]),
                {**best[n].parts, "dense": float(close[n]), SHARE: float(useful[n])},
            )
            for n in order
        ]
        if value.query.limit is None:
            return replace(value, items=tuple(ranked[: len(chosen)]))
        # Below every one of these, in their order: what was not compared.
        later = [replace(s, score=s.score - 1 - float(similarity.max())) for s in behind]
        return replace(value, items=(*ranked, *later)[:keep])

    def _utility(self, asked: Query, best: Sequence[Scored[Engram]], run: Run) -> Doubles | None:
        """The utility of each, float64[n]; None where nothing was learnt."""
        if not best or run.embedder is None or asked.scope.below:
            return None
        told = counted(asked, run)
        judged = self._judgements(asked, run)
        if not told and not judged:
            return None
        view = run.index.view(asked)
        vectors = view.vectors(run.embedder.fingerprint)
        places = places_of(view, self.kinds, run)
        if vectors is None or any(s.item.id not in places for s in best):
            return None
        until = str(told["last"]) if told else ""
        mark = (until, int(told["verdicts"]) if told else 0, tuple((e.id, e.version) for e in judged))
        key = ("utility maps", self, asked.scope.namespace, run.embedder.fingerprint)
        kept: dict[object, tuple[tuple[str, ...], Maps]] = once(view, key, dict)
        if mark not in kept:
            events = lessons(asked.scope.namespace, until, run) if until else []
            before = next(iter(kept.values()), ((), still(vectors.shape[1])))
            taught: list[Engram | Event] = [*judged, *events]
            learnt = self._learnt(taught[-self.latest :], before, vectors, places, run.embedder)
            kept.clear()
            kept[mark] = learnt
        maps = kept[mark][1]
        memories = vectors[[places[s.item.id] for s in best]].astype(np.float64)
        return maps.scores(run.embedder.embed([asked.text])[0].astype(np.float64), memories)

    def _judgements(self, asked: Query, run: Run) -> list[Engram]:
        """The judgements that stood at `as_of`, in the order they were made."""
        where = Where(
            kinds=(SCORER,),
            writer=asked.writer or run.recipe,
            as_of=asked.as_of if asked.as_of_by == "recorded" else None,
        )
        found: list[Engram] = []
        after = 0
        while page := run.store.list_engrams(Scope(asked.scope.namespace), where, after=after, limit=PAGE):
            found += [e for _, e in page if "worth" in e.metadata]
            after = int(page[-1][0])
        return found

    def _learnt(
        self,
        taught: Sequence[Engram | Event],
        before: tuple[tuple[str, ...], Maps],
        vectors: Float32,
        places: Mapping[EngramId, int],
        embedder: Embedder,
    ) -> tuple[tuple[str, ...], Maps]:
        """The maps after some judgements and verdicts, and the ids of these; from where they were, if they only go on from there."""
        ids = tuple(str(e.id) for e in taught)
        done, maps = before
        if self.epochs > 1 or ids[: len(done)] != done:
            done, maps = (), still(vectors.shape[1])
        new = taught[len(done) :]
        judged = [e for e in new if isinstance(e, Engram)]
        asked = iter(embedder.embed([str(e.metadata["asked"]) for e in judged])) if judged else iter(())
        told = [
            self._judged(e, next(asked), places) if isinstance(e, Engram) else self._said(e, places, embedder)
            for e in new
        ]
        known = [one for one in told if one is not None and len(one.rows) > 1]
        for _ in range(self.epochs):
            for one in known:
                maps = self._after(maps, one, vectors)
        return ids, maps

    def _judged(self, engram: Engram, asked: Float32, places: Mapping[EngramId, int]) -> Lesson | None:
        pairs = zip(engram.metadata["among"], engram.metadata["worth"], strict=True)
        there = [(places[id], worth) for id, worth in pairs if id in places]
        worth = np.array([w for _, w in there], dtype=np.float64)
        if not worth.any():
            return None
        target = softmax(worth, self.teacher)
        return Lesson(asked.astype(np.float64), tuple(row for row, _ in there), target)

    def _said(self, event: Event, places: Mapping[EngramId, int], embedder: Embedder) -> Lesson | None:
        among = [id for id in event.metadata["among"] if id in places]
        if event.target not in among:
            return None
        at = among.index(event.target)
        rows = tuple(places[EngramId(id)] for id in among)
        target = np.zeros(len(among))
        if event.metadata["verdict"] == "wrong":
            return Lesson(lesson_vector(event, embedder), rows, target, wrong=at)
        target[at] = 1.0 / int(event.metadata["share"])
        return Lesson(lesson_vector(event, embedder), rows, target)

    def _after(self, maps: Maps, one: Lesson, vectors: Float32) -> Maps:
        memories = vectors[list(one.rows)].astype(np.float64)
        worth = one.target
        if one.wrong >= 0:
            chances = softmax(maps.scores(one.asked, memories), self.temperature)
            chance = min(float(chances[one.wrong]), SUREST)
            worth = np.zeros(len(one.rows))
            worth[one.wrong] = -chance / (1 - chance)
        return moved(maps, one.asked, memories, worth, rate=self.rate, temperature=self.temperature)


def _best(scores: Doubles, most: int) -> list[int]:
    return [int(n) for n in np.argsort(-scores, kind="stable")[:most]]
