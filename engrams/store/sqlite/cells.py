"""Python values as SQLite's cells and back, without loss.

Text is TEXT, so that any SQLite shell shows it; text with lone surrogates, which UTF-8 does not have, is a BLOB of
UTF-8 with surrogates passed through. Times and JSON are what every store makes of them.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from engrams.records import Attachment, Json, Payload
from engrams.store.cells import (
    attachment_rows,
    attachments_from,
    id_cell,
    is_unicode,
    json_or_none,
    json_text,
    mapping_from,
    path_cell,
    payload_from,
    payload_row,
    texts_from,
    time_cell,
    time_of,
    time_of_or_none,
    time_or_none,
)

Cell: TypeAlias = str | bytes | int | float | None


def text_cell(text: str | None) -> str | bytes | None:
    """A text, or None, as a cell."""
    return (
        text if text is None or text.isascii() or is_unicode(text) else text.encode("utf-8", "surrogatepass")
    )


def text_of(cell: Any) -> Any:
    """The text of a cell; None stays None."""
    return cell.decode("utf-8", "surrogatepass") if type(cell) is bytes else cell


def json_cell(value: Json, key: str) -> str | bytes | None:
    """A JSON value as a cell; None, an empty mapping or an empty list is NULL.

    Raises:
        BadSetting: as `json_or_none` says.
    """
    return text_cell(json_or_none(value, key))


def mapping_of(cell: Any) -> dict[str, Json]:
    """The mapping of a JSON cell; a new one each time."""
    return mapping_from(text_of(cell))


def attachments_cell(attachments: tuple[Attachment, ...]) -> str | bytes | None:
    """Attachments as JSON rows in the order of their fields."""
    return json_cell(attachment_rows(attachments), "attachments")


def attachments_of(cell: Any) -> tuple[Attachment, ...]:
    """The attachments of a cell."""
    return attachments_from(text_of(cell))


def payload_cell(payload: Payload | None) -> str | bytes | None:
    """A payload's description as a JSON row."""
    return json_cell(payload_row(payload), "payload")


def payload_of(cell: Any) -> Payload | None:
    """The payload of a cell."""
    return payload_from(text_of(cell))


def texts_of(cell: Any) -> tuple[str, ...]:
    """The texts of a JSON list cell."""
    return texts_from(text_of(cell))


__all__ = [
    "Cell",
    "attachments_cell",
    "attachments_of",
    "id_cell",
    "json_cell",
    "json_text",
    "mapping_of",
    "path_cell",
    "payload_cell",
    "payload_of",
    "text_cell",
    "text_of",
    "texts_of",
    "time_cell",
    "time_of",
    "time_of_or_none",
    "time_or_none",
]
