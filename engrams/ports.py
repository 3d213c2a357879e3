"""What we ask of the outside, as protocols: the store, the index, the clock, tokenizers, embedders.

Whoever implements one passes its contract suite in `tests/contracts/`. Numpy types are allowed here; nothing else
from outside the standard library is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from engrams.records import (
    NOTHING,
    Change,
    Deletion,
    Engram,
    EngramId,
    Event,
    EventId,
    Json,
    Link,
    Problem,
    Query,
    Receipt,
    Revision,
    Row,
    Scope,
    State,
    Stats,
)

Float32: TypeAlias = npt.NDArray[np.float32]
Int32: TypeAlias = npt.NDArray[np.int32]
Int64: TypeAlias = npt.NDArray[np.int64]
UInt16: TypeAlias = npt.NDArray[np.uint16]
UInt32: TypeAlias = npt.NDArray[np.uint32]
Bool: TypeAlias = npt.NDArray[np.bool_]

#: `closed_at` of a version that is still the current one, in microseconds since 1970.
OPEN_END = np.iinfo(np.int64).max

#: `valid_from` of an engram that has always held, as the arrays hold it (`valid_to`: `OPEN_END`).
OPEN_START = np.iinfo(np.int64).min

#: Bits of `Entry.flags`.
IS_QUESTION = 1
HAS_ATTACHMENT = 2


class Clock(Protocol):
    """Tells the time; tests stop it."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        ...


class Tokenizer(Protocol):
    """Counts what a text costs a language model. `estimated`: whether the count is not the reader's own."""

    @property
    def estimated(self) -> bool: ...

    def count(self, text: str) -> int:
        """How many tokens the text takes, 0 or more."""
        ...


class TokenTable(Protocol):
    """A static table of word-piece vectors: meaning without a forward pass."""

    def pieces(self, text: str) -> UInt16:
        """Distinct content-bearing piece ids of a text, ascending, uint16[p]; may be empty."""
        ...

    def similarity(self, piece: int) -> Float32:
        """Cosine of one piece with every piece of the vocabulary, negative ones set to 0, float32[v]."""
        ...

    def similarities(self, pieces: Sequence[int], among: npt.NDArray[np.integer]) -> Float32:
        """`similarity` of q pieces at once, worked out for the pieces `among` only, 0 for all others, float32[q, v]."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors of unit length."""

    @property
    def fingerprint(self) -> str:
        """Names model, weights and preparation: vectors of different fingerprints are never compared."""
        ...

    @property
    def dimensions(self) -> int: ...

    def embed(self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None) -> Float32:
        """float32[n, dimensions], rows of unit length."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """What the index keeps of one engram version; made once at write, stored beside it, loaded as arrays.

    `terms` are 32-bit hashes of the stems (see `words.term_hash`), distinct, ascending; `counts` their number of
    occurrences, at most 255; `length` the number of all term occurrences; `pieces` distinct word-piece ids,
    ascending. `vectors` maps an embedder's fingerprint to float32 values. Nothing here can be read back as text, and
    all of it goes when the engram is erased.
    """

    length: int
    terms: UInt32
    counts: npt.NDArray[np.uint8]
    pieces: UInt16
    flags: int = 0
    vectors: Mapping[str, Float32] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Revised:
    """A new version of an engram: the whole new record (its `version` one above the current), and why."""

    engram: Engram
    entry: Entry
    change: Change
    reason: str
    event_id: EventId | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything one add (or update, delete, pin) writes, in one transaction: all or none.

    `engrams` are new ids at version 1 with their index entries. With `idempotency` (key, digest of what was asked),
    a second commit of the same key in the same namespace writes nothing and returns the first receipt with
    `repeated=True`; the same key with another digest raises `BadSetting`.
    A `Revised` whose version is not exactly one above the stored one raises `Busy` and nothing is written.
    """

    receipt: Receipt
    actor: str
    action: str
    recorded_at: datetime
    events: tuple[Event, ...] = ()
    engrams: tuple[tuple[Engram, Entry], ...] = ()
    revised: tuple[Revised, ...] = ()
    links: tuple[Link, ...] = ()
    idempotency: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """Exact conditions, all of which hold: times (inclusive), state as of a time, the caller's filter expression."""

    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None
    as_of_by: Literal["recorded", "occurred"] = "recorded"
    valid_at: datetime | None = None
    filters: Mapping[str, Json] | None = None
    states: tuple[State, ...] = ("active",)
    kinds: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An `Entry` as the store hands it back to the index, with the columns ranking and masks need.

    Times in microseconds since 1970, UTC. `closed_at` is `OPEN_END` while the version is current. `pinned` 0 or 1.
    """

    row: Row
    namespace: str
    engram_id: EngramId
    source: str  # first event it came from: hits are grouped by it
    thread: str
    session: str | None
    agent_id: str | None
    run_id: str | None
    speaker: str | None
    role: str
    kind: str
    recipe: str
    state: State
    occurred_at: int
    recorded_at: int
    closed_at: int
    valid_from: int | None
    valid_to: int | None
    entry: Entry


@dataclass(frozen=True, slots=True)
class EntryColumns:
    """Many `EntryRow`s, column by column: element i of every column speaks of the i-th row, rows ascending.

    Times as in `EntryRow`, with `OPEN_START` and `OPEN_END` for a validity without bound. `terms`, `counts` and
    `pieces` hold those of all rows one after the other; row i has `term_counts[i]` terms and `piece_counts[i]`
    pieces. `EntryColumns.of` makes them from rows, for a store with no faster way.
    """

    rows: Int64
    namespaces: Sequence[str]
    sources: Sequence[str]
    threads: Sequence[str]
    sessions: Sequence[str | None]
    agent_ids: Sequence[str | None]
    run_ids: Sequence[str | None]
    speakers: Sequence[str | None]
    roles: Sequence[str]
    kinds: Sequence[str]
    states: Sequence[str]
    occurred_at: Int64
    recorded_at: Int64
    closed_at: Int64
    valid_from: Int64
    valid_to: Int64
    lengths: Int32
    flags: npt.NDArray[np.uint8]
    terms: UInt32
    counts: npt.NDArray[np.uint8]
    term_counts: Int32
    pieces: UInt16
    piece_counts: Int32

    @classmethod
    def of(cls, rows: Sequence[EntryRow]) -> EntryColumns:
        """The columns of rows; 0 rows give empty columns."""

        def whole(values: Sequence[int], kind: type[np.generic]) -> npt.NDArray[Any]:
            return np.array(values, dtype=kind)

        def joined(parts: Sequence[npt.NDArray[Any]], kind: type[np.generic]) -> npt.NDArray[Any]:
            return np.concatenate([np.empty(0, kind), *parts]).astype(kind, copy=False)

        return cls(
            rows=whole([r.row for r in rows], np.int64),
            namespaces=[r.namespace for r in rows],
            sources=[r.source for r in rows],
            threads=[r.thread for r in rows],
            sessions=[r.session for r in rows],
            agent_ids=[r.agent_id for r in rows],
            run_ids=[r.run_id for r in rows],
            speakers=[r.speaker for r in rows],
            roles=[r.role for r in rows],
            kinds=[r.kind for r in rows],
            states=[r.state for r in rows],
            occurred_at=whole([r.occurred_at for r in rows], np.int64),
            recorded_at=whole([r.recorded_at for r in rows], np.int64),
            closed_at=whole([r.closed_at for r in rows], np.int64),
            valid_from=whole([OPEN_START if r.valid_from is None else r.valid_from for r in rows], np.int64),
            valid_to=whole([OPEN_END if r.valid_to is None else r.valid_to for r in rows], np.int64),
            lengths=whole([r.entry.length for r in rows], np.int32),
            flags=whole([r.entry.flags for r in rows], np.uint8),
            terms=joined([r.entry.terms for r in rows], np.uint32),
            counts=joined([r.entry.counts for r in rows], np.uint8),
            term_counts=whole([len(r.entry.terms) for r in rows], np.int32),
            pieces=joined([r.entry.pieces for r in rows], np.uint16),
            piece_counts=whole([len(r.entry.pieces) for r in rows], np.int32),
        )


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a store has come: the last row written, the last close or erase. Equal when nothing changed."""

    row: int
    change: int


class Store(Protocol):
    """Where things lie. Safe to use from several threads; several processes may open one store.

    The store gives rows and statistics, never a score of its own. Acknowledged means on disk.
    """

    @property
    def location(self) -> str:
        """Path or URL, without secrets; ":memory:" for one that dies with the process."""
        ...

    # --- writing: each call is one transaction
    def commit(self, change: Commit) -> Receipt: ...

    def erase(
        self, scope: Scope, events: Sequence[EventId], *, actor: str, at: datetime, reason: str
    ) -> Deletion:
        """Removes the events inside the scope and every engram, version, entry, link that only they support.

        Engrams with other sources lose these sources. A tombstone without content stays. Unknown ids raise `NotFound`
        and nothing is removed.
        """
        ...

    def touch(self, rows: Sequence[Row], at: datetime) -> None:
        """Counts a recall of these engram versions (recall_count, last_recalled_at)."""
        ...

    def reset(self) -> None:
        """Erases everything in the store."""
        ...

    # --- reading
    def events(self, ids: Sequence[str]) -> dict[str, Event]:
        """The events of these ids as they were journalled; unknown ids are absent."""
        ...

    def erased(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids under which a tombstone stands: they are never written again."""
        ...

    def about(self, targets: Sequence[str]) -> dict[str, list[Event]]:
        """Corrections, rejections, pins and feedback about these ids, oldest first."""
        ...

    def journal(
        self,
        scope: Scope,
        where: Where,
        *,
        kinds: tuple[str, ...] | None = ("message",),
        after: int = 0,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[tuple[int, Event]]:
        """Events with their journal numbers, in journal order, those after number `after` (before it, newest first)."""
        ...

    def engrams(self, ids: Sequence[str]) -> dict[str, Engram]:
        """Current versions, whatever their state; unknown ids are absent."""
        ...

    def engrams_at(self, rows: Sequence[Row]) -> list[Engram]:
        """The engram versions of these rows, in the order asked; rows that are gone are left out."""
        ...

    def list_engrams(
        self, scope: Scope, where: Where, *, after: int = 0, limit: int = 100
    ) -> list[tuple[Row, Engram]]:
        """Engram versions that hold under `where`, by row, those after row `after`."""
        ...

    def matching(self, scope: Scope, where: Where) -> Int64:
        """Rows (ascending) of the engram versions inside the scope that hold under `where`."""
        ...

    def versions(self, id: str) -> list[Revision]:
        """Every version of an engram, or of all engrams that name this event as source, oldest first."""
        ...

    def derived_from(self, ids: Sequence[str]) -> list[EngramId]:
        """Engrams (current versions) that name one of these events or engrams as a source."""
        ...

    def links(self, ids: Sequence[str]) -> list[Link]:
        """Links that start or end at one of these engrams."""
        ...

    def stats(self, scope: Scope | None) -> Stats:
        """Counts inside the scope; None: the whole store."""
        ...

    def namespaces(self) -> list[str]: ...

    def known_sources(self, namespace: str, sources: Sequence[str]) -> set[str]:
        """Which of these `Event.source` values are already in the journal of exactly this namespace."""
        ...

    # --- for the index
    def mark(self, scope: Scope | None = None) -> Mark:
        """How far the part of the store has come in which the scope's path lies (its tenant, or all); equal when unchanged.

        Every row up to `mark.row` of that part can be read; later ones get higher numbers. None: the whole store, good
        for comparing only.
        """
        ...

    def entries(self, scope: Scope, *, after: int = 0, limit: int = 100_000) -> Iterator[EntryRow]:
        """Entries of every engram version under the scope's path (its other fields do not count), by row."""
        ...

    def entry_columns(self, scope: Scope, *, after: int = 0, batch: int = 65_536) -> Iterator[EntryColumns]:
        """What `entries` gives, all of it, as columns of at most `batch` rows each: the way of bulk loading."""
        ...

    def entry_vectors(self, scope: Scope, fingerprint: str, *, after: int = 0) -> tuple[Int64, Float32]:
        """(rows ascending, float32[n, d]) of the versions under the scope's path with a vector of this embedder."""
        ...

    def closings(self, scope: Scope, *, after: int) -> list[tuple[int, Row, int | None]]:
        """(change number, row, closed_at) of versions closed since; closed_at None: the row was erased.

        `OPEN_END`: the version stands, and what `entry_columns` or `entry_vectors` say of it has changed.
        """
        ...

    # --- care
    def check(self) -> list[Problem]: ...

    def backup(self, path: Path, *, progress: Callable[[int, int], None] | None = None) -> None:
        """Writes a consistent copy while others read and write."""
        ...

    def vacuum(self) -> None: ...

    def audit(self, *, after: int = 0, limit: int = 100) -> list[Mapping[str, Json]]:
        """Who did what when, oldest first: seq, at, actor, action, namespace, ids, note."""
        ...

    def close(self) -> None: ...


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

    def postings(self, term: int) -> tuple[Int32, Float32]:
        """(indices ascending, counts) of the rows that hold a term; empty arrays where none does."""
        ...

    def rows_with_piece(self, piece: int) -> Int32:
        """Indices, ascending, of the rows that hold a word piece."""
        ...

    def vectors(self, fingerprint: str) -> Float32 | None:
        """float32[size, d] of one embedder, rows without a vector all 0; None where no row has one."""
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
