"""Python values as database cells and back, without loss.

Text is TEXT, so that any SQLite shell shows it; text with lone surrogates, which UTF-8 does not have, is a BLOB of
UTF-8 with surrogates passed through. Times are integer microseconds since 1970, UTC. JSON is text; an empty mapping
or list is NULL.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from engrams.errors import BadSetting
from engrams.records import Attachment, Json, Payload

Cell: TypeAlias = str | bytes | int | float | None

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text_cell(text: str | None) -> str | bytes | None:
    """A text, or None, as a cell."""
    if text is None or text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def text_of(cell: Any) -> Any:
    """The text of a cell; None stays None."""
    return cell.decode("utf-8", "surrogatepass") if type(cell) is bytes else cell


def id_cell(id: str, key: str = "id") -> str:
    """The id of an event or engram.

    Raises:
        BadSetting: empty, or text that is no valid Unicode.
    """
    if not isinstance(id, str) or not id or type(text_cell(id)) is bytes:
        raise BadSetting(key, id, "an id as records.new_event_id and records.derived_id make them")
    return id


def path_cell(namespace: str) -> str:
    """An exact namespace path, fit to be compared and sorted by SQLite.

    Raises:
        BadSetting: empty, a pattern (`…/*`), or text that is no valid Unicode.
    """
    if not isinstance(namespace, str) or not namespace or namespace.endswith("/*") or "\0" in namespace:
        raise BadSetting("namespace", namespace, "an exact path such as 'acme/alice'")
    if type(text_cell(namespace)) is bytes:
        raise BadSetting("namespace", namespace, "a path of valid Unicode, without lone surrogates")
    return namespace


def time_cell(value: datetime, key: str = "time") -> int:
    """Microseconds since 1970 of an aware time.

    Raises:
        BadSetting: a naive time.
    """
    if value.tzinfo is None:
        raise BadSetting(key, value, "an aware time; records.moment makes one")
    passed = value - EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def time_or_none(value: datetime | None, key: str = "time") -> int | None:
    """As `time_cell`; None stays None."""
    return None if value is None else time_cell(value, key)


def time_of(cell: int) -> datetime:
    """The aware UTC time of a cell."""
    return EPOCH + timedelta(microseconds=cell)


def time_of_or_none(cell: int | None) -> datetime | None:
    """As `time_of`; None stays None."""
    return None if cell is None else EPOCH + timedelta(microseconds=cell)


def _plain(value: object) -> dict[str, Json]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON")


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)


def json_text(value: Json) -> str:
    """JSON in the one spelling this store uses, so that a text's spelling can be searched for."""
    return _encoder.encode(value)


def json_cell(value: Json, key: str) -> str | bytes | None:
    """A JSON value as a cell; None, an empty mapping or an empty list is NULL.

    Raises:
        BadSetting: what would not come back equal: NaN, infinity, keys that are no text, tuples, other objects,
            whole numbers of more than 4,300 digits, nesting beyond Python's recursion limit.
    """
    if not value:
        return None
    expected = "JSON: text keys; None, bool, int, finite float, str, list, dict"
    try:
        written = json_text(dict(value) if isinstance(value, Mapping) else value)
        same = json.loads(written) == value
    except (TypeError, ValueError, RecursionError) as cause:
        raise BadSetting(key, _brief(value), f"{expected} ({cause})") from cause
    if not same:
        raise BadSetting(key, _brief(value), f"{expected}; tuples are written as lists")
    return text_cell(written)


def _brief(value: object) -> object:
    try:
        return ascii(value)[:80]
    except (RecursionError, ValueError):
        return type(value).__name__


def mapping_of(cell: Any) -> dict[str, Json]:
    """The mapping of a JSON cell; a new one each time."""
    return {} if cell is None else json.loads(text_of(cell))


def attachments_cell(attachments: tuple[Attachment, ...]) -> str | bytes | None:
    """Attachments as JSON rows in the order of their fields."""
    rows = [[a.kind, a.uri, a.name, a.media_type, a.digest, a.bytes] for a in attachments]
    return json_cell(rows, "attachments")


def attachments_of(cell: Any) -> tuple[Attachment, ...]:
    """The attachments of a cell."""
    return () if cell is None else tuple(Attachment(*row) for row in json.loads(text_of(cell)))


def payload_cell(payload: Payload | None) -> str | bytes | None:
    """A payload's description as a JSON row."""
    return (
        None if payload is None else json_cell([payload.digest, payload.bytes, payload.media_type], "payload")
    )


def payload_of(cell: Any) -> Payload | None:
    """The payload of a cell."""
    return None if cell is None else Payload(*json.loads(text_of(cell)))


def texts_of(cell: Any) -> tuple[str, ...]:
    """The texts of a JSON list cell."""
    return () if cell is None else tuple(json.loads(text_of(cell)))
