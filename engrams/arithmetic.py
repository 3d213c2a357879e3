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
#: From so many values on, moments are summed in single precision a cacheful at a time: 0.6 ms a million instead of 3.
IN_BULK = 65_536
#: Multiplications of a matrix product that OpenBLAS still does in one thread (`SMP_THRESHOLD_MIN` x 4).
IN_ONE_THREAD = 262_144
#: Values that deviate less differ by rounding alone.
LEAST_DEVIATION = 1e-6
#: Runs are worked on together whose lengths are at least this part of the longest one's, and which have about so many
#: numbers: with eight columns they stay in the second cache.
LEAST_ALIKE = 0.8
RUN_NUMBERS = 8_192


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
    if len(values) > IN_BULK:
        return _moments_in_bulk(values, n)
    total = square = 0.0
    for begin in range(0, len(values), IN_CACHE):
        wide = values[begin : begin + IN_CACHE].astype(np.float64)
        total += float(wide.sum())
        square += float(wide @ wide)
    mean = total / n
    return mean, math.sqrt(max(square / n - mean * mean, 0.0))


def _moments_in_bulk(values: Floats, n: int) -> tuple[float, float]:
    """As `moments`, four times as fast: narrow sums of a cacheful each, of the distances from the first value.

    Values that are all alike so give a deviation of exactly 0, and a mean far from 0 costs no digits.
    """
    first = values[0]
    total = square = 0.0
    away = np.empty(IN_CACHE, dtype=np.float32)
    for begin in range(0, len(values), IN_CACHE):
        part = values[begin : begin + IN_CACHE]
        near = np.subtract(part, first, out=away[: len(part)])
        total += float(near.sum())
        square += float(near @ near)
    missing, far = n - len(values), -float(first)
    mean = (total + missing * far) / n
    return mean - far, math.sqrt(max((square + missing * far * far) / n - mean * mean, 0.0))


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


def dots(rows: Floats, one: Floats) -> Floats:
    """The dot product of each row of float32[n, d] with float32[d], float32[n], in one thread.

    What a row gets does not hang on the rows beside it. numpy's `vecdot` takes half the time of its `einsum`, and less than a
    product by BLAS, whose threads cost more than they save: 10,000 x 384 take 0.8 ms.
    """
    # numpy has it from 2.0 on
    found: Floats = np.vecdot(rows, one) if hasattr(np, "vecdot") else np.einsum("nd,d->n", rows, one)
    return found


def cross_polytope(vectors: Floats, groups: int, seed: int) -> npt.NDArray[np.int64]:
    """The group of each of float32[n, d], int64[n] in 0..groups-1: argmax of [xR ; -xR]; `groups` even, at least 2.

    R, float64[d, groups / 2], is drawn from the standard normal distribution by the seed: the same wherever it is drawn. Vectors
    that lie close together mostly fall into one group; a vector and its opposite never do.

    Source: TiM (Liu et al. 2023), section 3.3; Andoni et al. 2015 (cross-polytope hashing).

    Raises:
        ValueError: `groups` odd or below 2.
    """
    if groups < 2 or groups % 2:
        raise ValueError(f"groups must be even and at least 2, not {groups}")
    turned = vectors @ np.random.default_rng(seed).standard_normal((vectors.shape[1], groups // 2))
    best: npt.NDArray[np.int64] = np.concatenate([turned, -turned], axis=1).argmax(axis=1)
    return best


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
    return saturate_by(counts, length_norms(lengths, mean_length, k1, b), k1)


def length_norms(lengths: Floats, mean_length: float, k1: float, b: float) -> Floats:
    """What texts of float32[n] lengths have in BM25's divisor beside their counts, float32[n]; `saturate_by` takes it."""
    relative = lengths / np.float32(max(mean_length, 1e-9))
    return (np.float32(k1) * (1 - b + b * relative)).astype(np.float32, copy=False)


def saturate_by(counts: Floats, norms: Floats, k1: float) -> Floats:
    """As `saturate`, with what the lengths give worked out before."""
    return (counts * np.float32(k1 + 1) / (counts + norms)).astype(np.float32, copy=False)


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


def best_k(scores: Floats, k: int) -> npt.NDArray[np.int64]:
    """What `top_k` gives, ascending: without sorting by score, which takes ten times as long as finding a thousand best."""
    n = len(scores)
    if k <= 0 or n == 0:
        return np.empty(0, dtype=np.int64)
    floor = np.partition(scores, n - k)[n - k] if k < n else scores.min()
    if floor == -np.inf:
        return np.flatnonzero(scores > -np.inf)[:k]
    best = np.flatnonzero(scores >= floor)
    if len(best) > k:  # of those that tie with the k-th the last stay out
        best = np.delete(best, np.flatnonzero(scores[best] == floor)[k - len(best) :])
    return best


def distinct(numbers: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """The distinct of int32[n], ascending: by sorting, which is up to forty times as fast as `np.unique` and its hashes."""
    ordered = np.sort(numbers)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def ranges(starts: Indices, lengths: Indices) -> npt.NDArray[np.int64]:
    """The numbers starts[i] .. starts[i] + lengths[i] - 1, one range after the other. int64[sum(lengths)]."""
    total = int(lengths.sum())
    ends = np.cumsum(lengths)
    out: npt.NDArray[np.int64] = np.repeat((starts - (ends - lengths)).astype(np.int64), lengths)
    out += np.arange(total, dtype=np.int64)
    return out


class Runs:
    """Runs of numbers that lie one after the other, laid out so that something is done to many runs at once.

    `numbers` int[m] are rows of a table, `lengths` int[n] says how many belong to each run, and `starts` int[n] where each begins
    (None: each behind the one before, m = sum(lengths)). With `places` int[k] a number stands for the row `places[number]` of a
    table. Making it costs about as much as one `largest`; it may be kept and used from several threads.
    """

    __slots__ = ("_blocks", "count")

    def __init__(
        self, numbers: Indices, lengths: Indices, starts: Indices | None = None, places: Indices | None = None
    ) -> None:
        self.count = len(lengths)
        begins = np.cumsum(lengths) - lengths if starts is None else starts
        longest = int(lengths.max()) if self.count else 0
        # Numbers of 16 bits are sorted by their digits: several times as fast.
        short = np.uint16 if longest <= np.iinfo(np.uint16).max else np.int64
        order = np.argsort((longest - lengths).astype(short), kind="stable")
        falling = -lengths[order].astype(np.int64)
        # Runs of about one length, and what stands first, second, ... in each: int[length, runs].
        self._blocks: list[tuple[npt.NDArray[np.int64], Indices]] = []
        at, end = 0, int(np.searchsorted(falling, 0))
        while at < end:
            length = -int(falling[at])
            alike = int(np.searchsorted(falling, -length * LEAST_ALIKE, side="right"))
            runs = order[at : min(alike, at + max(RUN_NUMBERS // length, 1))]
            at_once = begins[runs] + np.arange(length)[:, np.newaxis]
            # A shorter one says its last number again, which changes no maximum.
            beyond = at_once[int(lengths[runs[-1]]) :]
            np.minimum(beyond, begins[runs] + (lengths[runs] - 1), out=beyond)
            held = numbers.take(at_once)
            self._blocks.append((runs, held if places is None else places.take(held)))
            at += len(runs)

    def largest(self, table: Floats) -> Floats:
        """The largest of each run in every column of float[v, q]; 0 for a run of length 0. float[n, q]."""
        best = np.zeros((self.count, table.shape[1]), dtype=table.dtype)
        for runs, numbers in self._blocks:
            best[runs] = table.take(numbers, axis=0).max(axis=0)
        return best


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


def walk_graph(
    ends: Indices,
    others: Indices,
    weights: Doubles,
    start: Doubles,
    damping: float,
    *,
    tolerance: float = 1e-10,
) -> Doubles:
    """Personalised PageRank over an undirected weighted graph, float64[n] summing to 1.

    Edge i of m joins `ends[i]` and `others[i]` (0 <= both < n) with `weights[i]` >= 0, float64[m]. `start` float64[n], not
    all 0 and none below, says where the walk begins anew; with chance `damping` (0..1) it follows an edge, chosen by weight,
    and begins anew where a node has none. The iteration ends when all changes together are below `tolerance`.

    Source: Haveliwala 2002 (topic-sensitive PageRank); dangling nodes as in igraph's `personalized_pagerank`.
    """
    n = len(start)
    again = start / start.sum()
    leaves, arrives = np.concatenate([ends, others]), np.concatenate([others, ends])
    both = np.concatenate([weights, weights])
    strength = np.bincount(leaves, weights=both, minlength=n)
    # What weighs less than the smallest normal number cannot be divided by: as good as no edge.
    dangling = strength < np.finfo(np.float64).tiny
    shares = np.where(dangling[leaves], 0.0, both / np.where(dangling, 1.0, strength)[leaves])
    here: Doubles = again
    # Each round shrinks what is left by `damping`, so this many are always enough.
    rounds = max(1, math.ceil(math.log(tolerance / 2) / math.log(damping))) if damping > 0 else 1
    for _ in range(rounds):
        arriving = np.bincount(arrives, weights=here[leaves] * shares, minlength=n)
        following: Doubles = damping * (arriving + here[dangling].sum() * again) + (1 - damping) * again
        moved, here = float(np.abs(following - here).sum()), following
        if moved < tolerance:
            break
    return here


def softmax(values: Doubles, temperature: float = 1.0) -> Doubles:
    """exp(v / temperature) in parts of their sum, float64[n] summing to 1; `temperature` above 0."""
    if not len(values):
        return np.empty(0, dtype=np.float64)
    raised: Doubles = np.exp((values - values.max()) / temperature)
    shares: Doubles = raised / raised.sum()
    return shares


def logistic(values: Doubles, midpoint: float, steepness: float) -> Doubles:
    """1 / (1 + e^(-steepness (v - midpoint))), float64[n] in 0..1: 1/2 at the midpoint."""
    shares: Doubles = 1 / (1 + np.exp(-steepness * (values - midpoint)))
    return shares


def entropy(chances: Doubles) -> float:
    """Shannon's entropy in nats of float64[n] chances that sum to 1; 0 log 0 is 0."""
    some = chances[chances > 0]
    return float(-(some * np.log(some)).sum())


def min_max(values: Doubles) -> Doubles:
    """float64[n] moved and stretched to 0..1; all 1 where they are alike, as HippoRAG 2's released code has it."""
    if not len(values):
        return np.empty(0, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    return np.ones(len(values)) if high == low else (values - low) / (high - low)


def retention(days: Doubles | float, strength: Doubles | float) -> Doubles:
    """Ebbinghaus' forgetting curve e^(-t / S), float64[n] in 0..1: t days since the last recall (>= 0), strength S > 0.

    Source: MemoryBank (Zhong et al. 2023), memory updating.
    """
    kept: Doubles = np.exp(-np.asarray(days, dtype=np.float64) / np.asarray(strength, dtype=np.float64))
    return kept


#: Rounds of expectation maximisation, and the smallest gain in mean log-likelihood that goes on: scikit-learn's defaults.
EM_ROUNDS, EM_GAIN = 100, 1e-3
#: Added to every variance, so that a single value makes no density without bound: scikit-learn's default.
EM_FLOOR = 1e-6


def two_gaussians(values: Doubles) -> tuple[Doubles, npt.NDArray[np.bool_]]:
    """Fits two normal distributions to float64[n] numbers: their means (lower, higher) and which values the higher holds.

    Expectation maximisation from two groups parted by 2-means, begun at the smallest and the largest value. With fewer than
    two different values all belong to the higher.

    Source: Dempster, Laird and Rubin 1977; the group with the higher mean is the accept set of MemGAS' released code.
    """
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.array([low, high]), np.ones(len(values), dtype=np.bool_)
    means = np.array([low, high])
    for _ in range(EM_ROUNDS):
        upper = np.abs(values - means[1]) < np.abs(values - means[0])
        moved = np.array([values[~upper].mean(), values[upper].mean()])
        if np.array_equal(moved, means):
            break
        means = moved
    upper = np.abs(values - means[1]) < np.abs(values - means[0])
    held = np.stack([~upper, upper]).astype(np.float64)
    before = -math.inf
    for _ in range(EM_ROUNDS):
        sizes = held.sum(axis=1) + np.finfo(np.float64).eps
        means = held @ values / sizes
        variances = (held * (values - means[:, np.newaxis]) ** 2).sum(axis=1) / sizes + EM_FLOOR
        logs = (
            np.log(sizes / len(values))[:, np.newaxis]
            - 0.5 * np.log(2 * np.pi * variances)[:, np.newaxis]
            - (values - means[:, np.newaxis]) ** 2 / (2 * variances[:, np.newaxis])
        )
        top = logs.max(axis=0)
        whole = top + np.log(np.exp(logs - top).sum(axis=0))
        held = np.exp(logs - whole)
        likelihood = float(whole.mean())
        if abs(likelihood - before) < EM_GAIN:
            break
        before = likelihood
    higher = int(np.argmax(means))
    return np.sort(means), held[higher] >= held[1 - higher]
