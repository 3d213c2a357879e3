"""Which rows hold a term or a word piece: sorted segments that never change, and a short tail that is searched through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engrams.index.keeping import Keeping
from engrams.ports import Bool, Float32, Int32, Int64, UInt16, UInt32

UInt8 = npt.NDArray[np.uint8]
UInt64 = npt.NDArray[np.uint64]

#: Rows of a full segment: their numbers inside it fit 16 bits.
SEGMENT_ROWS = 65_536
#: A tail of this many rows or postings becomes a segment. Searching 20,000 postings takes 4 microseconds.
TAIL_ROWS = 1024
TAIL_POSTINGS = 32_768
#: Two neighbouring segments become one unless the first is more than this many times as large as the second.
MERGE_RATIO = 2
#: Up to this many rows are taken out of a segment one by one, which is faster than all at once.
FEW_ROWS = 8

_ROW_SHIFT = np.uint64(8)
_KEY_SHIFT = np.uint64(24)


@dataclass(frozen=True, slots=True)
class Inverted:
    """From keys to the rows that hold them, with counts: 3 bytes a posting and 8 a distinct key.

    Key `keys[i]` (uint32, ascending) stands in `rows[starts[i]:starts[i + 1]]` (uint16, ascending).
    """

    keys: UInt32
    starts: Int32
    rows: UInt16
    counts: UInt8

    @classmethod
    def of(cls, keys: npt.NDArray[np.unsignedinteger], rows: Int64, counts: UInt8) -> Inverted:
        """From one posting per element, in any order; rows 0 to 65,535, each (key, row) once."""
        packed = keys.astype(np.uint64) << _KEY_SHIFT
        packed |= rows.astype(np.uint64) << _ROW_SHIFT
        packed |= counts
        packed.sort()
        sorted_keys = (packed >> _KEY_SHIFT).astype(np.uint32)
        begins = np.flatnonzero(np.diff(sorted_keys, prepend=sorted_keys[:1] + np.uint32(1)))
        return cls(
            keys=sorted_keys[begins],
            starts=np.append(begins, len(packed)).astype(np.int32),
            rows=(packed >> _ROW_SHIFT).astype(np.uint16),
            counts=packed.astype(np.uint8),
        )

    def find(self, key: np.uint32) -> slice:
        """Where the postings of a key lie; an empty slice where it has none."""
        at = self.keys.searchsorted(key)
        if at < len(self.keys) and self.keys[at] == key:
            return slice(self.starts[at], self.starts[at + 1])
        return slice(0, 0)

    def find_all(self, keys: UInt32) -> tuple[Int64, Int64]:
        """Where the postings of each key begin and how many there are, each int64[len(keys)]."""
        if not len(self.keys):
            return np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
        at = np.minimum(self.keys.searchsorted(keys), len(self.keys) - 1)
        starts = self.starts[at].astype(np.int64)
        return starts, np.where(self.keys[at] == keys, self.starts[at + 1] - starts, 0)

    def each_key(self) -> UInt32:
        """The key of every posting."""
        return np.repeat(self.keys, np.diff(self.starts))

    def kept(self, mask: Bool) -> Inverted:
        """Without the rows where the mask is False; the others move up."""
        gone = np.flatnonzero(~mask).astype(np.uint16)
        if len(gone) <= FEW_ROWS:
            holds = np.ones(len(self.rows), np.bool_)
            for row in gone:
                holds &= self.rows != row
        else:
            holds = mask[self.rows]
        keep = Keeping(holds)
        rows = keep.of(self.rows)
        if len(gone) <= FEW_ROWS:
            for row in gone[::-1]:
                rows -= rows > row
        else:
            rows = (np.cumsum(mask) - 1).astype(np.uint16)[rows]
        keys_of_gone = np.searchsorted(self.starts, keep.gone, side="right") - 1
        sizes = np.diff(self.starts) - np.bincount(keys_of_gone, minlength=len(self.keys))
        held = sizes > 0
        return Inverted(
            keys=self.keys[held],
            starts=np.append(0, np.cumsum(sizes[held])).astype(np.int32),
            rows=rows,
            counts=keep.of(self.counts),
        )

    @property
    def nbytes(self) -> int:
        return self.keys.nbytes + self.starts.nbytes + self.rows.nbytes + self.counts.nbytes


class Segment:
    """The postings of up to 65,536 neighbouring rows, counted from the first of them. Never changes."""

    __slots__ = ("_pieces", "size", "terms")

    def __init__(self, size: int, terms: Inverted) -> None:
        if size > SEGMENT_ROWS:
            raise ValueError(f"a segment of {size} rows; at most {SEGMENT_ROWS} fit")
        self.size = size
        self.terms = terms
        self._pieces: Inverted | None = None

    def pieces(self, pieces: UInt16, offsets: Int64) -> Inverted:
        """The look-up of word pieces, made when first asked for from the pieces of these rows and their offsets."""
        if self._pieces is None:  # two threads may both make it; both make the same
            rows = np.repeat(np.arange(self.size), np.diff(offsets))
            self._pieces = Inverted.of(pieces, rows, np.zeros(len(pieces), np.uint8))
        return self._pieces

    def holding(self, pieces: Inverted) -> Segment:
        """Itself, with the look-up of word pieces made before."""
        self._pieces = pieces
        return self

    def kept(self, mask: Bool) -> Segment:
        """Without the rows where the mask is False."""
        return Segment(int(np.count_nonzero(mask)), self.terms.kept(mask))

    @property
    def nbytes(self) -> int:
        return self.terms.nbytes + (0 if self._pieces is None else self._pieces.nbytes)


def join(first: Segment, second: Segment) -> Segment:
    """One segment of the rows of two."""
    a, b = first.terms, second.terms
    rows = np.concatenate([a.rows.astype(np.int64), b.rows.astype(np.int64) + first.size])
    keys = np.concatenate([a.each_key(), b.each_key()])
    return Segment(first.size + second.size, Inverted.of(keys, rows, np.concatenate([a.counts, b.counts])))


def settled(segments: Sequence[Segment]) -> list[Segment]:
    """The same rows in few segments: the last ones are joined as long as they are of similar size.

    Each row is joined about log2(65,536 / 1,024) times in its life, as in a log-structured merge tree.
    """
    out: list[Segment] = []
    for segment in segments:
        if segment.size == 0:
            continue
        out.append(segment)
        while len(out) > 1 and _belong(out[-2].size, out[-1].size):
            second, first = out.pop(), out.pop()
            out.append(join(first, second))
    return out


def _belong(first: int, second: int) -> bool:
    return first <= MERGE_RATIO * second and first + second <= SEGMENT_ROWS


@dataclass(frozen=True, slots=True)
class Tail:
    """The latest postings in the order they came, not sorted: element i is one posting of row `rows[i]`."""

    terms: UInt32
    rows: Int32
    counts: UInt8


def gather(
    parts: list[tuple[int, Inverted, slice]], tail_rows: Int32, tail_counts: UInt8
) -> tuple[Int32, Float32]:
    """(rows, counts) of one key from the segments (first row, look-up, where) and the tail, ascending."""
    if len(parts) == 1 and not len(tail_rows):
        first, look_up, where = parts[0]
        only = look_up.rows[where].astype(np.int32)
        only += np.int32(first)
        return only, look_up.counts[where].astype(np.float32)
    rows = [look_up.rows[where].astype(np.int32) + np.int32(first) for first, look_up, where in parts]
    counts = [look_up.counts[where] for _, look_up, where in parts]
    rows.append(tail_rows)
    counts.append(tail_counts)
    return np.concatenate(rows), np.concatenate(counts).astype(np.float32)
