"""What travels through the house: plain frozen records, no behaviour beyond small conveniences.

Times are timezone-aware UTC. Four of them, never mixed (design, section 4): `occurred_at` when it happened (the
caller's), `recorded_at` when this memory learnt it, `valid_from`/`valid_to` when it was true.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from types import MappingProxyType
from typing import Any, Generic, Literal, NewType, TypeVar
from uuid import UUID

from engrams.errors import BadSetting

EventId = NewType("EventId", str)
EngramId = NewType("EngramId", str)
Row = NewType("Row", int)  # the store's number of one engram version; what an index row stands for

Json = Any  # JSON as Python holds it: None, bool, int, float, str, list, dict with str keys
T = TypeVar("T")
U = TypeVar("U")

NOTHING: Mapping[str, Json] = MappingProxyType({})

EventKind = Literal["message", "correction", "rejection", "pin", "unpin", "feedback"]
State = Literal["active", "archived", "superseded"]
Change = Literal["ADD", "UPDATE", "MERGE", "DELETE", "INVALIDATE", "EVOLVE", "AGREE", "DISAGREE", "NOOP"]

_id_lock = threading.Lock()
_last_id = 0


def new_event_id() -> EventId:
    """A UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, then 12 + 62 bits that grow inside one process.

    Ids made by one process sort in the order they were made, also when the clock goes backwards.
    """
    global _last_id
    fresh = (time.time_ns() // 1_000_000 << 74) | (int.from_bytes(os.urandom(8), "big") >> 1)
    with _id_lock:
        fresh = _last_id = fresh if fresh > _last_id else _last_id + 1
    high, low = fresh >> 62, fresh & ((1 << 62) - 1)
    return EventId(str(UUID(int=((high >> 12) << 80) | (7 << 76) | ((high & 0xFFF) << 64) | (2 << 62) | low)))


def derived_id(recipe: str, kind: str, sources: Sequence[str], ordinal: int = 0) -> EngramId:
    """The id of an engram, the same each time it is derived again from the same sources (a UUIDv8 of their digest)."""
    digest = hashlib.sha256("\x1f".join((recipe, kind, str(ordinal), *sources)).encode()).digest()
    return EngramId(
        str(
            UUID(int=int.from_bytes(digest[:16], "big") & ~(0xF << 76) & ~(0x3 << 62) | (8 << 76) | (2 << 62))
        )
    )


def moment(value: datetime | date | str | int | float, key: str, *, end_of_day: bool = False) -> datetime:
    """A time as people give it, as aware UTC: datetime, date, ISO 8601 text, or seconds since 1970.

    Naive times are UTC. A bare date means its first instant, its last with `end_of_day`.

    Raises:
        BadSetting: the value is no such time, or lies outside the years 1 to 9999.
    """
    expected = "a datetime, a date, ISO 8601 text such as '2024-05-31T14:00:00+02:00', or seconds since 1970"
    if isinstance(value, bool):
        raise BadSetting(key, value, expected)
    try:
        if isinstance(value, str):
            text = value.strip()
            value = date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        if not isinstance(value, datetime):
            if not isinstance(value, date):
                raise BadSetting(key, value, expected)
            value = datetime.combine(value, time_of_day.max if end_of_day else time_of_day.min)
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (ValueError, OverflowError, OSError, TypeError) as cause:
        if isinstance(cause, BadSetting):
            raise
        raise BadSetting(key, value, expected) from cause


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
        return tuple(EventId(s) for s in self.sources)


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
class Draft:
    """What flows through a write chain: new events, what was derived from them, links between engrams."""

    events: tuple[Event, ...]
    engrams: tuple[Engram, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Derived:
    """One engram that an add brought about."""

    id: EngramId
    kind: str
    change: Change
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an add did. `repeated`: the idempotency key was seen before and nothing was written again."""

    namespace: str
    event_ids: tuple[EventId, ...]
    derived: tuple[Derived, ...] = ()
    repeated: bool = False

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


@dataclass(frozen=True, slots=True)
class Query:
    """A question with everything that bounds its answer.

    `limit` is the number of hits wanted, `budget` the tokens a context may take. `filters` is the caller's filter
    expression (see `engrams.filters`). `as_of_by` says which time `as_of` asks: when we learnt it, or when it happened.
    """

    text: str
    scope: Scope = Scope()
    asked_at: datetime | None = None
    since: datetime | None = None
    until: datetime | None = None
    as_of: datetime | None = None
    as_of_by: Literal["recorded", "occurred"] = "recorded"
    valid_at: datetime | None = None
    filters: Mapping[str, Json] | None = None
    limit: int | None = None
    budget: int | None = None
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Scored(Generic[T]):
    """An item with its score and the share each signal had in it."""

    item: T
    score: float
    parts: Mapping[str, float] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Ranked(Generic[T]):
    """A question and its scored items, best first. `confidence`, in 0..1, that an answer is among them (None: not known)."""

    query: Query
    items: tuple[Scored[T], ...] = ()
    confidence: float | None = None

    def __iter__(self) -> Iterator[Scored[T]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer of a search: the text with where, when and from whom it came, and why it was found."""

    id: EngramId
    text: str
    score: float
    occurred_at: datetime
    recorded_at: datetime
    namespace: str
    kind: str
    role: str
    speaker: str | None
    session: str | None
    metadata: Mapping[str, Json]
    event_ids: tuple[EventId, ...]
    version: int = 1
    pinned: bool = False
    signals: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    confidence: float | None = None

    @property
    def engram_id(self) -> EngramId:
        return self.id

    @property
    def content(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Price:
    """What an answer cost: tokens it holds, model calls, wall milliseconds, bytes read, money (None: unknown)."""

    tokens: int = 0
    model_calls: int = 0
    milliseconds: float = 0.0
    bytes: int = 0
    money: float | None = 0.0
    tokens_estimated: bool = True


@dataclass(frozen=True, slots=True)
class Citation:
    """Which events a marked line of a context rests on; `mark` is what stands in the text, as `[3]`."""

    mark: str
    engram_id: EngramId
    event_ids: tuple[EventId, ...]
    occurred_at: datetime
    speaker: str | None = None
    session: str | None = None


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One step of a chain as it ran: name, milliseconds, how many items came in and went out, notes."""

    step: str
    milliseconds: float
    items_in: int
    items_out: int
    notes: Mapping[str, Json] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, slots=True)
class Handle:
    """A key-value block or adapter named by a context; the rooms kv and weights turn it into tensors."""

    id: EngramId
    fingerprint: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Context:
    """What an agent is given: text that fits the budget, with citations, the hits, price and trace.

    `found` is False when nothing in the memory answers the question; `text` then says so.
    """

    query: str
    text: str
    citations: tuple[Citation, ...] = ()
    hits: tuple[Hit, ...] = ()
    kv: tuple[Handle, ...] = ()
    weights: tuple[Handle, ...] = ()
    price: Price = Price()
    trace: tuple[TraceStep, ...] = ()
    found: bool = True
    confidence: float | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Page(Sequence[T]):
    """One page of a long list; `next` is the cursor of the following page, None at the end."""

    items: tuple[T, ...]
    next: str | None = None

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Stats:
    """How much lies in a scope. `bytes` is the whole store on disk, 0 in memory."""

    events: int
    engrams: int
    links: int
    namespaces: int
    sessions: int
    bytes: int
    kinds: Mapping[str, int] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Something `doctor` found: what is wrong and what mends it."""

    what: str
    mend: str
    severity: Literal["error", "warning"] = "error"
