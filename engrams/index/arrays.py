"""The arrays of one scope as they grow: the only place where index arrays are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from engrams.errors import Mismatch
from engrams.index.codes import Codes, Names, Tables
from engrams.index.growing import Growing
from engrams.index.keeping import Keeping, renumbered
from engrams.index.postings import (
    TAIL_POSTINGS,
    TAIL_ROWS,
    Inverted,
    Segment,
    Tail,
    settled,
)
from engrams.index.snapshot import Snapshot
from engrams.index.threads import Threads
from engrams.index.vectors import Vectors
from engrams.ports import OPEN_END, Bool, EntryColumns, Int32, Int64
from engrams.records import Json

#: Columns with one element per row, and what they hold: 85 bytes a row.
COLUMNS: dict[str, type[np.generic]] = {
    "rows": np.int64,
    "occurred_at": np.int64,
    "recorded_at": np.int64,
    "closed_at": np.int64,
    "valid_from": np.int64,
    "valid_to": np.int64,
    "event": np.int32,
    "thread": np.int32,
    "session": np.int32,
    "agent": np.int32,
    "run": np.int32,
    "speaker": np.int32,
    "role": np.int32,
    "kind": np.int32,
    "length": np.float32,
    "flags": np.uint8,
}


#: The parts of a look-up, in the order of its fields.
INVERTED = ("keys", "starts", "rows", "counts")


class Arrays:
    """Active engram versions of one scope, by row. One thread at a time writes; snapshots may be read by all.

    With `history` the versions that were closed stay in, else only current ones come in; with `superseded` those that
    were true once come in beside those that are. Memory, for turns of 25
    words with 14 distinct terms and 18 pieces: about 220 bytes a row, 50 more once pieces are looked up.
    """

    def __init__(
        self, vocabulary: int, vectors: Vectors, *, history: bool = False, superseded: bool = False
    ) -> None:
        self.history, self.superseded = history, superseded
        self.closed = 0  # versions left out because they were closed
        self.tables = Tables()
        self.vectors = vectors
        self._columns: dict[str, Growing[Any]] = {n: Growing(np.empty(0, k)) for n, k in COLUMNS.items()}
        self._threads = Threads()
        self._offsets: Growing[np.int64] = Growing(np.zeros(1, np.int64))
        self._pieces: Growing[np.uint16] = Growing(np.empty(0, np.uint16))
        self._frequency: Int32 = np.zeros(vocabulary, np.int32)
        self._segments: tuple[Segment, ...] = ()
        self._clear_tail()

    @property
    def size(self) -> int:
        return self._columns["rows"].size

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column as it is now, for reading at once."""
        return self._columns[name].now()

    def append(self, new: EntryColumns) -> None:
        """Takes in rows behind all that are there; what is not active, or closed, is left out."""
        event = self.tables.event.assign(self.tables.hashing.texts(new.sources))
        current = new.closed_at == OPEN_END
        self.closed += int(np.count_nonzero(~current))
        live = np.ones(len(new.rows), np.bool_)
        if new.states.count("active") < len(new.states):
            wanted = ("active", "superseded") if self.superseded else ("active",)
            live = np.array([state in wanted for state in new.states], np.bool_)
        if not self.history:
            live &= current
        if not live.all():
            new, event = _selected(new, live), event[live]
        if not len(new.rows):
            return
        tables, size = self.tables, len(new.rows)
        if size >= TAIL_ROWS:
            self._seal()
        thread = tables.thread.assign(tables.hashing.pairs(new.namespaces, new.threads))
        tables.namespace.assign(new.namespaces)
        fresh: dict[str, npt.NDArray[Any]] = {
            "rows": new.rows,
            "occurred_at": new.occurred_at,
            "recorded_at": new.recorded_at,
            "closed_at": new.closed_at,
            "valid_from": new.valid_from,
            "valid_to": new.valid_to,
            "event": event,
            "thread": thread,
            "session": _optional(tables, tables.session, new.sessions, new.namespaces),
            "agent": _optional(tables, tables.agent, new.agent_ids, new.agent_ids),
            "run": _optional(tables, tables.run, new.run_ids, new.run_ids),
            "speaker": tables.speaker.assign(new.speakers),
            "role": tables.role.assign(new.roles),
            "kind": tables.kind.assign(new.kinds),
            "length": new.lengths,
            "flags": new.flags,
        }
        for name, values in fresh.items():
            self._columns[name].extend(values)
        self._threads.extend(self.column("thread"), self.column("event"), tables.thread.size)
        self._offsets.extend(self._pieces.size + np.cumsum(new.piece_counts, dtype=np.int64))
        self._pieces.extend(new.pieces)
        self._frequency = self._frequency + self._count(new.pieces)
        self._post(new)

    def close(self, rows: Int64, closed_at: Int64) -> None:
        """Notes in a history when rows were closed; rows that are not here do not matter."""
        place, here = self._places(rows)
        self._columns["closed_at"].own()[place[here]] = closed_at[here]

    def without(self, rows: Int64) -> Arrays:
        """The same arrays without some rows; `self` where none of them is here."""
        place, here = self._places(rows)
        if not here.any():
            return self
        mask = np.ones(self.size, np.bool_)
        mask[place[here]] = False
        return self.kept(mask)

    def kept(self, mask: Bool) -> Arrays:
        """New arrays of the rows where the mask is True: nothing in them, not even a name, comes from the others."""
        self._seal()
        keep = Keeping(mask)
        other = Arrays(
            len(self._frequency), self.vectors.kept(mask), history=self.history, superseded=self.superseded
        )
        other.closed = self.closed
        for name in COLUMNS:
            other._columns[name] = Growing(keep.of(self.column(name)))
        other._threads = self._threads.kept(
            keep, other.column("thread"), other.column("event"), self.column("thread")
        )
        other._take_codes(self.tables)
        offsets = self._offsets.now()
        other._offsets.extend(np.cumsum(keep.of(np.diff(offsets))))
        stay, gone = keep.ragged(self._pieces.now(), offsets)
        other._pieces = Growing(stay)
        other._frequency = self._frequency - self._count(gone)
        segments, first = [], 0
        for segment in self._segments:
            part = mask[first : first + segment.size]
            segments.append(segment if part.all() else segment.kept(part))
            first += segment.size
        other._segments = tuple(settled(segments))
        other._clear_tail()
        return other

    def taken(self) -> Snapshot:
        """The arrays as they are now, frozen."""
        names = self.tables
        taken = {name: self._columns[name].taken() for name in COLUMNS}
        return Snapshot(
            **taken,
            tables=self.tables,
            previous=self._threads.previous.taken(),
            following=self._threads.following.taken(),
            threads=names.thread.size,
            speakers=names.speaker.taken(),
            roles=names.role.taken(),
            kinds=names.kind.taken(),
            offsets=self._offsets.taken(),
            pieces=self._pieces.taken(),
            piece_frequency=self._frequency,
            segments=self._segments,
            tail=Tail(self._tail_terms.taken(), self._tail_rows.taken(), self._tail_counts.taken()),
            stack=self.vectors,
        )

    def packed(self) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Json]]:
        """Everything but the vectors, as arrays and as JSON, for `unpacked`."""
        self._seal()
        held: dict[str, npt.NDArray[Any]] = {name: self.column(name) for name in COLUMNS}
        held |= self._threads.packed()
        held |= {"offsets": self._offsets.now(), "pieces": self._pieces.now(), "frequency": self._frequency}
        first = 0
        for number, segment in enumerate(self._segments):
            offsets = held["offsets"][first : first + segment.size + 1]
            first += segment.size
            looked_up = segment.pieces(held["pieces"][offsets[0] : offsets[-1]], offsets)
            for kind, inverted in (("terms", segment.terms), ("pieces", looked_up)):
                for name in INVERTED:
                    held[f"{kind} {number} {name}"] = getattr(inverted, name)
        tables = self.tables
        for name in Tables.CODES:
            held[f"{name} keys"], held[f"{name} codes"] = getattr(tables, name).settled()
        return held, {
            "closed": self.closed,
            "segments": [segment.size for segment in self._segments],
            "codes": {name: getattr(tables, name).size for name in Tables.CODES},
            "names": {name: list(getattr(tables, name).taken()) for name in Tables.NAMES},
            "key": tables.hashing.key,
        }

    @classmethod
    def unpacked(
        cls,
        held: Mapping[str, npt.NDArray[Any]],
        told: Mapping[str, Json],
        vectors: Vectors,
        *,
        history: bool = False,
        superseded: bool = False,
    ) -> Arrays:
        """What `packed` gave; its arrays are not written to."""
        made = cls(len(held["frequency"]), vectors, history=history, superseded=superseded)
        made.closed = told["closed"]
        made._columns = {name: Growing(held[name], shared=True) for name in COLUMNS}
        made._threads = Threads.unpacked(held)
        made._offsets = Growing(held["offsets"], shared=True)
        made._pieces = Growing(held["pieces"], shared=True)
        made._frequency = held["frequency"]
        made._segments = tuple(
            Segment(size, _inverted(held, f"terms {number}")).holding(_inverted(held, f"pieces {number}"))
            for number, size in enumerate(told["segments"])
        )
        made._clear_tail()
        made.tables = Tables(told["key"])
        for name, size in told["codes"].items():
            setattr(made.tables, name, Codes.of(held[f"{name} keys"], held[f"{name} codes"], size))
        for name, names in told["names"].items():
            setattr(made.tables, name, Names(names))
        return made

    @property
    def nbytes(self) -> int:
        """Bytes held, spare room included."""
        growing = (*self._columns.values(), self._offsets, self._pieces, self._tail_terms, self._tail_rows)
        return (
            sum(g.nbytes for g in growing)
            + sum(s.nbytes for s in self._segments)
            + self._threads.nbytes
            + self.tables.nbytes
            + self.vectors.nbytes
            + self._frequency.nbytes
        )

    def _post(self, new: EntryColumns) -> None:
        size = len(new.rows)
        if size >= TAIL_ROWS:
            rows = np.repeat(np.arange(size), new.term_counts)
            fresh = Segment(size, Inverted.of(new.terms, rows, new.counts))
            self._segments = tuple(settled((*self._segments, fresh)))
            self._clear_tail()
            return
        self._tail_terms.extend(new.terms)
        self._tail_counts.extend(new.counts)
        self._tail_rows.extend(np.repeat(np.arange(self.size - size, self.size), new.term_counts))
        if self.size - self._tail_start >= TAIL_ROWS or self._tail_terms.size >= TAIL_POSTINGS:
            self._seal()

    def _seal(self) -> None:
        """Makes a segment of the tail."""
        size = self.size - self._tail_start
        if size > 0:
            rows = self._tail_rows.now().astype(np.int64) - self._tail_start
            terms = Inverted.of(self._tail_terms.now(), rows, self._tail_counts.now())
            self._segments = tuple(settled((*self._segments, Segment(size, terms))))
            self._clear_tail()

    def _clear_tail(self) -> None:
        self._tail_start = sum(s.size for s in self._segments)
        self._tail_terms: Growing[np.uint32] = Growing(np.empty(0, np.uint32))
        self._tail_rows: Growing[np.int32] = Growing(np.empty(0, np.int32))
        self._tail_counts: Growing[np.uint8] = Growing(np.empty(0, np.uint8))

    def _take_codes(self, tables: Tables) -> None:
        """The codes of the rows that stay: threads without rows and names without rows go."""
        mine = self.tables
        mine.event, mine.session, mine.agent, mine.run = (
            tables.event,
            tables.session,
            tables.agent,
            tables.run,
        )
        mine.namespace = tables.namespace
        mine.hashing = tables.hashing
        mine.thread = tables.thread
        anew = renumbered(self.column("thread"), tables.thread.size)
        if anew is not None:
            self._columns["thread"] = Growing(anew[0])
            mine.thread = tables.thread.compacted(anew[1])
            self._threads.take(anew[1])
        for name in ("speaker", "role", "kind"):
            known: Names = getattr(tables, name)
            anew = renumbered(self.column(name), len(known.taken()))
            if anew is not None:
                self._columns[name] = Growing(anew[0])
                known = Names(known.taken()[code] for code in anew[1].tolist())
            setattr(mine, name, known)

    def _places(self, rows: Int64) -> tuple[Int64, Bool]:
        held = self.column("rows")
        place = np.searchsorted(held, rows)
        here = place < len(held)
        here[here] = held[place[here]] == rows[here]
        return place, here

    def _count(self, pieces: npt.NDArray[np.uint16]) -> Int32:
        if len(pieces) and int(pieces.max()) >= len(self._frequency):
            raise Mismatch(
                f"entries hold word piece {int(pieces.max())}, the token table has {len(self._frequency)} pieces: they "
                "were made with another table; open the memory with the version of engrams that wrote it, or rebuild"
            )
        return np.bincount(pieces, minlength=len(self._frequency)).astype(np.int32)


def _inverted(held: Mapping[str, npt.NDArray[Any]], name: str) -> Inverted:
    return Inverted(*(held[f"{name} {part}"] for part in INVERTED))


def _optional(
    tables: Tables, codes: Codes, values: Sequence[str | None], beside: Sequence[str | None]
) -> Int32:
    """Codes of (beside, value) pairs, -1 where the value is None; beside a value there always is something."""
    given = [value is not None for value in values]
    there = sum(given)
    out = np.full(len(values), -1, np.int32)
    if there:
        left, right = (cast("list[str]", list(compress(side, given))) for side in (beside, values))
        out[np.array(given, np.bool_)] = codes.assign(tables.hashing.pairs(left, right))
    return out


def _selected(columns: EntryColumns, mask: Bool) -> EntryColumns:
    """The rows of columns where the mask is True."""
    ragged = {"terms": columns.term_counts, "counts": columns.term_counts, "pieces": columns.piece_counts}
    chosen: dict[str, Any] = {}
    for name in EntryColumns.__slots__:
        values = getattr(columns, name)
        if name in ragged:
            chosen[name] = values[np.repeat(mask, ragged[name])]
        else:
            chosen[name] = values[mask] if isinstance(values, np.ndarray) else list(compress(values, mask))
    return EntryColumns(**chosen)
