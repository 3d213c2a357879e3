"""Which rows of a snapshot a query may return."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from engrams.index.snapshot import Snapshot
from engrams.ports import Bool, Int32, Store, Where
from engrams.records import Query, Scope

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def microseconds(time: datetime) -> int:
    """An aware time as the arrays hold it."""
    return (time - EPOCH) // MICROSECOND


def alive(snapshot: Snapshot, query: Query) -> Bool:
    """bool[size]: the rows that a memory asked as of `query.as_of` consists of.

    By `recorded`, the versions that had been written and not yet closed; by `occurred`, the current versions of what
    had happened.
    """
    assert query.as_of is not None
    when = microseconds(query.as_of)
    if query.as_of_by == "occurred":
        return snapshot.occurred_at <= when
    return (snapshot.recorded_at <= when) & (snapshot.closed_at > when)


def allowed(snapshot: Snapshot, query: Query, store: Store) -> Bool | None:
    """bool[size]: the rows a query may return, by its scope's fields, times and filters; None: all of them."""
    masks: list[Bool] = []
    if query.filters:
        masks.append(_matching(snapshot, query, store))
    else:
        masks += _fields(snapshot, query.scope)
        if query.since is not None:
            masks.append(snapshot.occurred_at >= microseconds(query.since))
        if query.until is not None:
            masks.append(snapshot.occurred_at <= microseconds(query.until))
        if query.valid_at is not None:
            when = microseconds(query.valid_at)
            masks.append((snapshot.valid_from <= when) & (snapshot.valid_to > when))
    if not masks:
        return None
    mask: Bool = np.logical_and.reduce(masks)
    mask.flags.writeable = False
    return mask


def _fields(snapshot: Snapshot, scope: Scope) -> list[Bool]:
    """One mask for each of session, agent and run that the scope names."""
    masks: list[Bool] = []
    tables = snapshot.tables
    if scope.session is not None:
        codes = {
            tables.session.find(tables.hashing.pair(path, scope.session)) for path in tables.namespace.taken()
        }
        masks.append(_any_of(snapshot.session, codes))
    for field, column, table in (
        (scope.agent_id, snapshot.agent, tables.agent),
        (scope.run_id, snapshot.run, tables.run),
    ):
        if field is not None:
            masks.append(_any_of(column, {table.find(tables.hashing.pair(field, field))}))
    return masks


def _any_of(column: Int32, codes: set[int]) -> Bool:
    wanted = sorted(codes - {-1})
    if len(wanted) == 1:
        only: Bool = column == np.int32(wanted[0])
        return only
    return np.isin(column, np.array(wanted, dtype=np.int32))


def _matching(snapshot: Snapshot, query: Query, store: Store) -> Bool:
    """The rows that the store finds for the whole query: filters over metadata are its own."""
    where = Where(
        since=query.since,
        until=query.until,
        as_of=query.as_of,
        as_of_by=query.as_of_by,
        valid_at=query.valid_at,
        filters=query.filters,
        writer=query.writer,
        states=("active",) if query.valid_at is None else ("active", "superseded"),
    )
    found = store.matching(query.scope, where)
    place = np.searchsorted(snapshot.rows, found)
    here = place < snapshot.size
    here[here] = snapshot.rows[place[here]] == found[here]
    mask = np.zeros(snapshot.size, np.bool_)
    mask[place[here]] = True
    return mask
