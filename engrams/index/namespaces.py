"""The index over all namespaces of one store: arrays by path, within a bound of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from engrams.index.analysis import analyse_all
from engrams.index.kept import KeptFile
from engrams.index.masks import allowed
from engrams.index.shard import Shard
from engrams.index.snapshot import Snapshot
from engrams.ports import Entry, Store, TokenTable
from engrams.records import Engram, Query

#: Arrays of paths not asked for longest are dropped above this: room for about 4 million turns of 25 words.
DEFAULT_BYTES = 1_000_000_000


class NamespaceIndex:
    """A `ports.Index`: one set of arrays for each path and writer that is asked for, `acme/*` included.

    The arrays hold the active versions that are current, so that statistics speak of them alone. A query with
    `as_of` gets arrays of the versions that stood then, cut from those of all versions ever, which are loaded beside
    the others where a version was ever replaced. A query with `valid_at` gets arrays in which what was superseded is,
    too. Safe to use from several threads; a view never changes once it is handed out. What is erased is gone from the
    arrays of a path with the path's next view; no text is ever in them, only names of speakers, hashes and numbers (what steps
    work out of a view, as tags, goes with it).

    `most_bytes` bounds what is kept for paths other than the one asked for last. In `folder` arrays of many rows are kept
    on disk, so that the next process need not make them again (see `kept`); None: nowhere.
    """

    def __init__(
        self,
        store: Store,
        table: TokenTable,
        *,
        most_bytes: int = DEFAULT_BYTES,
        folder: Path | None = None,
    ) -> None:
        self._store, self._table, self._most_bytes, self._folder = store, table, most_bytes, folder
        self._vocabulary: int | None = None
        self._lock = threading.Lock()
        self._shards: OrderedDict[tuple[str, str | None, bool, bool], Shard] = OrderedDict()

    def analyse(self, engrams: Sequence[Engram]) -> list[Entry]:
        """The entries of new engrams, in their order: terms, pieces, length, flags."""
        return analyse_all(engrams, self._table)

    def view(self, query: Query) -> Snapshot:
        """The state of the index for the query's scope, with everything committed before the call."""
        if query.as_of is None:
            snapshot = self._shard(query).current()
        else:
            cut = self._shard(query).past(query) or self._shard(query, history=True).past(query)
            assert cut is not None
            snapshot = cut
        self._trim()
        return snapshot.limited(allowed(snapshot, query, self._store))

    def forget(self) -> None:
        """Drops what is held in memory; the next view loads it again."""
        with self._lock:
            self._shards.clear()

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays held, without those that only views still hold."""
        with self._lock:
            return sum(shard.nbytes for shard in self._shards.values())

    def _shard(self, query: Query, *, history: bool = False) -> Shard:
        path, writer, superseded = query.scope.namespace, query.writer, query.valid_at is not None
        with self._lock:
            if self._vocabulary is None:
                self._vocabulary = len(self._table.similarity(0))
            key = (path, writer, history, superseded)
            shard = self._shards.get(key)
            if shard is None:
                shard = Shard(
                    self._store,
                    path,
                    self._vocabulary,
                    history=history,
                    writer=writer,
                    superseded=superseded,
                    file=None if self._folder is None else KeptFile(self._folder, key),
                )
                self._shards[key] = shard
            self._shards.move_to_end(key)
            return shard

    def _trim(self) -> None:
        with self._lock:
            if len(self._shards) < 2:  # the one asked for last stays, however large
                return
            held = sum(shard.nbytes for shard in self._shards.values())
            while held > self._most_bytes and len(self._shards) > 1:
                _, dropped = self._shards.popitem(last=False)
                held -= dropped.nbytes
