"""One frozen state of the arrays of a scope: what recall is given."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from engrams.arithmetic import ranges
from engrams.index.codes import Tables
from engrams.index.postings import Segment, Tail, gather
from engrams.index.vectors import Vectors
from engrams.ports import Bool, Float32, Int32, Int64, UInt16, UInt32


@dataclass(eq=False)
class Snapshot:
    """A `ports.View`, and the columns that decide what a query may see. Arrays are read-only and never change."""

    rows: Int64
    occurred_at: Int64
    recorded_at: Int64
    closed_at: Int64
    valid_from: Int64
    valid_to: Int64
    event: Int32
    thread: Int32
    session: Int32
    agent: Int32
    run: Int32
    speaker: Int32
    role: Int32
    kind: Int32
    length: Float32
    flags: npt.NDArray[np.uint8]
    tables: Tables
    previous: Int32
    following: Int32
    threads: int
    speakers: Sequence[str]
    roles: Sequence[str]
    kinds: Sequence[str]
    offsets: Int64
    pieces: UInt16
    piece_frequency: Int32
    segments: tuple[Segment, ...]
    tail: Tail
    stack: Vectors
    allowed: Bool | None = None
    derived: dict[tuple[object, ...], object] = field(default_factory=dict, init=False)
    _names: tuple[Int32, UInt32] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.size = len(self.rows)

    def postings(self, term: int) -> tuple[Int32, Float32]:
        """(indices ascending, counts) of the rows that hold a term; empty arrays where none does."""
        key = np.uint32(term)
        parts, first = [], 0
        for segment in self.segments:
            where = segment.terms.find(key)
            if where.stop > where.start:
                parts.append((first, segment.terms, where))
            first += segment.size
        last = np.flatnonzero(self.tail.terms == key)
        return gather(parts, self.tail.rows[last], self.tail.counts[last])

    def rows_with_pieces(self, pieces: Int64) -> tuple[Int32, Int64]:
        """(indices of rows, places in `pieces`), each [m]: a pair for each row that holds one of some word pieces (distinct).

        What one row holds comes in the order of `pieces`.
        """
        rows, places, first = [], [], 0
        for segment in self.segments:
            offsets = self.offsets[first : first + segment.size + 1]
            look_up = segment.pieces(self.pieces[offsets[0] : offsets[-1]], offsets)
            starts, lengths = look_up.find_all(pieces.astype(np.uint32))
            rows.append(look_up.rows[ranges(starts, lengths)].astype(np.int32) + np.int32(first))
            places.append(np.repeat(np.arange(len(pieces)), lengths))
            first += segment.size
        begin = self.offsets[first]
        for place, piece in enumerate(pieces.tolist() if begin < len(self.pieces) else ()):
            held = np.flatnonzero(self.pieces[begin:] == np.uint16(piece)) + begin
            rows.append((np.searchsorted(self.offsets, held, side="right") - 1).astype(np.int32))
            places.append(np.full(len(held), place))
        if not rows:
            return np.empty(0, np.int32), np.empty(0, np.int64)
        return np.concatenate(rows), np.concatenate(places)

    def names(self) -> tuple[Int32, UInt32]:
        """(rows, hashes of names), each [m]: terms with count 0, from all segments and the tail."""
        if self._names is None:  # two threads may both look; both find the same
            rows, hashes, first = [], [], 0
            for segment in self.segments:
                at = np.flatnonzero(segment.terms.counts == 0)
                of_key = np.searchsorted(segment.terms.starts, at, side="right") - 1
                rows.append(segment.terms.rows[at].astype(np.int32) + np.int32(first))
                hashes.append(segment.terms.keys[of_key])
                first += segment.size
            last = self.tail.counts == 0
            rows.append(self.tail.rows[last])
            hashes.append(self.tail.terms[last])
            self._names = (np.concatenate(rows), np.concatenate(hashes))
        return self._names

    def vectors(self, fingerprint: str) -> Float32 | None:
        """float32[size, d] of one embedder, rows without a vector all 0; None where no row has one."""
        return self.stack.of(fingerprint, self.rows)

    def nearest(self, fingerprint: str, asked: Float32, count: int) -> tuple[Int32, Float32] | None:
        """(indices, cosines) of the `count` allowed rows nearest to float32[d], best first; None where none has a vector."""
        return self.stack.nearest(fingerprint, self.rows, asked, count, self.allowed)

    def distances(self, fingerprint: str, asked: Float32) -> UInt16 | None:
        """In how many dimensions the sign of each row's vector differs from float32[d], uint16[size]; None as in the port."""
        return self.stack.distances(fingerprint, self.rows, asked)

    def limited(self, allowed: Bool | None) -> Snapshot:
        """The same state, of which a query may see less."""
        if allowed is None:
            return self
        other = copy(self)
        other.allowed = allowed
        return other
