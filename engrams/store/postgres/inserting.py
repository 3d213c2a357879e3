"""Rows into tables, many at a time."""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

Cells = tuple[Any, ...]


def insert(db: Connection[Any], into: str, rows: Sequence[Cells], then: str = "") -> None:
    """Rows of one table, sent in one go and acknowledged together."""
    if not rows:
        return
    statement = f"insert into {into} values ({', '.join(['%s'] * len(rows[0]))}) {then}"
    if len(rows) == 1:
        db.execute(statement, rows[0])
        return
    with db.cursor() as cursor:
        cursor.executemany(statement, rows)
