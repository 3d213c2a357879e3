"""Vectors as one bit a dimension: a quick look at all of them, before an exact look at the most promising."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engrams.index.growing import SPARE_LEAST, SPARE_SHARE
from engrams.ports import Bool, Float32, Int64

UInt64 = npt.NDArray[np.uint64]

#: Rows compared at once: their bits and counts stay in a processor's second cache.
ROWS_AT_ONCE = 16_384
#: Every so manieth distance is looked at to guess how near the nearest are; then all are, against that bound.
SAMPLED = 16
#: How much farther than guessed is looked, in dimensions, before all distances are sorted.
SLACK = 4
_BITS = 64
#: So many words differ in fewer dimensions than a byte can count: they are added up in bytes, a quarter faster.
_WORDS_IN_BYTE = 255 // _BITS


class Signs:
    """The signs of float32[n, d], packed: d / 8 bytes a row instead of 4 d. Rows may be added at the end.

    Laid out word by word, so that one pass over a million rows of 384 dimensions takes 10 ms of one core; exact
    products take 150. Source: sign random projections, Charikar 2002, on the dimensions as they are.
    """

    __slots__ = ("_words", "size")

    def __init__(self, dimensions: int) -> None:
        self._words: UInt64 = np.empty((-(-dimensions // _BITS), 0), np.uint64)
        self.size = 0

    def extend(self, values: Float32) -> None:
        """Takes in the next rows, float32[n, d]."""
        size = self.size + len(values)
        if size > self._words.shape[1]:
            room = size if not self.size else size + int(size * SPARE_SHARE) + SPARE_LEAST
            grown: UInt64 = np.empty((len(self._words), room), np.uint64)
            grown[:, : self.size] = self._words[:, : self.size]
            self._words = grown
        for begin in range(0, len(values), ROWS_AT_ONCE):
            part = packed(values[begin : begin + ROWS_AT_ONCE])
            self._words[:, self.size + begin : self.size + begin + len(part)] = part.T
        self.size = size

    def kept(self, mask: Bool) -> Signs:
        """Those of the rows where the mask, bool[size], is True."""
        other = Signs(0)
        other._words = np.ascontiguousarray(self._words[:, : self.size][:, mask])
        other.size = other._words.shape[1]
        return other

    def distances(self, asked: Float32, size: int) -> npt.NDArray[np.uint16]:
        """In how many dimensions the sign of each of the first `size` rows differs from that of float32[d], uint16[size]."""
        own = packed(asked[np.newaxis])[0]
        out = np.empty(size, np.uint16)
        for begin in range(0, size, ROWS_AT_ONCE):
            part = self._words[:, begin : min(begin + ROWS_AT_ONCE, size)]
            wide = out[begin : begin + part.shape[1]]
            wide[:] = 0
            for first in range(0, len(part), _WORDS_IN_BYTE):
                counted = np.bitwise_count(part[first] ^ own[first])
                for words, word in zip(
                    part[first + 1 : first + _WORDS_IN_BYTE],
                    own[first + 1 : first + _WORDS_IN_BYTE],
                    strict=True,
                ):
                    counted += np.bitwise_count(words ^ word)
                wide += counted
        return out

    def nearest(self, asked: Float32, count: int, size: int, allowed: Bool | None = None) -> Int64:
        """At least `count` of the first `size` rows (all where there are fewer), those that differ least, ascending."""
        far = self.distances(asked, size)
        if allowed is not None:
            far[~allowed] = len(self._words) * _BITS + 1
        if count >= size:
            return np.arange(size)
        sample = far[::SAMPLED]
        share = min(count * len(sample) // size + 1, len(sample) - 1)
        bound = int(np.partition(sample, share)[share]) + SLACK
        near = np.flatnonzero(far <= bound)
        if len(near) < count:  # the sample was unlucky
            bound = int(np.partition(far, count - 1)[count - 1])
            return np.flatnonzero(far <= bound)
        least = int(np.partition(far[near], count - 1)[count - 1])
        return near[far[near] <= least]

    @property
    def nbytes(self) -> int:
        return self._words.nbytes


def packed(values: Float32) -> UInt64:
    """Signs of float32[n, d] as bits (1 where above 0), uint64[n, ceil(d / 64)]; what is beyond d is 0."""
    size, dimensions = values.shape
    bits = np.zeros((size, -(-dimensions // _BITS) * 8), np.uint8)
    bits[:, : -(-dimensions // 8)] = np.packbits(values > 0, axis=1)
    return bits.view(np.uint64)
