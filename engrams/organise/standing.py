"""What stands of some kinds, read once and kept up to date: for steps that look at all of it at every message."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from engrams.ports import OPEN_END, Mark, Store, Where
from engrams.records import Engram, Row, Scope

#: Engrams read at once.
PAGE = 5_000
#: Engrams of one store that are kept between calls, some 2 KB each; the namespaces that were asked for last.
MOST = 100_000


@dataclass
class _Kept:
    """The engrams of one namespace by row, as of a change; one thread brings them up to date at a time."""

    mark: Mark = field(default_factory=lambda: Mark(0, 0))
    by_row: dict[int, Engram] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


_kept: WeakKeyDictionary[Store, OrderedDict[tuple[str, Where], _Kept]] = WeakKeyDictionary()
_choosing = threading.Lock()


def standing(store: Store, namespace: str, where: Where) -> list[tuple[int, Engram]]:
    """What stands in a namespace and holds, with its rows, ascending; only what came since the last call is read.

    To make an engram from its row takes some 30 us: at 30,000 memories, a second for each message that is added. What was erased
    or written anew is not kept. How often an engram was recalled, and when last, may be as of an earlier call; a
    new version takes that from the store.
    """
    kept = _of(store, (namespace, where))
    scope = Scope(namespace)
    with kept.lock:
        mark, seen = store.mark(scope), kept.mark
        if mark.row < seen.row or mark.change < seen.change:  # the store was put back to an older state
            kept.by_row.clear()
        elif mark.change > seen.change and kept.by_row:
            for _, row, closed in store.closings(scope, after=seen.change):
                if closed is None or closed == OPEN_END:
                    kept.by_row.pop(int(row), None)
        kept.mark = mark
        rows = store.matching(scope, where).tolist()
        missing = [Row(row) for row in rows if row not in kept.by_row]
        for begin in range(0, len(missing), PAGE):
            kept.by_row.update(_read(store, missing[begin : begin + PAGE]))
        kept.by_row = {row: kept.by_row[row] for row in rows if row in kept.by_row}
        return list(kept.by_row.items())


def _of(store: Store, key: tuple[str, Where]) -> _Kept:
    """What is kept under a key, now the last that was asked for; what is too much beside it goes, the oldest first."""
    with _choosing:
        held = _kept.setdefault(store, OrderedDict())
        held.setdefault(key, _Kept())
        held.move_to_end(key)
        total = sum(len(each.by_row) for each in held.values())
        while total > MOST:  # at last itself, where it alone is: then it is read anew each time
            _, gone = held.popitem(last=False)
            total -= len(gone.by_row)
        return held.setdefault(key, _Kept())


def _read(store: Store, rows: list[Row]) -> dict[int, Engram]:
    found = store.engrams_at(rows)
    if len(found) < len(rows):  # something was erased meanwhile
        return {int(row): engram for row in rows for engram in store.engrams_at([row])}
    return {int(row): engram for row, engram in zip(rows, found, strict=True)}
