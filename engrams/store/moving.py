"""Moves a whole memory from one store into another, in steps that can be cut off and gone on with.

What is moved: events in their order, every version of every engram with its index entry, vectors and history, links,
recalls, payloads, settings, tombstones, the receipts of idempotency keys, the audit, jobs with what they cost, and how far
each writer has come. All of it is compared at the end.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from engrams.errors import StoreError, UsageError
from engrams.ports import OPEN_END, Commit, Entry, Revised, Where
from engrams.records import Change, Engram, Event, EventId, Json, Link, Receipt, Row, Scope
from engrams.store.alongside import Beside, audit_ends, move_audit, move_jobs, tenant_of

T = TypeVar("T")

#: Events or versions in one transaction.
BATCH = 500
#: The setting that says from which memory this one is being, or was, moved.
ORIGIN = "moved:from"
#: The setting with the number of rows that each tenant's audit had before the rows of the other store came.
BEFORE = "moved:audit"
#: Settings that speak of one store alone.
_OWN = ("moved:", "erase:")

#: (namespace, id, microseconds since 1970, digest of the reason) of an erased event.
Tombstone = tuple[str, str, int, str]
#: (namespace, key, digest of what was asked or None, receipt as JSON) of an idempotency key.
Kept = tuple[str, str, str | None, str]
#: What brought a version about: change, actor, reason, event.
Cause = tuple[Change, str, str, EventId | None]


class End(Beside, Protocol):
    """A store as a move needs it: the port, and what the port does not show."""

    def causes(self, rows: Sequence[Row]) -> dict[int, Cause]:
        """What brought these versions about, by row."""
        ...

    def tombstones(self) -> list[Tombstone]:
        """Every erased event, by namespace and id."""
        ...

    def receipts(self) -> list[Kept]:
        """Every idempotency key, by namespace and key."""
        ...

    def put_remains(self, tombstones: Sequence[Tombstone], receipts: Sequence[Kept]) -> None:
        """Keeps tombstones and receipts; those that are there already stay."""
        ...


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an engram with all that lies beside it."""

    row: int
    current: bool
    engram: Engram
    entry: Entry
    cause: Cause


@dataclass(frozen=True, slots=True)
class Moved:
    """What lies in both stores after a move: how many of each, and the digest over events, versions and links."""

    events: int
    versions: int
    links: int
    digest: str
    audit: int = 0  # rows
    jobs: int = 0


def move(source: End, target: End, progress: Callable[[int, int], None] | None = None) -> Moved:
    """Copies everything that is not there yet, then compares both stores.

    `progress` gets (events and versions looked at, how many there are).

    Raises:
        UsageError: the target holds something else.
        StoreError: the stores differ afterwards, because the source changed meanwhile.
    """
    _require_place(source, target)
    total = source.stats(None).events + source.stats(None).engrams
    done = 0

    def report(more: int) -> None:
        nonlocal done
        done += more
        if progress is not None:
            progress(min(done, total), total)

    for key, value in _settings(source).items():
        target.set_setting(key, value)
    target.put_remains(source.tombstones(), source.receipts())
    payloads: set[tuple[str, str]] = set()
    for batch in _batches(every_event(source), lambda each: (tenant_of(each.namespace),)):
        _put_events(target, batch)
        report(len(batch))
    links = 0
    for versions in _batches(
        every_version(source), lambda each: (tenant_of(each.engram.namespace), each.cause[1])
    ):
        _put_payloads(source, target, versions, payloads)
        _put_versions(target, versions)
        report(len(versions))
    for versions in _batches(every_version(source), lambda each: (tenant_of(each.engram.namespace),)):
        links += _put_links(source, target, versions)
    rows = move_audit(source, target, json.loads(target.setting(BEFORE) or "{}"))
    moved = compare(source, target, links)
    return replace(moved, audit=rows, jobs=move_jobs(source, target, numbered_events))


def compare(source: End, target: End, links: int = 0) -> Moved:
    """The counts and the digest of two stores that hold the same.

    Raises:
        StoreError: they do not.
    """
    ours, theirs = content(source), content(target)
    if ours != theirs:
        raise StoreError(
            f"{target.location} holds {theirs[0]} events and {theirs[1]} versions after the move, {source.location} "
            f"{ours[0]} and {ours[1]}, and their digests differ: somebody wrote meanwhile; move again when it is quiet, "
            "into an empty place if the source erased something"
        )
    settings, known = _settings(source), _settings(target)
    if any(known.get(key) != value for key, value in settings.items()):
        raise StoreError(
            f"settings of {source.location} changed while it was moved; move again when it is quiet"
        )
    if _remains(source) != _remains(target):
        raise StoreError(
            f"what was erased, or the keys of repeated calls, in {source.location} changed while it was moved; move again "
            "when it is quiet"
        )
    return Moved(ours[0], ours[1], links, ours[2])


def _settings(store: End) -> dict[str, str]:
    return {key: value for key, value in store.settings("").items() if not key.startswith(_OWN)}


def _remains(store: End) -> tuple[list[Tombstone], list[tuple[str, str, str]]]:
    """Tombstones and receipts; the digests of receipts are keyed where a store is encrypted, so they are left out."""
    return sorted(store.tombstones()), sorted((path, key, said) for path, key, _, said in store.receipts())


def content(store: End) -> tuple[int, int, str]:
    """How many events and versions a store holds, and SHA-256 over every field of them and of their links, in their order by
    tenant."""
    digest = hashlib.sha256()
    events = versions = 0
    for event in every_event(store):
        digest.update(_line(asdict(event)))
        events += 1
    for each in every_version(store):
        digest.update(_line([asdict(each.engram), each.cause, each.entry.length, each.entry.flags]))
        for array in (each.entry.terms, each.entry.counts, each.entry.pieces):
            digest.update(array.tobytes())
        for fingerprint in sorted(each.entry.vectors):
            digest.update(fingerprint.encode("utf-8", "surrogatepass"))
            digest.update(each.entry.vectors[fingerprint].tobytes())
        versions += 1
    for batch in _batches(every_version(store), lambda each: (tenant_of(each.engram.namespace),)):
        for link in sorted(_links(store, batch), key=astuple):
            digest.update(_line(asdict(link)))
    return events, versions, digest.hexdigest()


def _links(store: End, versions: Sequence[Version]) -> tuple[Link, ...]:
    """The links that start at these engrams, where the version is the current one."""
    ids = sorted({each.engram.id for each in versions if each.current})
    starting = set(ids)
    return tuple(link for link in store.links(ids) if link.source in starting)


def _line(value: Json) -> bytes:
    def plain(each: object) -> Json:
        return each.astimezone(UTC).isoformat() if isinstance(each, datetime) else dict(each)  # type: ignore[call-overload]

    return json.dumps(value, default=plain, sort_keys=True).encode() + b"\n"


def _require_place(source: End, target: End) -> None:
    """The target is empty, or began as a move from this source."""
    first = source.audit(limit=1)
    origin = hashlib.sha256(_line(first)).hexdigest()
    found = target.setting(ORIGIN)
    if found is None:
        stats = target.stats(None)
        if stats.events or stats.engrams or target.tombstones():
            raise UsageError(
                f"{target.location} is not empty: found {stats.events} events and {stats.engrams} engrams of its own; "
                "move into a new place"
            )
        note = f"what follows was moved here; the first row has digest {origin}"
        row = {"actor": "mover", "action": "move", "namespace": "*", "ids": [], "note": note}
        target.put_audit([{"at": datetime.now(UTC).isoformat(), **row}])
        standing = {tenant: rows for tenant, (rows, _) in audit_ends(target, {}).items()}
        target.set_setting(BEFORE, json.dumps(standing))
        target.set_setting(ORIGIN, origin)
    elif found != origin:
        raise UsageError(
            f"{target.location} holds a memory that was moved from elsewhere; move into a new place"
        )


def _bytenant_of(store: End) -> Iterator[list[str]]:
    tenants: dict[str, list[str]] = {}
    for namespace in sorted(store.namespaces()):
        tenants.setdefault(tenant_of(namespace), []).append(namespace)
    return iter([tenants[tenant] for tenant in sorted(tenants)])


def every_event(store: End) -> Iterator[Event]:
    """The whole journal: tenant by tenant, each in its order."""
    return (event for _, event in numbered_events(store))


def numbered_events(store: End) -> Iterator[tuple[int, Event]]:
    """The whole journal with its numbers: tenant by tenant, each in its order."""

    def of(namespace: str) -> Iterator[tuple[int, Event]]:
        after = 0
        while True:
            page = store.journal(Scope(namespace), Where(), kinds=None, after=after, limit=BATCH)
            yield from page
            if len(page) < BATCH:
                return
            after = page[-1][0]

    for namespaces in _bytenant_of(store):
        yield from heapq.merge(*map(of, namespaces), key=lambda pair: pair[0])


def every_version(store: End) -> Iterator[Version]:
    """Every version of every engram: tenant by tenant, each in the order they were written."""

    def of(namespace: str) -> Iterator[Version]:
        after = 0
        while True:
            rows = list(store.entries(Scope(namespace), after=after, limit=BATCH))
            numbers = [row.row for row in rows]
            causes = store.causes(numbers)
            for row, engram in zip(rows, store.engrams_at(numbers), strict=True):
                now = row.closed_at == OPEN_END
                yield Version(int(row.row), now, engram, row.entry, causes[int(row.row)])
            if len(rows) < BATCH:
                return
            after = int(rows[-1].row)

    for namespaces in _bytenant_of(store):
        yield from heapq.merge(*map(of, namespaces), key=lambda version: version.row)


def _batches(items: Iterable[T], key: Callable[[T], tuple[str, ...]]) -> Iterator[list[T]]:
    """Neighbours of one key, at most `BATCH` at a time, no engram twice."""
    batch: list[T] = []
    ids: set[str] = set()
    for item in items:
        id = item.engram.id if isinstance(item, Version) else ""
        if batch and (len(batch) == BATCH or key(item) != key(batch[-1]) or (id and id in ids)):
            yield batch
            batch, ids = [], set()
        batch.append(item)
        ids.add(id)
    if batch:
        yield batch


def _put_events(target: End, events: Sequence[Event]) -> None:
    known = target.events([event.id for event in events])
    new = tuple(event for event in events if event.id not in known)
    if new:
        target.commit(_commit(new[0].namespace, "mover", events=new))


def _put_payloads(source: End, target: End, versions: Sequence[Version], done: set[tuple[str, str]]) -> None:
    """The payloads that versions name, before the versions; a cache that was dropped stays away."""
    for each in versions:
        if each.engram.payload is None:
            continue
        place = (each.engram.namespace, each.engram.payload.digest)
        if place in done or source.payloads.size(*place) is None:
            continue
        done.add(place)
        if target.payloads.size(*place) is None:
            target.payloads.put(place[0], source.payloads.open(*place))


def _put_versions(target: End, versions: Sequence[Version]) -> None:
    standing = target.engrams([each.engram.id for each in versions])
    new = tuple(
        Revised(each.engram, each.entry, each.cause[0], each.cause[2], each.cause[3])
        for each in versions
        if each.engram.id not in standing or standing[each.engram.id].version < each.engram.version
    )
    if new:
        target.commit(_commit(new[0].engram.namespace, versions[0].cause[1], revised=new))


def _put_links(source: End, target: End, versions: Sequence[Version]) -> int:
    links = _links(source, versions)
    known = set(_links(target, versions))
    new = tuple(link for link in links if link not in known)
    if new:
        target.commit(_commit(versions[0].engram.namespace, "mover", links=new))
    return len(links)


def _commit(namespace: str, actor: str, **what: Json) -> Commit:
    return Commit(
        receipt=Receipt(namespace, tuple(event.id for event in what.get("events", ()))),
        actor=actor,
        action="move",
        recorded_at=datetime.now(UTC),
        replayed=True,
        audited=False,
        **what,
    )
