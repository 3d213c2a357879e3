"""What travels through the house: plain frozen records, no behaviour beyond small conveniences.

Times are timezone-aware UTC. Four of them, never mixed (design, section 4): `occurred_at` when it happened (the
caller's), `recorded_at` when this memory learnt it, `valid_from`/`valid_to` when it was true.
"""

from __future__ import annotations

from engrams.records.answers import (
    Citation,
    Context,
    Handle,
    Hit,
    Page,
    Price,
    Problem,
    Query,
    Ranked,
    Scored,
    Stats,
    TraceStep,
)
from engrams.records.journal import (
    Attachment,
    Deletion,
    Derived,
    Draft,
    Engram,
    Event,
    Link,
    Message,
    Payload,
    Receipt,
    Revision,
    Scope,
)
from engrams.records.names import (
    NOTHING,
    SCORER,
    Change,
    EngramId,
    EventId,
    EventKind,
    Json,
    Row,
    State,
    derived_id,
    moment,
    new_event_id,
)

__all__ = [
    "Attachment",
    "Change",
    "Citation",
    "Context",
    "Deletion",
    "Derived",
    "Draft",
    "Engram",
    "EngramId",
    "Event",
    "EventId",
    "EventKind",
    "Handle",
    "Hit",
    "Json",
    "Link",
    "Message",
    "NOTHING",
    "SCORER",
    "Page",
    "Payload",
    "Price",
    "Problem",
    "Query",
    "Ranked",
    "Receipt",
    "Revision",
    "Row",
    "Scope",
    "Scored",
    "State",
    "Stats",
    "TraceStep",
    "derived_id",
    "moment",
    "new_event_id",
]
