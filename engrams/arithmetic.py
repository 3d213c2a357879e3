"""Pure functions on arrays: no state, no I/O, shapes in the docstrings."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.integer]

#: Values worked on at once where a pass needs wider numbers: they stay in the cache, and numpy's BLAS in one thread
#: (OpenBLAS spreads dot products of more than 10,000 numbers; on a busy machine its threads wait for each other).
IN_CACHE = 8_192
#: Multiplications of a matrix product that OpenBLAS still does in one thread (`SMP_THRESHOLD_MIN` x 4).
IN_ONE_THREAD = 262_144
#: Values that deviate less differ by rounding alone.
LEAST_DEVIATION = 1e-6
#: So few runs are looked at one by one in `Runs.largest`: the longest of a few long ones would cost a round each.
FEW_RUNS = 8


def moments(values: Floats, size: int | None = None) -> tuple[float, float]:
    """Mean and standard deviation of float[n]; with `size` > n the missing values count as 0.

    Raises:
        ValueError: `size` below n.
    """
    n = len(values) if size is None else size
    if n < len(values):
        raise ValueError(f"size {size} is below the number of values {len(values)}")
    if n == 0:
        return 0.0, 0.0
    total = square = 0.0
    for begin in range(0, len(values), IN_CACHE):
        wide = values[begin : begin + IN_CACHE].astype(np.float64)
        total += float(wide.sum())
        square += float(wide @ wide)
    mean = total / n
    return mean, math.sqrt(max(square / n - mean * mean, 0.0))


def standardise(values: Floats, mean: float, deviation: float) -> Floats:
    """float[n] in units of the standard deviation from the mean; all 0 where nothing deviates.

    A deviation below `LEAST_DEVIATION` counts as none.
    """
    if deviation < LEAST_DEVIATION:
        return np.zeros(len(values), dtype=np.float32)
    return ((values - np.float32(mean)) / np.float32(deviation)).astype(np.float32, copy=False)


def products(rows: Floats, columns: Floats) -> Floats:
    """rows @ columns.T of float[n, d] and float[q, d], float[n, q], a few rows at a time and so in one thread.

    A product of a millisecond is not worth the threads of numpy's BLAS: measured beside two busy processes on two cores,
    6,000 x 64 by 64 x 10 took 6.4 ms of processor time in two threads and 0.3 ms in one.
    """
    wide = np.ascontiguousarray(columns.T)
    at_once = max(IN_ONE_THREAD // max(wide.size, 1) - 1, 1)
    out = np.empty((len(rows), wide.shape[1]), dtype=np.float32)
    for begin in range(0, len(rows), at_once):
        np.matmul(rows[begin : begin + at_once], wide, out=out[begin : begin + at_once])
    return out


def rarity(documents: int, holding: int) -> float:
    """BM25's inverse document frequency, above 0: ln(1 + (N - n + 0.5) / (n + 0.5)).

    Source: Robertson and Zaragoza 2009, section 3.3, with Lucene's 1 inside the logarithm.
    """
    return math.log1p((documents - holding + 0.5) / (holding + 0.5))


def saturate(counts: Floats, lengths: Floats, mean_length: float, k1: float, b: float) -> Floats:
    """BM25's term weight without rarity, float[n] in 0..k1+1, of float[n] counts in texts of float[n] lengths.

    `k1` >= 0 bounds what repetition adds, `b` in 0..1 says how far length is held against a text.

    Source: Robertson and Zaragoza 2009, equation 3.15.
    """
    relative = lengths / np.float32(max(mean_length, 1e-9))
    return (counts * np.float32(k1 + 1) / (counts + np.float32(k1) * (1 - b + b * relative))).astype(
        np.float32, copy=False
    )


def top_k(scores: Floats, k: int) -> npt.NDArray[np.int64]:
    """Indices of the k best of float[n], best first; equal scores in order of index, -inf never. int64[<= k]."""
    n = len(scores)
    if k <= 0 or n == 0:
        return np.empty(0, dtype=np.int64)
    if k < n:
        # Everything that ties with the k-th is kept for the sort, so that ties fall by index.
        floor = np.partition(scores, n - k)[n - k]
        candidates = np.flatnonzero(scores >= floor)
    else:
        candidates = np.arange(n)
    candidates = candidates[scores[candidates] > -np.inf]
    order = np.argsort(-scores[candidates], kind="stable")[:k]
    return candidates[order].astype(np.int64, copy=False)


def ranges(starts: Indices, lengths: Indices) -> npt.NDArray[np.int64]:
    """The numbers starts[i] .. starts[i] + lengths[i] - 1, one range after the other. int64[sum(lengths)]."""
    total = int(lengths.sum())
    ends = np.cumsum(lengths)
    out: npt.NDArray[np.int64] = np.repeat((starts - (ends - lengths)).astype(np.int64), lengths)
    out += np.arange(total, dtype=np.int64)
    return out


class Runs:
    """Runs of numbers that lie one after the other, laid out so that something is done to all runs at once.

    `numbers` int[sum(lengths)] are rows of a table, `lengths` int[n] says how many belong to each run. Making it costs
    about as much as one `largest`; it may be kept and used from several threads.
    """

    __slots__ = ("_few", "_order", "_rounds", "count")

    def __init__(self, numbers: Indices, lengths: Indices) -> None:
        self.count = len(lengths)
        self._order = np.argsort(-lengths.astype(np.int64), kind="stable")
        falling = -lengths[self._order].astype(np.int64)
        begins = (np.cumsum(lengths) - lengths)[self._order]
        longest = -int(falling[0]) if self.count else 0
        # How many runs are longer than 0, 1, 2, ...: they come first.
        longer = np.searchsorted(falling, -np.arange(longest), side="left").tolist()
        many = next((at for at, size in enumerate(longer) if at and size <= FEW_RUNS), longest)
        self._rounds = [numbers[begins[:size] + at] for at, size in enumerate(longer[:many])]
        rest = longer[many] if many < longest else 0
        self._few = [
            numbers[begin + many : begin + length]
            for begin, length in zip(begins[:rest].tolist(), (-falling[:rest]).tolist(), strict=True)
        ]

    def largest(self, table: Floats) -> Floats:
        """The largest of each run in every column of float[v, q]; 0 for a run of length 0. float[n, q]."""
        best = np.zeros((self.count, table.shape[1]), dtype=table.dtype)
        for at, numbers in enumerate(self._rounds):
            size, found = len(numbers), table.take(numbers, axis=0)
            if at:
                np.maximum(best[:size], found, out=best[:size])
            else:
                best[:size] = found
        for place, numbers in enumerate(self._few):
            np.maximum(best[place], table.take(numbers, axis=0).max(axis=0), out=best[place])
        out = np.empty_like(best)
        out[self._order] = best
        return out


def page_rank(
    passage: Indices,
    name: Indices,
    from_passage: Doubles,
    from_name: Doubles,
    start: Floats,
    start_names: Floats,
    damping: float,
    rounds: int,
) -> Floats:
    """Personalised PageRank of the passages in a graph of passages and names, float32[n].

    Edge i of m joins `passage[i]` and `name[i]`; a step from there follows it with chance `from_passage[i]` or
    `from_name[i]` (see `chances`), float64[m]. float32[n] and float32[e], not all 0, say where the walk starts, in parts
    of their sum. With chance `damping` a step follows an edge, else it starts again; after `rounds` steps what is left
    out is below damping ** rounds.

    Source: Haveliwala 2002 (topic-sensitive PageRank), by power iteration.
    """
    n, e = len(start), len(start_names)
    total = float(start.sum() + start_names.sum())
    again, again_names = start * ((1 - damping) / total), start_names * ((1 - damping) / total)
    here, there = start / total, start_names / total
    for _ in range(rounds):
        onward = np.bincount(name, here[passage] * from_passage, e)
        back = np.bincount(passage, there[name] * from_name, n)
        here, there = again + damping * back, again_names + damping * onward
    return here.astype(np.float32)


def chances(end: Indices, size: int) -> Doubles:
    """The chance of each edge among those that leave its end, all alike: float64[m] of int[m] ends, 0 <= end < size."""
    shares: Doubles = 1 / np.maximum(np.bincount(end, minlength=size), 1)
    return shares[end]
