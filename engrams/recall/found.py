"""What travels through a read chain while it ranks: the question as understood, and one signal after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from engrams.arithmetic import LEAST_DEVIATION, moments, standardise
from engrams.dates import Span
from engrams.ports import Float32, Int32, View
from engrams.records import NOTHING, Query

Number = TypeVar("Number", bound=np.generic)

_ZERO = bytes(4)
"""One 0 in single precision that nobody can overwrite."""


@dataclass(frozen=True, slots=True)
class Question:
    """A question as recall uses it, without what says nothing about the answer.

    `terms` are hashes of distinct stems and `pieces` word-piece ids, both in reading order, without stop words and
    without the names of speakers. `speaker` is the code of whom the question is about, -1 where it names nobody.
    `dates` are the days it asks about, `asks_when` says whether days are what it asks for.
    `text` is the question as it was asked, but for those names.
    """

    terms: tuple[int, ...]
    pieces: tuple[int, ...]
    speaker: int = -1
    dates: tuple[Span, ...] = ()
    text: str = ""
    asks_when: bool = False


@dataclass(frozen=True, slots=True)
class Signal:
    """One way to tell what fits, a number per candidate: `values` float32[c].

    With a `deviation` the signal counts in standard deviations from the namespace's mean; with None as it is.
    """

    values: Float32
    mean: float = 0.0
    deviation: float | None = None

    def standard(self) -> Float32:
        """The values as they are summed, float32[c]."""
        if self.deviation is None:
            return self.values
        return standardise(self.values, self.mean, self.deviation)

    @property
    def constant(self) -> bool:
        """Whether the values are known to be one and the same: they order nothing."""
        return len(self.values) > 1 and self.values.strides == (0,)

    @property
    def silent(self) -> bool:
        """Whether it is known to add nothing to any sum: a cue that the question does not give."""
        return self.deviation is None and self.constant and not self.values[0]

    def narrowed(self, at: npt.NDArray[np.integer]) -> Signal:
        """Of some of the candidates, by their places; mean and deviation stay."""
        values = self.values[: len(at)] if self.constant else self.values[at]
        return Signal(values, self.mean, self.deviation)

    def slope(self, weight: float) -> np.float32:
        """By how much a sum grows with the values when the signal counts `weight` times: 0 where nothing deviates."""
        if self.deviation is None:
            return np.float32(weight)
        return np.float32(weight / self.deviation if self.deviation >= LEAST_DEVIATION else 0)


def nothing(count: int) -> Float32:
    """`count` zeros that take no memory: the values of a cue that says nothing."""
    return np.ndarray((count,), np.float32, _ZERO, strides=(0,))


@dataclass(frozen=True, slots=True)
class Found:
    """A question, the state of the index it looks into, the candidate rows, and the signals so far.

    `rows` int32[c], ascending; every signal is aligned with it. At first all rows are candidates. `closeness`
    float32[q, o]: how similar the pieces of the question are to those that occur in the view, once a step has worked it out.
    `vector` float32[d]: the question's, where its signals are guesses that want an exact look.
    """

    query: Query
    view: View
    question: Question
    rows: Int32
    signals: Mapping[str, Signal] = field(default_factory=lambda: NOTHING)
    closeness: Float32 | None = None
    vector: Float32 | None = None
    looked_up: dict[int, tuple[Int32, Float32]] = field(default_factory=dict, compare=False, repr=False)

    def postings(self, term: int) -> tuple[Int32, Float32]:
        """`View.postings` of a term of the question, looked up once for all steps."""
        if term not in self.looked_up:
            self.looked_up[term] = self.view.postings(term)
        return self.looked_up[term]

    @property
    def whole(self) -> bool:
        """Whether every row is still a candidate."""
        return len(self.rows) == self.view.size

    def with_signal(self, name: str, signal: Signal) -> Found:
        """The same with one more signal (or another of the same name)."""
        # Not by `replace`, which looks at every field: a chain does this for each of its signals.
        return Found(
            self.query,
            self.view,
            self.question,
            self.rows,
            {**self.signals, name: signal},
            self.closeness,
            self.vector,
            self.looked_up,
        )

    def with_scores(self, name: str, scores: Float32) -> Found:
        """The same with a signal that is known for every row, float32[size], and counts in deviations."""
        return self.with_signal(name, Signal(self.of_rows(scores), *moments(scores)))

    def of_rows(self, column: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """What a column of the whole view, one number per row, says of the candidates, [c]."""
        return column if self.whole else column[self.rows]

    def narrowed(self, rows: Int32) -> Found:
        """Only the candidates `rows` (ascending, all of them candidates now); signals keep mean and deviation."""
        at = rows if self.whole else np.searchsorted(self.rows, rows)
        signals = {name: s.narrowed(at) for name, s in self.signals.items()}
        return replace(self, rows=rows, signals=signals)
