"""Array types, the marks of open ends, and what the index keeps of an engram version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from engrams.records import (
    NOTHING,
    EngramId,
    Row,
    State,
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
