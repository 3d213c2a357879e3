"""The store: what one commit writes, under which conditions rows are read, and every call it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

from engrams.ports.arrays import Entry, EntryColumns, EntryRow, Float32, Int64
from engrams.ports.jobs import Jobs
from engrams.ports.payloads import Payloads
from engrams.records import (
    NOTHING,
    Change,
    Deletion,
    Engram,
    EngramId,
    Event,
    EventId,
    Job,
    Json,
    Link,
    Problem,
    Progress,
    Receipt,
    Revision,
    Row,
    Scope,
    State,
    Stats,
)


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
    `writer` is the write chain that has looked at the events, so that the store knows how far it has come. `jobs` are put
    in the same transaction.
    `settings` hold for the whole store: one that is not there yet is set, and where another value stands `Mismatch`
    is raised and nothing is written. So vectors of two embedders never meet, whoever writes first.
    `replayed` brings back what stood elsewhere: `revised` may begin with any version of an engram that is not here, and
    leave versions out; each must be later than the one that stands.
    Without `audited` no row of the audit is written: for a move, which takes the rows of the other store along.
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
    writer: str | None = None
    jobs: tuple[Job, ...] = ()
    settings: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    replayed: bool = False
    audited: bool = True


@dataclass(frozen=True, slots=True)
class Where:
    """Exact conditions, all of which hold: times (inclusive), state as of a time, the caller's filter expression.

    `writer`: only what that write chain derived; None: whatever derived it.
    """

    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None
    as_of_by: Literal["recorded", "occurred"] = "recorded"
    valid_at: datetime | None = None
    filters: Mapping[str, Json] | None = None
    states: tuple[State, ...] = ("active",)
    kinds: tuple[str, ...] | None = None
    writer: str | None = None


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

    @property
    def jobs(self) -> Jobs:
        """The durable jobs of this store."""
        ...

    @property
    def payloads(self) -> Payloads:
        """The large parts of engrams, beside the database or inside it."""
        ...

    # --- writing: each call is one transaction
    def commit(self, change: Commit) -> Receipt: ...

    def erase(
        self, scope: Scope, events: Sequence[EventId], *, actor: str, at: datetime, reason: str
    ) -> Deletion:
        """Removes the events inside the scope and every engram, version, entry, link that rests on them.

        A version from before stands again where one is left. A tombstone without content stays. Unknown ids raise `NotFound`
        and nothing is removed.
        """
        ...

    def touch(self, rows: Sequence[Row], at: datetime) -> None:
        """Counts a recall of these engram versions (recall_count, last_recalled_at)."""
        ...

    def reset(self) -> None:
        """Erases everything in the store, settings included."""
        ...

    def looked(self, writer: str, namespace: str, number: int) -> None:
        """Notes that a writer has looked at every journal entry up to a number, in the part of the store (the tenant, or
        all of it) in which the namespace lies."""
        ...

    def set_setting(self, key: str, value: str) -> None:
        """Sets what holds for the whole store, such as the embedder whose vectors are compared."""
        ...

    def put_vectors(
        self, fingerprint: str, rows: Sequence[Row], vectors: Float32, *, quiet: bool = False
    ) -> int:
        """Adds float32[n, d] of one embedder to n versions, in place of those they had of it; how many were there.

        Rows that are gone are left out. Each row is noted as changed (`closings`), unless `quiet`: for an embedder
        whose vectors nobody reads yet.
        """
        ...

    def drop_engrams(self, writer: str) -> int:
        """Removes every version that one writer made, with all that lies beside it; how many went. Nothing may rest on them."""
        ...

    def drop_vectors(self, *, keep: str, limit: int = 10_000) -> int:
        """Removes at most `limit` vectors of embedders other than `keep`; how many went, 0 when none are left."""
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
        """Current versions, whatever their state, in the order asked; unknown ids are absent."""
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

    def version(self, id: str, version: int) -> Engram | None:
        """One version of an engram as it stood; None where there is none."""
        ...

    def versions(self, id: str) -> list[Revision]:
        """Every version of an engram, or of all engrams that name this event as source, oldest first."""
        ...

    def derived_from(self, ids: Sequence[str], *, with_payload: bool = False) -> list[EngramId]:
        """Engrams (current versions) that name one of these events or engrams as a source, by row.

        `with_payload`: only those that carry one.
        """
        ...

    def links(self, ids: Sequence[str]) -> list[Link]:
        """Links that start or end at one of these engrams, each once, in the order in which both ends were first there.

        By the first row of the end that came later, then of the other: so the neighbours of one engram come in the order in
        which they were derived. Then by source, relation and recipe. Ids are drawn: an order by them would say nothing.
        """
        ...

    def stats(self, scope: Scope | None, *, writer: str | None = None) -> Stats:
        """Counts inside the scope; None: the whole store. Of engrams those of one writer, None: all."""
        ...

    def namespaces(self) -> list[str]: ...

    def progress(self, writer: str) -> Progress:
        """How far a writer has come with the journal of the whole store."""
        ...

    def behind(self, writer: str, *, limit: int = 1000) -> list[tuple[int, Event]]:
        """Journal entries of every kind that a writer has not looked at, with their numbers, in journal order: those of one
        part of the store (a tenant, or all of it)."""
        ...

    def first_receipt(self, namespace: str, key: str, digest: str) -> Receipt | None:
        """The receipt that a commit with this idempotency gets where its key stands; None where it does not.

        The key with another digest raises `BadSetting`, as the commit would.
        """
        ...

    def known_sources(self, namespace: str, sources: Sequence[str]) -> set[str]:
        """Which of these `Event.source` values are already in the journal of exactly this namespace."""
        ...

    def setting(self, key: str) -> str | None:
        """What holds for the whole store; None where nobody has said."""
        ...

    def settings(self, prefix: str) -> dict[str, str]:
        """The settings whose keys begin so (letters, digits and ':' only), by key, sorted."""
        ...

    def without_vector(
        self, fingerprint: str, *, after: int = 0, limit: int = 1000
    ) -> list[tuple[Row, Engram]]:
        """Active versions of the whole store, closed ones too, without a vector of this embedder; by row, after `after`."""
        ...

    # --- for the index
    def mark(self, scope: Scope | None = None) -> Mark:
        """How far the part of the store has come in which the scope's path lies (its tenant, or all); equal when unchanged.

        Every row up to `mark.row` of that part can be read; later ones get higher numbers. None: the whole store, good
        for comparing only.
        """
        ...

    def entries(
        self, scope: Scope, *, after: int = 0, limit: int = 100_000, writer: str | None = None
    ) -> Iterator[EntryRow]:
        """Entries of every engram version (of one writer) under the scope's path (its other fields do not count), by row."""
        ...

    def entry_columns(
        self, scope: Scope, *, after: int = 0, batch: int = 65_536, writer: str | None = None
    ) -> Iterator[EntryColumns]:
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

    def vacuum(self) -> None:
        """Gives room back, and finishes what an erase left pending."""
        ...

    def finish_erasing(self) -> bool:
        """Removes what bytes of erased text may be left; True when none are, False while somebody still reads them."""
        ...

    def audit(self, *, after: int = 0, limit: int = 100) -> list[Mapping[str, Json]]:
        """Who did what when, oldest first: seq, at, actor, action, namespace, ids, note, digest (over it and those before)."""
        ...

    def close(self) -> None: ...
