"""The index: one frozen view of a namespace as arrays, and who makes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engrams.ports.arrays import Bool, Entry, Float32, Int32, Int64, UInt16, UInt32
from engrams.records import (
    Engram,
    Query,
)


class View(Protocol):
    """One frozen state of the index over a scope. Arrays are aligned: element i speaks of row i, 0 <= i < size."""

    size: int
    rows: Int64  # the store's row numbers, ascending
    event: Int32  # code of the first source event; hits are grouped by it
    thread: Int32  # code of the thread (session, or what one add brought)
    threads: int  # number of threads
    previous: Int32  # index of the row before in the same thread, -1 at its start
    following: Int32  # index of the row after in the same thread, -1 at its end
    session: Int32  # code, -1 where none
    speaker: Int32  # code into `speakers`, -1 where none
    speakers: Sequence[str]
    role: Int32  # code into `roles`
    roles: Sequence[str]
    kind: Int32  # code into `kinds`
    kinds: Sequence[str]
    occurred_at: Int64  # microseconds since 1970, UTC
    length: Float32  # term occurrences
    flags: npt.NDArray[np.uint8]  # IS_QUESTION | HAS_ATTACHMENT
    pieces: UInt16  # word pieces of all rows, one after the other
    offsets: Int64  # int64[size + 1]: row i has pieces[offsets[i]:offsets[i + 1]]
    piece_frequency: Int32  # int32[v]: in how many rows a piece occurs
    allowed: Bool | None  # rows the query may return (scope fields, times, filters, state); None: all
    derived: dict[tuple[object, ...], object]  # what steps worked out of the arrays above and keep with them

    def postings(self, term: int) -> tuple[Int32, Float32]:
        """(indices ascending, counts) of the rows that hold a term; empty arrays where none does."""
        ...

    def rows_with_pieces(self, pieces: Int64) -> tuple[Int32, Int64]:
        """(indices of rows, places in `pieces`), each [m]: a pair for each row that holds one of some word pieces (distinct).

        What one row holds comes in the order of `pieces`.
        """
        ...

    def names(self) -> tuple[Int32, UInt32]:
        """(rows, hashes as of `words.name_hash`), each [m]: what the rows speak of by name, one pair each, in any order."""
        ...

    def vectors(self, fingerprint: str) -> Float32 | None:
        """float32[size, d] of one embedder, rows without a vector all 0; None where no row has one."""
        ...

    def nearest(self, fingerprint: str, asked: Float32, count: int) -> tuple[Int32, Float32] | None:
        """(indices, cosines) of at most `count` allowed rows nearest to a unit vector float32[d], best first.

        Cosines are exact and above 0; in large namespaces candidates may come from a compressed look, which finds at
        least 98 % of the true ones. None where no row has a vector of this embedder.
        """
        ...

    def distances(self, fingerprint: str, asked: Float32) -> UInt16 | None:
        """In how many dimensions the sign of each row's vector differs from float32[d], uint16[size].

        A compressed look at all rows. None where no row has a vector, or where it would take longer than the vectors.
        """
        ...


class Index(Protocol):
    """Derived look-ups over a namespace: loaded lazily, kept fresh by the store's marks, never a second truth."""

    def analyse(self, engrams: Sequence[Engram]) -> list[Entry]:
        """The entries of new engrams, in their order: terms, pieces, length, flags."""
        ...

    def view(self, query: Query) -> View:
        """The state of the index for the query's scope, with everything committed before the call."""
        ...

    def forget(self) -> None:
        """Drops what is held in memory; the next view loads it again."""
        ...
