"""What is asked and answered: queries, ranked items, hits, contexts with citations and price, pages, counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal

from engrams.records.journal import Scope
from engrams.records.names import NOTHING, EngramId, EventId, Json, T


@dataclass(frozen=True, slots=True)
class Query:
    """A question with everything that bounds its answer.

    `limit` is the number of hits wanted, `budget` the tokens a context may take. `filters` is the caller's filter
    expression (see `engrams.filters`). `writer`: only what that write chain derived;
    None: whatever derived it. `as_of_by` says which time `as_of` asks: when we learnt it, or when it happened.
    """

    text: str
    scope: Scope = field(default_factory=Scope)
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
    writer: str | None = None


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
    """A key-value block or adapter named by a context; the rooms kv and weights turn it into tensors.

    Its price, where whoever kept it said so: `bytes` as they lie in the store, `tokens` it stands for, `layers` of the model,
    and `milliseconds_saved`: what reading the text took the model, less what loading the block takes (None: not known).
    """

    id: EngramId
    fingerprint: str
    bytes: int
    tokens: int = 0
    layers: int = 0
    milliseconds_saved: float | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What an agent is given: text that fits the budget, with citations, the hits, price and trace.

    `found` is False when nothing in the memory answers the question; `text` then says so. `pending`: journal entries and
    jobs of the whole store from which nothing was derived yet, so that they could not be found.
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
    pending: int = 0

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
    """How much lies in a scope. `bytes` is the whole store on disk, 0 in memory.

    Of the whole store: `pending`, journal entries and jobs from which the open recipe has derived nothing yet, and `dead`,
    jobs that were given up.
    """

    events: int
    engrams: int
    links: int
    namespaces: int
    sessions: int
    bytes: int
    kinds: Mapping[str, int] = field(default_factory=dict)
    first: datetime | None = None
    last: datetime | None = None
    pending: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """Something `doctor` found: what is wrong and what mends it."""

    what: str
    mend: str
    severity: Literal["error", "warning"] = "error"
