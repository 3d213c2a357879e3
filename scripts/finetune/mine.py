"""Hard negatives: passages that look like the answer and are not, by their words (BM25) and by meaning (the base model)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engrams.words import terms

Floats = npt.NDArray[np.float32]

#: Robertson and Zaragoza 2009, section 3: the usual saturation and length normalisation.
K1, B = 1.2, 0.75
SMALLEST_DEVIATION = 1e-6


class Words:
    """BM25 over a fixed pool of texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(terms(text)) for text in texts]
        lengths = np.array([sum(count.values()) for count in counts], np.float32)
        damp = K1 * (1 - B + B * lengths / max(1.0, float(lengths.mean()) if len(lengths) else 1.0))
        rows: dict[str, list[int]] = {}
        values: dict[str, list[float]] = {}
        for row, count in enumerate(counts):
            for term, times in count.items():
                rows.setdefault(term, []).append(row)
                values.setdefault(term, []).append(times * (K1 + 1) / (times + float(damp[row])))
        size = self.size = len(texts)
        self._postings = {
            term: (
                np.array(held, np.int64),
                np.array(values[term], np.float32)
                * math.log(1 + (size - len(held) + 0.5) / (len(held) + 0.5)),
            )
            for term, held in rows.items()
        }

    def scores(self, question: str) -> Floats:
        """float32[size], at least 0."""
        out = np.zeros(self.size, np.float32)
        for term in set(terms(question)):
            if term in self._postings:
                rows, values = self._postings[term]
                out[rows] += values
        return out


class Rarity:
    """BM25 between any question and any text, rarity and mean length being those of a pool; in standard deviations.

    One deviation is that of the scores of the pool's texts for the questions of the pool, so that the figure is about
    what a recipe sums.
    """

    def __init__(self, texts: Sequence[str], questions: Sequence[str]) -> None:
        counts = [Counter(terms(text)) for text in texts]
        self._mean = max(1.0, float(np.mean([sum(count.values()) for count in counts])))
        holding = Counter(term for count in counts for term in count)
        self._rare = {term: math.log(1 + (len(counts) - n + 0.5) / (n + 0.5)) for term, n in holding.items()}
        self._unseen = math.log(1 + (len(counts) + 0.5) / 0.5)
        self._deviation = 1.0
        self._deviation = max(SMALLEST_DEVIATION, float(np.mean(self.between(questions, texts).std(axis=1))))

    def between(self, questions: Sequence[str], texts: Sequence[str]) -> Floats:
        """float32[questions, texts], at least 0."""
        out = np.zeros((len(questions), len(texts)), np.float32)
        counts = [Counter(terms(text)) for text in texts]
        damps = [K1 * (1 - B + B * sum(count.values()) / self._mean) for count in counts]
        for row, question in enumerate(questions):
            asked = set(terms(question))
            for column, (count, damp) in enumerate(zip(counts, damps, strict=True)):
                out[row, column] = sum(
                    self._rare.get(term, self._unseen) * count[term] * (K1 + 1) / (count[term] + damp)
                    for term in asked & count.keys()
                )
        return out / self._deviation


def hardest(scores: Floats, forbidden: npt.NDArray[np.bool_], count: int, skip: int = 0) -> list[int]:
    """The rows of the `count` best scores among those not forbidden, best first, without the very best `skip`.

    Rows that score 0 or less are no hard negatives. Equal scores: the earlier row.
    """
    order = np.lexsort((np.arange(len(scores)), -np.where(forbidden, -np.inf, scores)))
    wanted = [int(row) for row in order[: count + skip] if not forbidden[row] and scores[row] > 0]
    return wanted[skip:]


def says(text: str, answer: str) -> bool:
    """Whether a passage holds the answer's words one after the other: then it is no sure negative."""
    wanted, found = terms(answer), terms(text)
    if not wanted:
        return False
    return any(found[at : at + len(wanted)] == wanted for at in range(len(found) - len(wanted) + 1))
