"""A store in memory that speaks as much of the port as the index asks for: plain lists and loops, nothing shared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from engrams.index.analysis import analyse_all
from engrams.ports import (
    OPEN_END,
    Commit,
    Entry,
    EntryColumns,
    EntryRow,
    Float32,
    Int64,
    Mark,
    Revised,
    UInt16,
    Where,
)
from engrams.records import Deletion, Engram, EngramId, EventId, Receipt, Row, Scope

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(time: datetime) -> int:
    passed = time - EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def holds(row: EntryRow, scope: Scope, where: Where) -> bool:
    """Whether a version lies in the scope, is active and holds under the times of `where`."""
    if not scope.covers(row.namespace) or row.state != "active":
        return False
    for field in ("agent_id", "run_id", "session"):
        if getattr(scope, field) not in (None, getattr(row, field)):
            return False
    if where.as_of is None or where.as_of_by == "occurred":
        current = row.closed_at == OPEN_END and (
            where.as_of is None or row.occurred_at <= micros(where.as_of)
        )
    else:
        current = row.recorded_at <= micros(where.as_of) < row.closed_at
    after = where.since is None or row.occurred_at >= micros(where.since)
    before = where.until is None or row.occurred_at <= micros(where.until)
    valid = where.valid_at is None or (
        (row.valid_from is None or row.valid_from <= micros(where.valid_at))
        and (row.valid_to is None or micros(where.valid_at) < row.valid_to)
    )
    return current and after and before and valid


class FakeTable:
    """Pieces are the letters of a text: a to z, without a and e, which carry nothing."""

    def pieces(self, text: str) -> UInt16:
        return np.array(
            sorted({ord(c) - ord("a") for c in text.lower() if c in "bcdfghijklmnopqrstuvwxyz"}), np.uint16
        )

    def similarity(self, piece: int) -> Float32:
        return np.eye(26, dtype=np.float32)[piece]


class FakeStore:
    """Rows and changes in lists. `reads` counts how many entries and vectors were handed out."""

    def __init__(self) -> None:
        self.rows: list[EntryRow] = []
        self.engram_sources: dict[int, tuple[str, ...]] = {}
        self.changes: list[tuple[int, str, int, int | None]] = []
        self.last_row = 0
        self.reads = 0
        self.after_mark: list[Callable[[], None]] = []  # each is called once: what others do meanwhile
        self.while_read: list[Callable[[], None]] = []

    def commit(self, change: Commit) -> Receipt:
        for revised in change.revised:
            for i, old in enumerate(self.rows):
                if old.engram_id == revised.engram.id and old.closed_at == OPEN_END:
                    at = micros(change.recorded_at)
                    self.rows[i] = replace(old, closed_at=at)
                    self._note(old.namespace, old.row, at)
            self._write(revised.engram, revised.entry)
        for engram, entry in change.engrams:
            self._write(engram, entry)
        return change.receipt

    def erase(
        self, scope: Scope, events: Sequence[EventId], *, actor: str, at: datetime, reason: str
    ) -> Deletion:
        gone = [
            r
            for r in self.rows
            if set(self.engram_sources[r.row]) <= set(events) and scope.covers(r.namespace)
        ]
        for row in gone:
            self._note(row.namespace, row.row, None)
        self.rows = [r for r in self.rows if r not in gone]
        return Deletion(tuple(events), tuple(r.engram_id for r in gone))

    def rewrite(self, row: Row, entry: Entry) -> None:
        """Other vectors for a version that stands."""
        for i, old in enumerate(self.rows):
            if old.row == row:
                self.rows[i] = replace(old, entry=entry)
                self._note(old.namespace, row, OPEN_END)

    def mark(self, scope: Scope | None = None) -> Mark:
        now = Mark(self.last_row, len(self.changes))
        _call(self.after_mark)
        return now

    def entries(self, scope: Scope, *, after: int = 0, limit: int = 100_000) -> Iterator[EntryRow]:
        return iter([r for r in self.rows if r.row > after and scope.covers(r.namespace)][:limit])

    def entry_columns(
        self, scope: Scope, *, after: int = 0, batch: int = 65_536, writer: str | None = None
    ) -> Iterator[EntryColumns]:
        found = [
            r for r in self.rows if r.row > after and scope.covers(r.namespace) and writer in (None, r.recipe)
        ]
        self.reads += len(found)
        for start in range(0, len(found), batch):
            yield EntryColumns.of(found[start : start + batch])
            _call(self.while_read)

    def entry_vectors(self, scope: Scope, fingerprint: str, *, after: int = 0) -> tuple[Int64, Float32]:
        found = [
            r
            for r in self.rows
            if r.row > after and scope.covers(r.namespace) and fingerprint in r.entry.vectors
        ]
        self.reads += len(found)
        values = np.array([r.entry.vectors[fingerprint] for r in found], np.float32).reshape(
            len(found), -1 if found else 0
        )
        return np.array([r.row for r in found], np.int64), values

    def closings(self, scope: Scope, *, after: int) -> list[tuple[int, Row, int | None]]:
        return [(n, Row(row), at) for n, path, row, at in self.changes if n > after and scope.covers(path)]

    def matching(self, scope: Scope, where: Where) -> Int64:
        """Active versions under the conditions; of filters only one over the role is known here."""
        wanted = (where.filters or {}).get("role")
        return np.array(
            [r.row for r in self.rows if holds(r, scope, where) and wanted in (None, r.role)], np.int64
        )

    def _write(self, engram: Engram, entry: Entry) -> None:
        number = self.last_row + 1
        self.engram_sources[number] = engram.sources
        self.rows.append(
            EntryRow(
                row=Row(number),
                namespace=engram.namespace,
                engram_id=engram.id,
                source=engram.sources[0],
                thread=engram.thread,
                session=engram.session,
                agent_id=engram.agent_id,
                run_id=engram.run_id,
                speaker=engram.speaker,
                role=engram.role,
                kind=engram.kind,
                recipe=engram.recipe,
                state=engram.state,
                occurred_at=micros(engram.occurred_at),
                recorded_at=micros(engram.recorded_at),
                closed_at=OPEN_END,
                valid_from=None if engram.valid_from is None else micros(engram.valid_from),
                valid_to=None if engram.valid_to is None else micros(engram.valid_to),
                entry=entry,
            )
        )
        self.last_row = number  # told only once the row can be read

    def _note(self, namespace: str, row: int, at: int | None) -> None:
        self.changes.append((len(self.changes) + 1, namespace, row, at))


def _call(hooks: list[Callable[[], None]]) -> None:
    while hooks:
        hooks.pop(0)()


def turn(text: str, *, event: str, thread: str = "t", **fields: Any) -> Engram:
    """A passage of one event, said in a thread of namespace `home`."""
    given: dict[str, Any] = {
        "namespace": "home",
        "occurred_at": EPOCH,
        "recorded_at": EPOCH,
        "role": "user",
        **fields,
    }
    return Engram(
        id=EngramId(f"of {event}"),
        recipe="r",
        kind="passage",
        content=text,
        sources=(event,),
        thread=thread,
        **given,
    )


def put(store: FakeStore, *engrams: Engram, vectors: Mapping[str, Sequence[float]] | None = None) -> None:
    """Writes new engrams, all with the same vectors by fingerprint."""
    values = {name: np.array(v, np.float32) for name, v in (vectors or {}).items()}
    entries = [replace(entry, vectors=values) for entry in analyse_all(engrams, FakeTable())]
    receipt = Receipt("home", ())
    store.commit(Commit(receipt, "test", "add", EPOCH, engrams=tuple(zip(engrams, entries, strict=True))))


def erase(store: FakeStore, *events: str) -> None:
    """Erases events and what rests on them."""
    ids = [EventId(event) for event in events]
    store.erase(Scope("home"), ids, actor="test", at=EPOCH, reason="")


def revise(store: FakeStore, engram: Engram) -> None:
    """Writes a new version of an engram."""
    revised = Revised(engram, analyse_all([engram], FakeTable())[0], "UPDATE", "")
    store.commit(Commit(Receipt("home", ()), "test", "update", engram.recorded_at, revised=(revised,)))
