"""What holds for the whole file, and the vectors that are put beside engrams later."""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

import numpy as np

from engrams.errors import Mismatch
from engrams.ports import OPEN_END, Float32
from engrams.records import Row
from engrams.store.sqlite.cells import text_cell, text_of


def setting(db: sqlite3.Connection, key: str) -> str | None:
    """The value of a setting; None where nobody has said."""
    row = db.execute("select value from settings where key = ?", (key,)).fetchone()
    return None if row is None else str(text_of(row[0]))


def settings(db: sqlite3.Connection, prefix: str) -> dict[str, str]:
    """The settings whose keys begin so, by key."""
    sql = "select key, value from settings where key >= ? and substr(key, 1, ?) = ? order by key"
    return {str(key): str(text_of(value)) for key, value in db.execute(sql, (prefix, len(prefix), prefix))}


def set_setting(db: sqlite3.Connection, key: str, value: str) -> None:
    """Keeps a setting inside an open transaction."""
    sql = "insert into settings values (?, ?) on conflict (key) do update set value = excluded.value"
    db.execute(sql, (key, text_cell(value)))


def require_settings(db: sqlite3.Connection, settings: Mapping[str, str]) -> None:
    """Sets what is not there yet, inside an open transaction.

    Raises:
        Mismatch: another value stands.
    """
    for key, value in settings.items():
        found = setting(db, key)
        if found is None:
            set_setting(db, key, value)
        elif found != value:
            raise Mismatch(f"this memory has {key} {found!r}, not {value!r}; nothing was written")


def model_number(db: sqlite3.Connection, fingerprint: str) -> int:
    """The number under which an embedder's vectors lie."""
    db.execute("insert or ignore into models (fingerprint) values (?)", (fingerprint,))
    return int(db.execute("select model from models where fingerprint = ?", (fingerprint,)).fetchone()[0])


def put_vectors(
    db: sqlite3.Connection, fingerprint: str, rows: Sequence[Row], vectors: Float32, *, quiet: bool
) -> int:
    """Adds vectors inside an open transaction; rows that are gone are left out."""
    model = model_number(db, fingerprint)
    change = int(db.execute("select change from position").fetchone()[0])
    put = 0
    for row, vector in zip(rows, vectors, strict=True):
        found = db.execute("select ns from contents where row = ?", (row,)).fetchone()
        if found is None:
            continue
        cell = np.asarray(vector, "<f4").tobytes()
        db.execute("insert or replace into vectors values (?, ?, ?, ?)", (found[0], row, model, cell))
        put += 1
        if not quiet:
            change += 1
            db.execute("insert into changes values (?, ?, ?, ?)", (change, found[0], row, OPEN_END))
    db.execute("update position set change = ?", (change,))
    return put


def drop_vectors(db: sqlite3.Connection, keep: str, limit: int) -> int:
    """Removes vectors of other embedders inside an open transaction, and their names once none is left."""
    others = "select model from models where fingerprint <> ?"
    sql = f"select ns, row, model from vectors where model in ({others}) limit ?"
    gone = db.execute(sql, (keep, limit)).fetchall()
    db.executemany("delete from vectors where ns = ? and row = ? and model = ?", gone)
    if not gone:
        db.execute("delete from models where fingerprint <> ?", (keep,))
    return len(gone)
