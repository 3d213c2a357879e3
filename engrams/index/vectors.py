"""The vectors of a row of snapshots, read from the store when first asked for."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from engrams.arithmetic import dots, top_k
from engrams.index.growing import SPARE_LEAST, SPARE_SHARE
from engrams.index.signs import Signs
from engrams.ports import Bool, Float32, Int32, Int64, Store, UInt16
from engrams.records import Scope

#: Up to so many rows every product is worked out: 0.6 ms of one core at 384 dimensions.
EXACT_ROWS = 4_096
#: Above it, so many rows whose signs agree most are looked at exactly, one more for every `ROWS_PER_CANDIDATE` rows,
#: and `CANDIDATES_PER_HIT` for each hit wanted. Of the true first ten of a million rows (clusters of 50, a decaying
#: spectrum, a mean that all share) 400 hold 93 to 97 %, 1,000 hold 99 %, 2,000 hold 99.5 %; the exact look at 2,900
#: takes 2 ms.
CANDIDATES = 400
ROWS_PER_CANDIDATE = 400
CANDIDATES_PER_HIT = 8


@dataclass(slots=True)
class _Held:
    values: Float32 | None  # float32[room, d]; None: no row so far has a vector
    covered: int  # rows whose vectors were read
    signs: Signs | None = None  # made when a search first needs them, from `values`


class Vectors:
    """Vectors of rows that are only ever added to; safe to use from several threads."""

    def __init__(self, store: Store, scope: Scope) -> None:
        self._store, self._scope = store, scope
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self.grown = 0
        """How often anything was read or made: what is held is as it was where this is."""

    def of(self, fingerprint: str, rows: Int64) -> Float32 | None:
        """float32[len(rows), d] of these rows (ascending), 0 where a row has none; None where no row has one.

        `rows` begins with those of every earlier call: what was read for them is not read again.
        """
        size = len(rows)
        with self._lock:
            held = self._held.setdefault(fingerprint, _Held(None, 0))
            if held.covered < size:
                self._read(held, fingerprint, rows)
                self.grown += 1
            if held.values is None:
                return None
            out = held.values[:size]
            out.flags.writeable = False
            return out

    def nearest(
        self, fingerprint: str, rows: Int64, asked: Float32, count: int, allowed: Bool | None
    ) -> tuple[Int32, Float32] | None:
        """(indices, cosines) of the `count` best of these rows that are allowed, best first; None as in `of`.

        Up to `EXACT_ROWS` all of them are compared exactly. Above, the signs of the dimensions choose candidates,
        whose cosines then are exact. Rows whose cosine is 0 or below are left out.
        """
        values = self.of(fingerprint, rows)
        if values is None:
            return None
        some = None if allowed is None else np.flatnonzero(allowed)
        if (len(rows) if some is None else len(some)) > EXACT_ROWS and hasattr(np, "bitwise_count"):
            wanted = max(CANDIDATES + len(rows) // ROWS_PER_CANDIDATE, CANDIDATES_PER_HIT * count)
            near = self._signs(fingerprint, len(rows)).nearest(asked, wanted, len(rows), allowed)
            some = near if allowed is None else near[allowed[near]]
        cosines = dots(values if some is None else values[some], asked)
        best = top_k(cosines, count)
        best = best[cosines[best] > 0]
        found = best if some is None else some[best]
        return found.astype(np.int32), cosines[best]

    def distances(self, fingerprint: str, rows: Int64, asked: Float32) -> UInt16 | None:
        """In how many dimensions the sign of each row's vector differs from float32[d], uint16[len(rows)].

        None where no row has a vector, and with a numpy that cannot count bits (before 2.0).
        """
        if self.of(fingerprint, rows) is None or not hasattr(np, "bitwise_count"):
            return None
        return self._signs(fingerprint, len(rows)).distances(asked, len(rows))

    def _signs(self, fingerprint: str, size: int) -> Signs:
        with self._lock:
            held = self._held[fingerprint]
            assert held.values is not None
            if held.signs is None:
                held.signs = Signs(held.values.shape[1])
            if held.signs.size < size:
                held.signs.extend(held.values[held.signs.size : size])
                self.grown += 1
            return held.signs

    def kept(self, mask: Bool) -> Vectors:
        """Those of the rows where the mask is True, for a line of snapshots of its own."""
        other = Vectors(self._store, self._scope)
        with self._lock:
            for fingerprint, held in self._held.items():
                known = mask[: held.covered]
                values = None if held.values is None else held.values[: held.covered][known]
                signs = None if held.signs is None else held.signs.kept(mask[: held.signs.size])
                other._held[fingerprint] = _Held(values, int(np.count_nonzero(known)), signs)
        return other

    def _read(self, held: _Held, fingerprint: str, rows: Int64) -> None:
        after = int(rows[held.covered - 1]) if held.covered else 0
        found, values = self._store.entry_vectors(self._scope, fingerprint, after=after)
        if held.values is None and not held.covered and np.array_equal(found, rows):
            held.values, held.covered = (
                values,
                len(rows),
            )  # as they came: copies would take as much room again
            return
        place = np.searchsorted(rows, found)
        ours = place < len(rows)
        ours[ours] = rows[place[ours]] == found[ours]
        if held.values is None and ours.any():
            held.values = np.zeros((len(rows), values.shape[1]), np.float32)
        elif held.values is not None and len(held.values) < len(rows):
            room = len(rows) + int(len(rows) * SPARE_SHARE) + SPARE_LEAST
            grown = np.zeros((room, held.values.shape[1]), np.float32)
            grown[: held.covered] = held.values[: held.covered]
            held.values = grown
        if held.values is not None and ours.any():
            held.values[place[ours]] = values[ours]
        held.covered = len(rows)

    @property
    def nbytes(self) -> int:
        with self._lock:
            held = list(self._held.values())
        values = sum(0 if h.values is None else h.values.nbytes for h in held)
        return values + sum(0 if h.signs is None else h.signs.nbytes for h in held)
