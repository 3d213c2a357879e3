"""Finds by meaning, and adds to it what words and shared names say, each between 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engrams.arithmetic import logistic, rarity, saturate, top_k
from engrams.errors import BadSetting
from engrams.ports import Float32, Int64, View
from engrams.recall.derived import once
from engrams.recall.nearest import allowed, cosines, rows_of
from engrams.recall.question_names import Names
from engrams.recall.relations import entity_vectors
from engrams.recall.select import fetch
from engrams.records import Engram, Query, Ranked, Scored
from engrams.step import Run, Step
from engrams.words import term_hash, terms

#: (most terms of a question, midpoint, steepness): how a BM25 score is brought to 0..1; longer questions score higher.
CURVES = ((3, 5.0, 0.7), (6, 7.0, 0.6), (9, 9.0, 0.5), (15, 10.0, 0.5))
LONGER = (12.0, 0.5)
#: By how much a name that many facts share counts less: 1 / (1 + 0.001 (n - 1)^2).
CROWDED = 0.001
#: What a shared name may add at most, where the cosine and the words add 1 each.
NAME_WEIGHT = 0.5
#: BM25 as stores have it that mem0 runs on: Lucene's and Qdrant's defaults.
K1, B = 1.2, 0.75


@dataclass(frozen=True)
class ScoreAdditively(Step[Query, Ranked[Engram]]):
    """The `k` (>= 1) engrams of `kinds` with the largest (cosine + words + names) / what these could be at most, best first.

    Of the `over` * k nearest, but at least `pool`, those with a cosine of `least` (-1..1) or more. Words: BM25 among the engrams of
    these kinds, of the `over` * k best, at least `pool`, brought to 0..1 by a curve for the length of the question (`CURVES`).
    Names: of the first `most_names` that `names` gives, the largest 0.5 * cosine / (1 + 0.001 (n - 1)^2) over the things at
    `min_name` (-1..1) or more, n being how many engrams of these kinds name one. What could be is 1, and 1 more where any words
    fit, 0.5 more where any name does. The query's own limit goes before `k`. Signals `dense`, `words`, `names`, which add up to
    the score but for its bound of 1.

    No option of `SumStandardised`: that sums deviations over all rows, and has no floor and no bound.

    Source: the code of mem0 of 2026 (`utils/scoring.py`, `memory/main.py`), which no paper describes.
    """

    names: Step[Query, Names]
    kinds: tuple[str, ...] = ("fact",)
    k: int = 20
    least: float = 0.1
    over: int = 4
    pool: int = 60
    min_name: float = 0.5
    most_names: int = 8

    def __post_init__(self) -> None:
        for name in ("k", "over", "pool", "most_names"):
            if getattr(self, name) < 1:
                raise BadSetting(
                    f"ScoreAdditively.{name}", getattr(self, name), "a whole number of at least 1"
                )
        for name in ("least", "min_name"):
            if not -1 <= getattr(self, name) <= 1:
                raise BadSetting(f"ScoreAdditively.{name}", getattr(self, name), "a cosine from -1 to 1")

    def __call__(self, value: Query, run: Run) -> Ranked[Engram]:
        """Scores.

        Raises:
            NeedsExtra: there is no embedder.
            ModelError: the embedder failed.
        """
        view = run.index.view(value)
        k = max(self.k, value.limit or 0)
        wanted = max(self.over * k, self.pool)
        close = cosines(view, value.text, self.kinds, run)
        near = top_k(allowed(view, close), wanted)
        near = near[close[near] >= self.least]
        rows = rows_of(view, self.kinds)
        words = self._words(view, rows, value.text, wanted)
        named = self._names(view, rows, self.names(value, run), run)
        most = 1 + float(words.any()) + (NAME_WEIGHT if named.any() else 0)
        shares = np.stack([close[near], words[near], named[near]]).astype(np.float64) / most
        scores = np.minimum(shares.sum(axis=0), 1)
        best = np.argsort(-scores, kind="stable")[: value.limit or self.k]
        parts = ("dense", "words", "names")
        return Ranked(
            value,
            tuple(
                Scored(
                    engram,
                    float(scores[at]),
                    {name: float(share) for name, share in zip(parts, shares[:, at], strict=True)},
                )
                for at, engram in zip(best, fetch(run, view, near[best]), strict=True)
                if engram is not None
            ),
        )

    def _words(self, view: View, rows: Int64, question: str, wanted: int) -> Float32:
        """BM25 of the best rows in 0..1, float32[size]; 0 for all others."""
        raw, out = np.zeros(view.size, dtype=np.float32), np.zeros(view.size, dtype=np.float32)
        said = terms(question)
        if not len(rows):
            return out
        inside = once(view, ("is of", self.kinds), lambda: np.isin(np.arange(view.size), rows))
        mean = float(view.length[rows].mean())
        for term in dict.fromkeys(map(term_hash, said)):
            held, counts = view.postings(term)
            held, counts = held[inside[held]], counts[inside[held]]
            if len(held):
                weight = saturate(counts, view.length[held], mean, K1, B)
                raw[held] += np.float32(rarity(len(rows), len(held))) * weight
        best = top_k(allowed(view, raw), wanted)
        best = best[raw[best] > 0]
        out[best] = logistic(raw[best].astype(np.float64), *curve(len(said)))
        return out

    def _names(self, view: View, rows: Int64, asked: Names, run: Run) -> Float32:
        """What shared names add to each row, float32[size] in 0..0.5."""
        out = np.zeros(view.size, dtype=np.float32)
        known = None if run.embedder is None else entity_vectors(view, run.embedder.fingerprint)
        names = asked.names[: self.most_names]
        if known is None or not names or run.embedder is None:
            return out
        hashes, vectors = known
        held, of = view.names()
        inside = np.isin(held, rows)
        held, of = held[inside], of[inside]
        for vector in run.embedder.embed(list(names)):
            for node in np.flatnonzero((like := vectors @ vector) >= self.min_name):
                sharing = held[of == hashes[node]]
                np.maximum.at(out, sharing, np.float32(float(like[node]) * NAME_WEIGHT * crowd(len(sharing))))
        return out


def curve(count: int) -> tuple[float, float]:
    """(midpoint, steepness) of the curve for a question of so many terms."""
    return next(((mid, steep) for most, mid, steep in CURVES if count <= most), LONGER)


def crowd(count: int) -> float:
    """How much a name counts that so many share, 0..1."""
    return 1 / (1 + CROWDED * (max(count, 1) - 1) ** 2)
