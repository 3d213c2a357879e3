"""Says how sure it is that an answer is among the hits."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from engrams.arithmetic import Indices, rarity, top_k
from engrams.errors import BadSetting
from engrams.ports import Bool, Float32
from engrams.recall.by_meaning import piece_rarity
from engrams.recall.by_words import reach
from engrams.recall.found import Found
from engrams.recall.fuse import Summed
from engrams.step import Run, Step

FITS = 2.0
"""From here a date signal says that the month, or the day, named in the question is that of the row."""


@dataclass(frozen=True)
class Confidence(Step[Summed, Summed]):
    """The chance, 0..1, that an answer is among the hits: a logistic of what means the same in every memory.

    1 / (1 + exp(-(bias + covered * C + by_whom * W))), where
    C (0..1) is the share of the question's words, by rarity, that the best of the `looked_at` first hits holds together
    with the turns right before and after it; or, if that is more, how similar one of those hits is to the question
    beyond `alike` (0..1), by static MaxSim over its greatest possible value, or beyond `alike_vectors` (0..1), by the
    cosine of an embedder where there is one; or `dated` if one fits a date that the question names;
    W (-1..1) is by how much the best row of whom the question is about is more similar to it than anybody else's, 0
    where it names nobody: what another person said is no answer, however well it fits.

    An empty memory gives 0, and so does one whose first hits hold no word of the question, nothing more similar to it
    than any two texts are, and no date of it.

    Source: Platt 1999; constants fitted on two data sets in turn, then rounded (docs, "How sure is it?").
    """

    bias: float = -2.2
    covered: float = 3.5
    by_whom: float = 7.5
    alike: float = 0.4
    alike_vectors: float = 0.2
    dated: float = 0.5
    looked_at: int = 3

    def __post_init__(self) -> None:
        for name in ("alike", "alike_vectors"):
            if not 0 <= getattr(self, name) < 1:
                raise BadSetting(
                    f"Confidence.{name}", getattr(self, name), "a similarity of at least 0, below 1"
                )
        if not 0 <= self.dated <= 1:
            raise BadSetting("Confidence.dated", self.dated, "a share from 0 to 1")
        if self.looked_at < 1:
            raise BadSetting("Confidence.looked_at", self.looked_at, "a number of hits, at least 1")

    def __call__(self, value: Summed, run: Run) -> Summed:
        """Adds the confidence; leaves it unknown where the sum does not say what was asked."""
        if value.asked is None:
            return value
        return replace(value, confidence=self.of(value, value.asked))

    def of(self, value: Summed, asked: Found) -> float:
        """The confidence of one ranking."""
        scores, mine = value.scores, None
        if value.view.allowed is not None:
            mine = value.view.allowed[value.rows]
            scores = np.where(mine, scores, -np.inf).astype(np.float32)
        best = top_k(scores, self.looked_at)
        if not len(best):
            return 0.0
        similar = similarity(asked)
        share = max(covered(asked, best), (float(similar[best].max()) - self.alike) / (1 - self.alike))
        dense = asked.signals.get("dense")
        if dense is not None and dense.deviation is not None:  # else there is no embedder, and all are 0
            share = max(
                share, (float(dense.values[best].max()) - self.alike_vectors) / (1 - self.alike_vectors)
            )
        if fits_date(asked, best):
            share = max(share, self.dated)
        if share <= 0:
            return 0.0
        return 1 / (
            1 + math.exp(-(self.bias + self.covered * share + self.by_whom * by_whom(asked, similar, mine)))
        )


def covered(asked: Found, candidates: Indices) -> float:
    """The largest share of the question's words, by rarity, that one of some candidates holds with its neighbours; 0..1."""
    view, terms = asked.view, asked.question.terms
    if not terms or not len(candidates):
        return 0.0
    around = np.stack(reach(view, asked.rows[candidates], 1))  # int[3, c], `size` where there is none
    held, weights = (
        np.zeros((len(terms), len(candidates)), dtype=np.float32),
        np.zeros(len(terms), np.float32),
    )
    for at, term in enumerate(terms):
        rows, _ = asked.postings(term)
        weights[at] = rarity(view.size, len(rows))
        if len(rows):
            place = np.minimum(np.searchsorted(rows, around), len(rows) - 1)
            held[at] = (rows[place] == around).any(axis=0)
    return float((weights @ held).max() / weights.sum())


def similarity(asked: Found) -> Float32:
    """Static MaxSim of every candidate over the greatest it could be, float32[c] in 0..1; 0 where it was not worked out."""
    signal = asked.signals.get("meaning")
    most = sum(piece_rarity(asked.view, piece) for piece in asked.question.pieces)
    if signal is None or most <= 0:
        return np.zeros(len(asked.rows), dtype=np.float32)
    return (signal.values / np.float32(most)).astype(np.float32)


def by_whom(asked: Found, similar: Float32, mine: Bool | None = None) -> float:
    """The most similar row of whom the question is about, less the most similar of anybody else: -1..1.

    Of the rows `mine`, bool[c]; None: all. 0 where the question names nobody, or only one side has rows.
    """
    if asked.question.speaker < 0:
        return 0.0
    own = asked.view.speaker[asked.rows] == asked.question.speaker
    others = ~own
    if mine is not None:
        own, others = own & mine, others & mine
    if not own.any() or not others.any():
        return 0.0
    return float(similar[own].max() - similar[others].max())


def fits_date(asked: Found, candidates: Indices) -> bool:
    """Whether one of some candidates was said at, or speaks of, a date that the question names."""
    held = (asked.signals[name].values[candidates] for name in ("date", "spoken") if name in asked.signals)
    return any(bool((values >= FITS).any()) for values in held)
