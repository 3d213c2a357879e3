"""Python values as PostgreSQL's cells and back, without loss.

PostgreSQL's text holds neither U+0000 nor lone surrogates. Both, and the mark itself, are written as the mark U+001A and
four hexadecimal digits; every other text stays as it is. The change is one to one, so equal texts stay equal and a part
of a text stays a part of it. Every string sent is changed by `TextDumper`; `text_of` changes back what was read.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types.string import StrDumper

from engrams.errors import BadSetting
from engrams.ports import Float32
from engrams.store import cells

MARK = "\x1a"
_UNHELD = re.compile("[\0\x1a\ud800-\udfff]")
_MARKED = re.compile("\x1a([0-9a-f]{4})")
#: A path that stands for all tenants in the settings that row-level security reads; no tenant can have this name.
ANY = "*"
#: Rows of one tenant: a row's number is the tenant's number times this, plus a count from 1. Leaves 2**23 tenants.
ROWS_OF_A_TENANT = 2**40


def escaped(text: str) -> str:
    """A text as PostgreSQL can hold it."""
    return _UNHELD.sub(lambda found: f"{MARK}{ord(found[0]):04x}", text)


def text_of(cell: Any) -> Any:
    """The text of a cell; None stays None."""
    if cell is None or MARK not in cell:
        return cell
    return _MARKED.sub(lambda found: chr(int(found[1], 16)), cell)


def texts_of(column: Sequence[Any]) -> Sequence[Any]:
    """As `text_of`, for a whole column."""
    return [text_of(cell) for cell in column] if any(cell and MARK in cell for cell in column) else column


def path_cell(namespace: str) -> str:
    """An exact namespace path.

    Raises:
        BadSetting: as every store's, and a tenant of the name `*`.
    """
    path = cells.path_cell(namespace)
    if path.split("/", 1)[0] == ANY:
        raise BadSetting("namespace", namespace, "a path whose first segment, the tenant, is not '*'")
    return path


def tenant_of(path: str) -> str:
    """The first segment of a path: the key of partitions and rights."""
    return path.split("/", 1)[0]


class TextDumper(StrDumper):
    """Sends strings as PostgreSQL can hold them."""

    def dump(self, obj: str) -> Any:
        """The bytes of a string."""
        return super().dump(escaped(obj) if _UNHELD.search(obj) else obj)


class Vector:
    """A vector on its way to the database."""

    __slots__ = ("values",)

    def __init__(self, values: Float32) -> None:
        self.values = values


class VectorDumper(Dumper):
    """pgvector's binary form: int16 dimensions, int16 0, then float32 values, all big-endian."""

    format = Format.BINARY

    def dump(self, obj: Vector) -> bytes:
        """The bytes of a vector."""
        return struct.pack(">hh", len(obj.values), 0) + np.asarray(obj.values, ">f4").tobytes()


#: Bytes before the values in pgvector's binary form.
VECTOR_HEAD = 4


def vectors_from(blobs: Sequence[bytes]) -> Float32:
    """float32[n, d] of n vectors of one length in pgvector's binary form."""
    raw = np.frombuffer(b"".join(blobs), np.uint8).reshape(len(blobs), -1)
    return np.ascontiguousarray(raw[:, VECTOR_HEAD:]).view(">f4").astype(np.float32)
