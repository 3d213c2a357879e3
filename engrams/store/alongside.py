"""What a move takes along beside the records: the audit, jobs, what jobs cost, how far each writer has come.

The audit is sealed anew in the other store, row by row in its order, since a file keeps one chain and a server one for each
tenant; what the rows say is compared afterwards. A writer's progress is a number of the journal, and the other store numbers
its journal by itself: it is told by which entries were looked at.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

from engrams.errors import StoreError
from engrams.ports import Store
from engrams.records import Event, Job, Json

#: Rows of the audit read, and written in one transaction, at a time.
BATCH = 500
#: Jobs read at once: all of them.
_ALL = 10**9

#: One row of the audit, as `Store.audit` gives it.
AuditRow = Mapping[str, Json]
#: (writer, tenant or None where all are counted together, journal number up to which it has looked).
Reached = tuple[str, str | None, int]
#: (day, kind of job, how many were begun, tokens).
Spending = tuple[str, str, int, int]


class Beside(Store, Protocol):
    """A store as a move needs it for what lies beside the records."""

    @property
    def apart(self) -> bool:
        """Whether each tenant has a journal, an audit and progress of its own."""
        ...

    def put_audit(self, rows: Sequence[AuditRow]) -> None:
        """Adds rows that were written elsewhere, sealed to those that stand."""
        ...

    def reached(self) -> list[Reached]:
        """How far each writer has come, by writer and tenant."""
        ...

    def put_reached(self, rows: Sequence[Reached]) -> None:
        """Notes how far writers have come; one that is farther already stays."""
        ...

    def spending(self) -> list[Spending]:
        """What jobs cost, by day and kind."""
        ...

    def put_spending(self, rows: Sequence[Spending]) -> None:
        """Sets what jobs cost on these days."""
        ...


@dataclass(slots=True)
class _Chain:
    """The rows of one tenant's audit so far: how many, and a digest of what they say."""

    rows: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def take(self, row: AuditRow) -> None:
        self.rows += 1
        said = [row[key] for key in ("at", "actor", "action", "namespace", "ids", "note")]
        self.digest.update(json.dumps(said).encode() + b"\n")

    @property
    def end(self) -> tuple[int, str]:
        return self.rows, self.digest.hexdigest()


def tenant_of(namespace: str) -> str:
    """The first segment of a path."""
    return namespace.partition("/")[0]


def audit_rows(store: Store) -> Iterator[AuditRow]:
    """The whole audit in the order it was written."""
    after = 0
    while page := store.audit(after=after, limit=BATCH):
        yield from page
        after = int(page[-1]["seq"])


def audit_ends(store: Store, skipped: Mapping[str, int]) -> dict[str, tuple[int, str]]:
    """How many rows each tenant's audit has, and a digest of what they say, without the first so many of each."""
    chains: dict[str, _Chain] = {}
    left = dict(skipped)
    for row in audit_rows(store):
        tenant = tenant_of(str(row["namespace"]))
        if left.get(tenant, 0):
            left[tenant] -= 1
        else:
            chains.setdefault(tenant, _Chain()).take(row)
    return {tenant: chain.end for tenant, chain in chains.items()}


def move_audit(source: Beside, target: Beside, skipped: Mapping[str, int]) -> int:
    """Adds the rows of the source's audit that the target has not; returns how many the source has.

    `skipped` are the rows of the target, by tenant, that stood before the move.

    Raises:
        StoreError: what stands in the target is not how the source's audit begins.
    """
    there = audit_ends(target, skipped)
    chains: dict[str, _Chain] = {}

    def new() -> Iterator[AuditRow]:
        for row in audit_rows(source):
            tenant = tenant_of(str(row["namespace"]))
            chain = chains.setdefault(tenant, _Chain())
            chain.take(row)
            rows, digest = there.get(tenant, (0, ""))
            if chain.rows > rows:
                yield row
            elif chain.rows == rows and chain.digest.hexdigest() != digest:
                raise _differs(source, target, f"the audit of {tenant}")

    rows = new()
    while batch := list(islice(rows, BATCH)):
        target.put_audit(batch)
    ends = {tenant: chain.end for tenant, chain in chains.items()}
    if audit_ends(target, skipped) != ends:
        raise _differs(source, target, "the audit")
    return sum(count for count, _ in ends.values())


def move_jobs(source: Beside, target: Beside, numbered: _Numbered) -> int:
    """Brings the target's jobs, what they cost and the progress of writers to where the source's are; how many jobs.

    Raises:
        StoreError: they differ afterwards.
    """
    ours = _jobs(source)
    if _jobs(target) != ours:  # of a run that was cut off, while the source went on
        for job in _jobs(target):
            target.jobs.drop(job.id)
        for start in range(0, len(ours), BATCH):
            target.jobs.put(ours[start : start + BATCH])
    target.put_spending(source.spending())
    wanted = _through(target, looked_at(source, numbered), numbered)
    target.put_reached(wanted)
    known = {row[:2]: row[2] for row in target.reached()}
    if (
        _jobs(target) != ours
        or target.spending() != source.spending()
        or any(known.get((writer, tenant), 0) < number for writer, tenant, number in wanted)
    ):
        raise _differs(source, target, "jobs and the progress of writers")
    return len(ours)


class _Numbered(Protocol):
    """Gives the whole journal of a store with its numbers."""

    def __call__(self, store: Any) -> Iterator[tuple[int, Event]]: ...


def looked_at(store: Beside, numbered: _Numbered) -> dict[tuple[str, str], int]:
    """How many of each tenant's first journal entries each writer has looked at, by (writer, tenant)."""
    reached = {(writer, tenant): number for writer, tenant, number in store.reached()}
    writers = {writer for writer, _ in reached}
    counts: dict[tuple[str, str], int] = {}
    for number, event in numbered(store):
        tenant = tenant_of(event.namespace)
        for writer in writers:
            if number <= reached.get((writer, tenant if store.apart else None), 0):
                counts[writer, tenant] = counts.get((writer, tenant), 0) + 1
    return counts


def _through(target: Beside, wanted: Mapping[tuple[str, str], int], numbered: _Numbered) -> list[Reached]:
    """Up to which number of the target's journal each writer has looked at all entries."""
    writers = sorted({writer for writer, _ in wanted})
    seen: dict[str, int] = {}
    last: dict[str | None, int] = {}
    missing: dict[tuple[str, str | None], int] = {}
    for number, event in numbered(target):
        tenant = tenant_of(event.namespace)
        part = tenant if target.apart else None
        seen[tenant] = seen.get(tenant, 0) + 1
        last[part] = max(last.get(part, 0), number)
        for writer in writers:
            if seen[tenant] > wanted.get((writer, tenant), 0):
                missing[writer, part] = min(missing.get((writer, part), number), number)
    ends = [
        (writer, part, missing.get((writer, part), last[part] + 1) - 1) for writer in writers for part in last
    ]
    return [row for row in ends if row[2] > 0]


def _jobs(store: Beside) -> list[Job]:
    return store.jobs.all(limit=_ALL)


def _differs(source: Beside, target: Beside, what: str) -> StoreError:
    return StoreError(
        f"{what} in {target.location} is not that of {source.location}: somebody wrote meanwhile; move again when it is "
        "quiet, into an empty place if it was used"
    )
