"""Records as rows of a container and back; what comes in is checked field by field."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np

from engrams.ports import Entry
from engrams.records import Attachment, Change, Engram, EngramId, Event, EventKind, Json, Link, Payload, State
from engrams.store.moving import Version

_DIGEST = re.compile("[0-9a-f]{64}")
_TIMES = ("occurred_at", "recorded_at", "valid_from", "valid_to", "last_recalled_at")


def event_row(event: Event) -> dict[str, Json]:
    """An event as JSON; what is empty is left out."""
    return _row(event) | {"content": event.content, "thread": event.thread}


def event_from(row: Mapping[str, Json]) -> Event:
    """The event of a row.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    values = _values(row, Event)
    values["attachments"] = tuple(Attachment(**each) for each in values.get("attachments", ()))
    if values.get("kind", "message") not in get_args(EventKind):
        raise ValueError(f"kind {values['kind']!r}")
    return Event(**values)


def engram_row(engram: Engram) -> dict[str, Json]:
    """An engram as JSON; what is empty is left out."""
    return _row(engram) | {"content": engram.content, "sources": list(engram.sources)}


def engram_from(row: Mapping[str, Json]) -> Engram:
    """The engram of a row.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    values = _values(row, Engram)
    values["sources"] = _texts(values["sources"])
    values["keys"] = _texts(values.get("keys", ()))
    if values.get("payload") is not None:
        values["payload"] = _payload(Payload(**values["payload"]))
    if values.get("state", "active") not in get_args(State):
        raise ValueError("an unknown state")
    if type(values.get("version", 1)) is not int or values.get("version", 1) < 1:
        raise ValueError("a version that is no number from 1")
    return Engram(**values)


def version_row(version: Version) -> dict[str, Json]:
    """One version of an engram with its index entry (without vectors) and what brought it about."""
    change, actor, reason, event = version.cause
    entry = version.entry
    return {
        "engram": engram_row(version.engram),
        "entry": {
            "length": entry.length,
            "flags": entry.flags,
            "terms": _packed(entry.terms, "<u4"),
            "counts": _packed(entry.counts, "u1"),
            "pieces": _packed(entry.pieces, "<u2"),
        },
        "current": version.current,
        "change": change,
        "actor": actor,
        "reason": reason,
        "event_id": event,
    }


def version_from(row: Mapping[str, Json], number: int) -> Version:
    """The version of a row.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    engram = engram_from(row["engram"])
    if row["change"] not in get_args(Change):
        raise ValueError("an unknown change")
    entry = row["entry"]
    terms, counts = _unpacked(entry["terms"], "<u4"), _unpacked(entry["counts"], "u1")
    pieces = _unpacked(entry["pieces"], "<u2")
    if len(terms) != len(counts) or not _ascends(terms) or not _ascends(pieces):
        raise ValueError("an index entry that is none")
    made = Entry(int(entry["length"]), terms, counts, pieces, int(entry["flags"]))
    event = row["event_id"]
    cause = (row["change"], str(row["actor"]), str(row["reason"]), None if event is None else str(event))
    return Version(number, bool(row["current"]), engram, made, cause)  # type: ignore[arg-type]


def link_row(link: Link) -> dict[str, Json]:
    """A link as JSON."""
    return asdict(link)


def link_from(row: Mapping[str, Json]) -> Link:
    """The link of a row.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    ends = EngramId(str(row["source"])), EngramId(str(row["target"]))
    return Link(*ends, str(row["relation"]), float(row["weight"]), str(row["recipe"]))


def vector_rows(version: Version) -> Iterator[dict[str, Json]]:
    """The vectors of a version, one row for each embedder."""
    for fingerprint in sorted(version.entry.vectors):
        yield {
            "id": version.engram.id,
            "version": version.engram.version,
            "embedder": fingerprint,
            "values": _packed(version.entry.vectors[fingerprint], "<f4"),
        }


def vector_from(row: Mapping[str, Json]) -> tuple[str, int, str, Any]:
    """(engram id, version, embedder, float32[d]) of a row.

    Raises:
        ValueError, TypeError, KeyError: it is none.
    """
    values = _unpacked(row["values"], "<f4")
    if not len(values) or not np.isfinite(values).all():
        raise ValueError("a vector that is none")
    return str(row["id"]), int(row["version"]), str(row["embedder"]), values


def _row(record: Event | Engram) -> dict[str, Json]:
    out: dict[str, Json] = {}
    for each in fields(record):
        value = getattr(record, each.name)
        if value is None or value == "" or (isinstance(value, tuple | Mapping) and not value):
            continue
        if isinstance(value, datetime):
            value = value.astimezone(UTC).isoformat()
        elif each.name == "attachments":
            value = [{k: v for k, v in asdict(a).items() if v is not None} for a in value]
        elif isinstance(value, Payload):
            value = asdict(value)
        elif isinstance(value, tuple):
            value = list(value)
        elif isinstance(value, Mapping):
            value = dict(value)
        out[each.name] = value
    return out


def _values(row: Mapping[str, Json], kind: type[Event] | type[Engram]) -> dict[str, Any]:
    values = dict(row)
    names = {each.name for each in fields(kind)}
    if unknown := values.keys() - names:
        raise ValueError(f"unknown field {min(unknown)!r}")
    for key in _TIMES:
        if values.get(key) is not None:
            values[key] = datetime.fromisoformat(values[key]).astimezone(UTC)
    for key, value in values.items():
        if key in ("id", "namespace", "content", "role", "recipe", "kind", "thread") and not isinstance(
            value, str
        ):
            raise TypeError(f"{key} is no text")
    if not isinstance(values.get("metadata", {}), dict):
        raise TypeError("metadata is no object")
    values.setdefault("role", "")
    return values


def _payload(found: Payload) -> Payload:
    whole = isinstance(found.digest, str) and isinstance(found.media_type, str) and type(found.bytes) is int
    if not whole or not _DIGEST.fullmatch(found.digest) or found.bytes < 0:
        raise ValueError("a payload that is none")
    return found


def _texts(value: Any) -> tuple[str, ...]:
    if not all(isinstance(each, str) for each in value):
        raise TypeError("a list of texts with something else in it")
    return tuple(value)


def _packed(array: Any, dtype: str) -> str:
    return base64.b64encode(np.asarray(array, dtype).tobytes()).decode()


def _unpacked(text: str, dtype: str) -> Any:
    return np.frombuffer(base64.b64decode(text, validate=True), dtype).astype(dtype.lstrip("<"))


def _ascends(array: Any) -> bool:
    return bool((array[1:] > array[:-1]).all())
