"""What holds for the whole store, and the vectors that are put beside engrams later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg import Connection

from engrams.errors import Mismatch
from engrams.ports import Float32
from engrams.records import Row
from engrams.store.cells import OPEN
from engrams.store.postgres.cells import ROWS_OF_A_TENANT, Vector, text_of
from engrams.store.postgres.inserting import insert
from engrams.store.postgres.positions import hold_all


def setting(db: Connection[Any], key: str) -> str | None:
    """The value of a setting; None where nobody has said."""
    row = db.execute("select value from settings where key = %s", [key]).fetchone()
    return None if row is None else str(text_of(row[0]))


def settings(db: Connection[Any], prefix: str) -> dict[str, str]:
    """The settings whose keys begin so, by key."""
    rows = db.execute("select key, value from settings where starts_with(key, %s)", [prefix]).fetchall()
    return dict(sorted((str(text_of(key)), str(text_of(value))) for key, value in rows))


def drop_setting(db: Connection[Any], key: str, value: str) -> None:
    """Removes a setting inside an open transaction, unless it has another value by now."""
    db.execute("delete from settings where key = %s and value = %s", (key, value))


def set_setting(db: Connection[Any], key: str, value: str) -> None:
    """Keeps a setting inside an open transaction."""
    sql = "insert into settings values (%s, %s) on conflict (key) do update set value = excluded.value"
    db.execute(sql, (key, value))


def require_settings(db: Connection[Any], settings: Mapping[str, str]) -> None:
    """Sets what is not there yet, inside an open transaction; of two who set one at once, the second waits.

    Raises:
        Mismatch: another value stands.
    """
    for key, value in settings.items():
        found = setting(db, key)
        if found is None:
            db.execute("insert into settings values (%s, %s) on conflict (key) do nothing", (key, value))
            found = setting(db, key)
        if found != value:
            raise Mismatch(f"this memory has {key} {found!r}, not {value!r}; nothing was written")


def put_vectors(
    db: Connection[Any], fingerprint: str, rows: Sequence[Row], vectors: Float32, *, quiet: bool
) -> int:
    """Adds vectors inside an open transaction; rows that are gone are left out."""
    asked = {int(row): vector for row, vector in zip(rows, vectors, strict=True)}
    numbers = sorted({row // ROWS_OF_A_TENANT for row in asked})
    tenants = db.execute("select tenant from position where number = any(%s::bigint[])", [numbers]).fetchall()
    positions = hold_all(db, [tenant for (tenant,) in tenants])
    found = db.execute(
        'select tenant, namespace, "row" from engrams where tenant = any(%s::text[]) and "row" = any(%s::bigint[]) '
        'order by "row"',
        (list(positions), list(asked)),
    ).fetchall()
    insert(
        db,
        'vectors (tenant, namespace, "row", fingerprint, vector)',
        [(*place, fingerprint, Vector(asked[place[2]])) for place in found],
        'on conflict (tenant, "row", fingerprint) do update set vector = excluded.vector',
    )
    if not quiet:
        changes = [(tenant, ns, positions[tenant].next_change(), row, OPEN) for tenant, ns, row in found]
        insert(db, 'changes (tenant, namespace, change, "row", closed_at)', changes)
        for position in positions.values():
            position.write(db)
    return len(found)


def drop_vectors(db: Connection[Any], keep: str, limit: int) -> int:
    """Removes vectors of other embedders inside an open transaction."""
    return db.execute(
        'delete from vectors where (tenant, "row", fingerprint) in '
        '(select tenant, "row", fingerprint from vectors where fingerprint <> %s limit %s)',
        (keep, limit),
    ).rowcount
