"""The arrays of one path, kept as fresh as the store."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np

from engrams.index.arrays import Arrays
from engrams.index.kept import KeptFile
from engrams.index.masks import alive
from engrams.index.postings import SEGMENT_ROWS
from engrams.index.snapshot import Snapshot
from engrams.index.vectors import Vectors
from engrams.ports import OPEN_END, Int64, Mark, Store
from engrams.records import Json, Query, Row, Scope

Closings: TypeAlias = list[tuple[int, Row, int | None]]

#: How often a snapshot is brought up to date while others keep writing. Each round reads only what the one before
#: missed, so the second almost always ends; after the last, what is newer than the call is left for the next.
ROUNDS = 8

#: Arrays of so many rows are kept on disk: making them from the store takes some 50 ms, reading the file 2.
KEPT_FROM = 5_000
#: They are kept again when they have grown by so much: what came since is read from the store each time.
KEPT_AGAIN = 1.25


class Shard:
    """The arrays of one path and one writer (None: of all), loaded by the first view and refreshed by the others.

    Safe to use from several threads.
    """

    _arrays: Arrays
    _snapshot: Snapshot
    _seen: Mark | None
    _last_row: int
    _past: tuple[tuple[object, ...], Snapshot] | None
    _weighed: tuple[Vectors, int] | None  # for which vectors, how often grown, `nbytes` holds

    def __init__(
        self,
        store: Store,
        path: str,
        vocabulary: int,
        *,
        history: bool = False,
        writer: str | None = None,
        superseded: bool = False,
        file: KeptFile | None = None,
    ) -> None:
        self._store, self._scope, self._vocabulary = store, Scope(path), vocabulary
        self._writer, self._superseded = writer, superseded
        self._history = history
        self._file, self._kept_rows = file, 0
        self._lock = threading.Lock()
        self._start_anew()
        self._restore()
        self._weigh()

    def current(self) -> Snapshot:
        """The state with everything committed before the call."""
        with self._lock:
            return self._refreshed()

    def past(self, query: Query) -> Snapshot | None:
        """The state as of the query's `as_of`; None where only the versions that were closed since could tell."""
        with self._lock:
            now = self._refreshed()
            if query.as_of_by == "recorded" and self._arrays.closed and not self._history:
                return None
            key = (query.as_of, query.as_of_by)
            if self._past is None or self._past[0] != key:
                mask = alive(now, query)
                then = now if mask.all() else self._arrays.kept(mask).taken()
                self._past = (key, then)
            return self._past[1]

    def _refreshed(self) -> Snapshot:
        for _ in range(ROUNDS):
            mark = self._store.mark(self._scope)
            if mark == self._seen:
                break
            whole = False
            try:
                self._advance(mark)
                whole = True
            finally:
                if not whole:  # half taken in is worse than nothing: the next view loads again
                    self._start_anew()
            self._weighed = None
            if self._last_row == mark.row:
                break
        if self._weighed != (self._arrays.vectors, self._arrays.vectors.grown):
            self._weigh()
            self._keep()
        return self._snapshot

    def _weigh(self) -> None:
        """Counts the bytes again: adding them up takes longer than seeing that nothing came since."""
        self._weighed = (self._arrays.vectors, self._arrays.vectors.grown)
        self.nbytes = self._arrays.nbytes

    def _advance(self, mark: Mark) -> None:
        """Takes in everything up to a mark, and whatever the store shows beyond it."""
        seen = self._seen
        closings: Closings = []
        if seen is not None and mark.change != seen.change:
            closings = self._store.closings(self._scope, after=seen.change)
        changed = bool(closings)
        if self._file is not None and any(at is None for _, _, at in closings):
            self._file.drop()  # what was erased may not stay on disk
            self._kept_rows = 0
        if seen is not None and (mark.row < seen.row or mark.change < seen.change):
            self._start_anew()  # the store was put back to an older state
        elif any(at == OPEN_END for _, _, at in closings):
            self._start_anew()  # rows that stand were written anew, with other vectors or without a source
        elif closings:
            changed = self._take_out(closings)
        fresh = self._store.entry_columns(
            self._scope, after=self._last_row, batch=SEGMENT_ROWS, writer=self._writer
        )
        for columns in fresh:
            self._arrays.append(columns)
            self._last_row = int(columns.rows[-1])
            changed = True
        # Rows beyond the mark: somebody wrote meanwhile, and what these rows replaced may still be here.
        self._last_row = max(self._last_row, mark.row)
        self._seen = mark
        if changed:
            self._snapshot, self._past = self._arrays.taken(), None

    def _take_out(self, closings: Closings) -> bool:
        """Takes out what was closed or erased; whether any of it was here: a version of what a step learnt never is."""
        gone = {row for _, row, at in closings if at is None}
        closed = {row: at for _, row, at in closings if at is not None}
        if self._history:
            self._arrays.close(_numbers(closed), _numbers(closed.values()))
        else:
            gone.update(closed)
        before = self._arrays
        before.closed += len(closed)
        self._arrays = before.without(_numbers(sorted(gone)))
        return self._history or self._arrays is not before

    def _restore(self) -> None:
        """Begins with what was kept on disk, where it is of this store as it is or once was."""
        found = None if self._file is None else self._file.read()
        if found is None:
            return
        held, told = found
        mark = Mark(*told["mark"])
        now = self._store.mark(self._scope)
        if (
            len(held["frequency"]) != self._vocabulary
            or mark.row > now.row
            or mark.change > now.change
            or told["identity"] != self._identity(int(held["rows"][-1]), mark)
        ):
            return
        vectors = Vectors(self._store, self._scope)
        self._arrays = Arrays.unpacked(
            held, told["arrays"], vectors, history=self._history, superseded=self._superseded
        )
        self._snapshot = self._arrays.taken()
        self._seen, self._last_row = mark, told["last row"]
        self._kept_rows = self._arrays.size

    def _keep(self) -> None:
        """Keeps the arrays on disk where they are many, and many more than were kept last."""
        size = self._arrays.size
        if self._file is None or self._seen is None or size < max(KEPT_FROM, self._kept_rows * KEPT_AGAIN):
            return
        mark = self._seen
        held, arrays = self._arrays.packed()
        identity = self._identity(int(held["rows"][-1]), mark)
        told = {
            "mark": [mark.row, mark.change],
            "last row": self._last_row,
            "identity": identity,
            "arrays": arrays,
        }
        self._file.write(held, told)
        self._kept_rows = size
        if self._store.mark(self._scope).change != mark.change:
            self._file.drop()  # somebody erased meanwhile, and looked for files to remove before this one was there

    def _identity(self, row: int, mark: Mark) -> list[Json]:
        """What tells this store from another that has come as far: its last row here, and its last change."""
        last = next(iter(self._store.entries(self._scope, after=row - 1, limit=1)), None)
        changes = self._store.closings(self._scope, after=mark.change - 1) if mark.change else []
        change = [[number, of_row, at] for number, of_row, at in changes if number == mark.change]
        return [None if last is None else [last.row, last.engram_id], change]

    def _start_anew(self) -> None:
        vectors = Vectors(self._store, self._scope)
        self._arrays = Arrays(self._vocabulary, vectors, history=self._history, superseded=self._superseded)
        self._snapshot, self._past = self._arrays.taken(), None
        self._seen = None
        self._last_row = 0


def _numbers(values: Iterable[int]) -> Int64:
    return np.fromiter(values, np.int64)
