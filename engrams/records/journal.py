"""What is written: messages, events, engrams, links, their revisions, and the receipts of writing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from engrams.records.names import NOTHING, Change, EngramId, EventId, EventKind, Json, State


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something that is no text, kept by reference: an image, a file, a sound."""

    kind: str
    uri: str | None = None
    name: str | None = None
    media_type: str | None = None
    digest: str | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One thing said, as it comes in, before it is an event."""

    role: str
    content: str
    speaker: str | None = None
    occurred_at: datetime | None = None
    session: str | None = None
    metadata: Mapping[str, Json] = field(default_factory=lambda: NOTHING)
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a call reads or writes: a namespace path, and indexed fields that filter where given.

    `acme/alice` is exactly that path; `acme/*` is everything below `acme`. The first segment is the tenant.
    """

    namespace: str = "default"
    agent_id: str | None = None
    run_id: str | None = None
    session: str | None = None

    @property
    def tenant(self) -> str:
        return self.namespace.split("/", 1)[0]

    @property
    def below(self) -> bool:
        """Whether the path names everything below it (`…/*`)."""
        return self.namespace.endswith("/*")

    def covers(self, namespace: str) -> bool:
        """Whether an exact namespace lies inside this scope's path."""
        return namespace.startswith(self.namespace[:-1]) if self.below else namespace == self.namespace


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the journal, never changed after it is written.

    `kind` is "message" for what was said, seen or done; corrections, rejections and pins are events too, with the
    id of what they are about in `target`.
    """

    id: EventId
    namespace: str
    content: str
    role: str
    occurred_at: datetime
    recorded_at: datetime
    kind: EventKind = "message"
    speaker: str | None = None
    session: str | None = None
    agent_id: str | None = None
    run_id: str | None = None
    metadata: Mapping[str, Json] = field(default_factory=lambda: NOTHING)
    attachments: tuple[Attachment, ...] = ()
    source: str | None = None
    target: str | None = None
    thread: str = (
        ""  # session, or what one add() call brought: the line along which neighbours are neighbours
    )

    @property
    def text(self) -> str:
        return self.content


@dataclass(frozen=True, slots=True)
class Payload:
    """A large part of an engram that lies content-addressed beside the database."""

    digest: str
    bytes: int
    media_type: str


@dataclass(frozen=True, slots=True)
class Engram:
    """Something derived from the journal: it names its sources and can be made again.

    `keys` is what is indexed where that differs from the content. `sources` are ids of events and engrams.
    `version` counts from 1. `valid_from`/`valid_to` None: unbounded.
    """

    id: EngramId
    namespace: str
    recipe: str
    kind: str
    content: str
    occurred_at: datetime
    recorded_at: datetime
    sources: tuple[str, ...]
    keys: tuple[str, ...] = ()
    payload: Payload | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    state: State = "active"
    version: int = 1
    strength: float = 1.0
    recall_count: int = 0
    last_recalled_at: datetime | None = None
    confidence: float = 1.0
    pinned: bool = False
    role: str = ""
    speaker: str | None = None
    session: str | None = None
    agent_id: str | None = None
    run_id: str | None = None
    thread: str = ""
    metadata: Mapping[str, Json] = field(default_factory=lambda: NOTHING)

    @property
    def text(self) -> str:
        return self.content

    @property
    def event_ids(self) -> tuple[EventId, ...]:
        return cast("tuple[EventId, ...]", self.sources)


@dataclass(frozen=True, slots=True)
class Link:
    """A typed, weighted edge between two engrams."""

    source: EngramId
    target: EngramId
    relation: str
    weight: float
    recipe: str


@dataclass(frozen=True, slots=True)
class Revision:
    """One change of an engram as `history` shows it: what, who, why, when, from what event."""

    change: Change
    at: datetime
    version: int
    content: str
    state: State
    actor: str
    reason: str
    event_id: EventId | None = None
    metadata: Mapping[str, Json] = field(default_factory=lambda: NOTHING)
    previous: str | None = None
    engram_id: EngramId | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reconciling step decided about an engram that stands: the change, what it should say from now on, why.

    `engram` is the standing one with the fields changed; its version is counted when it is written. `confidence`, in
    0..1, that the decision is right; `event_id`: the event that brought it about.
    """

    change: Change
    engram: Engram
    reason: str
    confidence: float = 1.0
    event_id: EventId | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """What flows through a write chain: new events, what was derived from them, links between engrams, and what was
    decided about engrams that stand.

    By engram id: `vectors`, float32[d] of the memory's embedder, and `names`, what the engram speaks of by name.
    """

    events: tuple[Event, ...]
    engrams: tuple[Engram, ...] = ()
    links: tuple[Link, ...] = ()
    vectors: Mapping[EngramId, Any] = field(default_factory=dict)
    names: Mapping[EngramId, tuple[str, ...]] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class Derived:
    """One engram that an add brought about."""

    id: EngramId
    kind: str
    change: Change
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an add did. `repeated`: the idempotency key was seen before and nothing was written again.

    `pending`: how many of the events are kept and not derived from yet; a job will.
    """

    namespace: str
    event_ids: tuple[EventId, ...]
    derived: tuple[Derived, ...] = ()
    repeated: bool = False
    withheld: int = 0
    pending: int = 0

    @property
    def engram_ids(self) -> tuple[EngramId, ...]:
        return tuple(d.id for d in self.derived)


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a delete removed: ids of events erased, engrams erased or rejected."""

    events: tuple[EventId, ...]
    engrams: tuple[EngramId, ...]
    links: int = 0
    digest: str = ""
    state: Literal["done", "pending"] = "done"
