"""The stores every contract of the `Store` port is checked on, and records to put into them.

A store that joins adds a line to `OPENERS`: a function from an empty folder to an open, empty store.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from engrams.ports import Commit, Entry, Revised, Store
from engrams.records import (
    Derived,
    Engram,
    EngramId,
    Event,
    EventId,
    Link,
    Receipt,
    Scope,
    derived_id,
    new_event_id,
)
from engrams.store import open_store
from tests.postgres_server import SERVER

OPENERS: dict[str, Callable[[Path], Store]] = {
    "sqlite-file": lambda folder: open_store(folder / "memory.db", wait=20),
    "sqlite-memory": lambda folder: open_store(":memory:", wait=20),
    "postgres": lambda folder: SERVER.empty(),
}

NAMESPACE = "acme/alice"
HERE = Scope(NAMESPACE)
START = datetime(2024, 1, 1, tzinfo=UTC)
_minutes = itertools.count()


def at(minutes: int) -> datetime:
    """A time so many minutes after the first day began."""
    return START + timedelta(minutes=minutes)


def said(content: str = "hello", namespace: str = NAMESPACE, **fields: Any) -> Event:
    """A new event, a minute after the one made before it."""
    now = at(next(_minutes))
    given: dict[str, Any] = {"role": "user", "occurred_at": now, "recorded_at": now, "thread": "t", **fields}
    return Event(id=given.pop("id", None) or new_event_id(), namespace=namespace, content=content, **given)


def entry(terms: Sequence[int] = (3, 5), pieces: Sequence[int] = (2,), **fields: Any) -> Entry:
    """An index entry with each term once."""
    return Entry(
        length=len(terms),
        terms=np.array(terms, np.uint32),
        counts=np.ones(len(terms), np.uint8),
        pieces=np.array(pieces, np.uint16),
        **fields,
    )


def from_event(event: Event, **fields: Any) -> Engram:
    """The passage of one event."""
    given: dict[str, Any] = {
        "id": derived_id("engrams", "passage", (event.id,)),
        "namespace": event.namespace,
        "recipe": "engrams",
        "kind": "passage",
        "content": event.content,
        "occurred_at": event.occurred_at,
        "recorded_at": event.recorded_at,
        "sources": (event.id,),
        "role": event.role,
        "speaker": event.speaker,
        "session": event.session,
        "agent_id": event.agent_id,
        "run_id": event.run_id,
        "thread": event.thread,
        "metadata": event.metadata,
    }
    return Engram(**{**given, **fields})


def note(id: str, sources: Sequence[str], content: str = "a note", **fields: Any) -> Engram:
    """An engram of several sources."""
    now = at(next(_minutes))
    given: dict[str, Any] = {"namespace": NAMESPACE, "recipe": "engrams", "kind": "note", **fields}
    times = {"occurred_at": given.pop("occurred_at", now), "recorded_at": given.pop("recorded_at", now)}
    return Engram(id=EngramId(id), content=content, sources=tuple(sources), **times, **given)


def commit_of(
    events: Sequence[Event] = (),
    engrams: Sequence[Engram | tuple[Engram, Entry]] = (),
    namespace: str = NAMESPACE,
    **fields: Any,
) -> Commit:
    """A commit of these records; engrams without an entry get a small one."""
    pairs = tuple(each if isinstance(each, tuple) else (each, entry()) for each in engrams)
    derived = tuple(Derived(engram.id, engram.kind, "ADD", engram.sources) for engram, _ in pairs)
    return Commit(
        receipt=Receipt(namespace, tuple(event.id for event in events), derived),
        actor="tester",
        action="add",
        recorded_at=at(next(_minutes)),
        events=tuple(events),
        engrams=pairs,
        **fields,
    )


def add(store: Store, *events: Event, namespace: str = NAMESPACE, **fields: Any) -> list[Engram]:
    """Commits events with a passage of each, and returns the passages."""
    made = [from_event(event) for event in events]
    store.commit(commit_of(events, made, namespace, **fields))
    return made


def revise(store: Store, engram: Engram, event_id: EventId | None = None, **changes: Any) -> Engram:
    """Commits the next version of an engram."""
    fields = {"recorded_at": at(next(_minutes)), **changes}
    new = replace(engram, version=engram.version + 1, **fields)
    how = Revised(new, entry(), "UPDATE", "because", event_id)
    store.commit(commit_of((), (), revised=(how,)))
    return new


def link(source: Engram, target: Engram, weight: float = 1.0, relation: str = "next") -> Link:
    """A link of the house recipe."""
    return Link(source.id, target.id, relation, weight, "engrams")


def erase(store: Store, *events: Event, scope: Scope = HERE) -> Any:
    """Erases events of a scope."""
    return store.erase(
        scope, [event.id for event in events], actor="tester", at=at(next(_minutes)), reason="asked to"
    )
