"""Ids, times and the small vocabularies that records are made of."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from types import MappingProxyType
from typing import Any, Literal, NewType, TypeVar
from uuid import UUID

from engrams.errors import BadSetting

EventId = NewType("EventId", str)
EngramId = NewType("EngramId", str)
Row = NewType("Row", int)  # the store's number of one engram version; what an index row stands for

Json = Any  # JSON as Python holds it: None, bool, int, float, str, list, dict with str keys
T = TypeVar("T")

NOTHING: Mapping[str, Json] = MappingProxyType({})

EventKind = Literal["message", "correction", "rejection", "pin", "unpin", "feedback", "undo"]
#: The kind of engrams that hold what a step learnt. Each version rests on all of its sources and on the version before it.
SCORER = "scorer"
#: Kinds of engrams whose payload a model made of a text: what it computed for it, and what it was trained to.
KV_BLOCK, ADAPTER = "kv-block", "adapter"
#: Kinds of which each version goes with the one before it (a later one may hold what an earlier one learnt), and which no
#: search looks for.
LEARNT = (SCORER, KV_BLOCK, ADAPTER)
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
