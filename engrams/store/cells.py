"""What every store makes of Python values before it writes them: times, JSON and paths, without loss.

Times are integer microseconds since 1970, UTC. JSON is text in one spelling, so that a text's spelling can be searched
for; an empty mapping or list is nothing at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from engrams.errors import BadSetting
from engrams.records import Attachment, Derived, EventId, Json, Payload, Receipt

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: `closed_at` of the current version: the largest 64-bit integer, `ports.OPEN_END`.
OPEN = 2**63 - 1


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: it holds no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def id_cell(id: str, key: str = "id") -> str:
    """The id of an event or engram.

    Raises:
        BadSetting: empty, or text that is no valid Unicode.
    """
    if not isinstance(id, str) or not id or not is_unicode(id):
        raise BadSetting(key, id, "an id as records.new_event_id and records.derived_id make them")
    return id


def path_cell(namespace: str) -> str:
    """An exact namespace path, fit to be compared and sorted by any store.

    Raises:
        BadSetting: empty, a pattern (`…/*`), or text that is no valid Unicode.
    """
    if not isinstance(namespace, str) or not namespace or namespace.endswith("/*") or "\0" in namespace:
        raise BadSetting("namespace", namespace, "an exact path such as 'acme/alice'")
    if not is_unicode(namespace):
        raise BadSetting("namespace", namespace, "a path of valid Unicode, without lone surrogates")
    return namespace


def prefix_cell(pattern: str) -> str:
    """What every path below a pattern such as `acme/*` begins with: `acme/`.

    Raises:
        BadSetting: a pattern below which no namespace can lie.
    """
    below = pattern[:-1]
    if len(below) < 2 or not is_unicode(below):
        raise BadSetting("namespace", pattern, "a path such as 'acme/alice', or 'acme/*' for all below it")
    return below


def after_prefix(prefix: str) -> str:
    """The first text, by code point, that comes after everything beginning with a prefix that ends in '/'."""
    return prefix[:-1] + chr(ord("/") + 1)


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
    """JSON in the one spelling of every store; lone surrogates stay as they are."""
    return _encoder.encode(value)


def json_or_none(value: Json, key: str) -> str | None:
    """A JSON value as text; None, an empty mapping or an empty list is None.

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
    return written


def _brief(value: object) -> object:
    try:
        return ascii(value)[:80]
    except (RecursionError, ValueError):
        return type(value).__name__


def mapping_from(text: str | None) -> dict[str, Json]:
    """The mapping of a JSON text; a new one each time."""
    return {} if text is None else json.loads(text)


def attachment_rows(attachments: Sequence[Attachment]) -> list[list[Json]]:
    """Attachments as JSON rows in the order of their fields."""
    return [[a.kind, a.uri, a.name, a.media_type, a.digest, a.bytes] for a in attachments]


def attachments_from(text: str | None) -> tuple[Attachment, ...]:
    """The attachments of such rows."""
    return () if text is None else tuple(Attachment(*row) for row in json.loads(text))


def payload_row(payload: Payload | None) -> list[Json] | None:
    """A payload's description as a JSON row."""
    return None if payload is None else [payload.digest, payload.bytes, payload.media_type]


def payload_from(text: str | None) -> Payload | None:
    """The payload of such a row."""
    return None if text is None else Payload(*json.loads(text))


def texts_from(text: str | None) -> tuple[str, ...]:
    """The texts of a JSON list."""
    if text is None:
        return ()
    # Mostly the one id of a source: without a parser in a twentieth of the time, and a search reads dozens.
    if text.count('"') == 2 and "\\" not in text and text[:2] == '["' and text[-2:] == '"]':
        return (text[2:-2],)
    return tuple(json.loads(text))


def receipt_row(receipt: Receipt) -> list[Json]:
    """A receipt as a JSON row: namespace, event ids, what was derived."""
    derived = [[d.id, d.kind, d.change, list(d.sources)] for d in receipt.derived]
    return [receipt.namespace, list(receipt.event_ids), derived]


def receipt_from(text: str) -> Receipt:
    """The receipt that a repeated call gets."""
    namespace, events, derived = json.loads(text)
    made = tuple(Derived(id, kind, how, tuple(sources)) for id, kind, how, sources in derived)
    return Receipt(namespace, tuple(EventId(each) for each in events), made, repeated=True)
