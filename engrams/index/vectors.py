"""The vectors of a row of snapshots, read from the store when first asked for."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from engrams.index.growing import SPARE_LEAST, SPARE_SHARE
from engrams.ports import Bool, Float32, Int64, Store
from engrams.records import Scope


@dataclass(slots=True)
class _Held:
    values: Float32 | None  # float32[room, d]; None: no row so far has a vector
    covered: int  # rows whose vectors were read


class Vectors:
    """Vectors of rows that are only ever added to; safe to use from several threads."""

    def __init__(self, store: Store, scope: Scope) -> None:
        self._store, self._scope = store, scope
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}

    def of(self, fingerprint: str, rows: Int64) -> Float32 | None:
        """float32[len(rows), d] of these rows (ascending), 0 where a row has none; None where no row has one.

        `rows` begins with those of every earlier call: what was read for them is not read again.
        """
        size = len(rows)
        with self._lock:
            held = self._held.setdefault(fingerprint, _Held(None, 0))
            if held.covered < size:
                self._read(held, fingerprint, rows)
            if held.values is None:
                return None
            out = held.values[:size]
            out.flags.writeable = False
            return out

    def kept(self, mask: Bool) -> Vectors:
        """Those of the rows where the mask is True, for a line of snapshots of its own."""
        other = Vectors(self._store, self._scope)
        with self._lock:
            for fingerprint, held in self._held.items():
                known = mask[: held.covered]
                values = None if held.values is None else held.values[: held.covered][known]
                other._held[fingerprint] = _Held(values, int(np.count_nonzero(known)))
        return other

    def _read(self, held: _Held, fingerprint: str, rows: Int64) -> None:
        after = int(rows[held.covered - 1]) if held.covered else 0
        found, values = self._store.entry_vectors(self._scope, fingerprint, after=after)
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
            return sum(0 if h.values is None else h.values.nbytes for h in self._held.values())
