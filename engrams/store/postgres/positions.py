"""The counters of a tenant: locked first, held to the end of the transaction, so that numbers appear in their order."""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from engrams.ports import Mark
from engrams.store.postgres.cells import ANY, ROWS_OF_A_TENANT

_COLUMNS = "number, event, engram, change, audit, digest"


@dataclass(slots=True)
class Position:
    """What a tenant has counted so far; `number` is None for the store's own audit."""

    tenant: str
    number: int | None
    event: int
    engram: int
    change: int
    audit: int
    digest: str

    @property
    def row(self) -> int:
        """The number of the tenant's last row."""
        return (self.number or 0) * ROWS_OF_A_TENANT + self.engram

    def next_row(self) -> int:
        """The number of one more row."""
        self.engram += 1
        return self.row

    def next_change(self) -> int:
        """The number of one more change."""
        self.change += 1
        return self.change

    def write(self, db: Connection[Any]) -> None:
        """Keeps the counters."""
        db.execute(
            "update position set event = %s, engram = %s, change = %s, audit = %s, digest = %s where tenant = %s",
            (self.event, self.engram, self.change, self.audit, self.digest, self.tenant),
        )


def hold(db: Connection[Any], tenant: str) -> Position:
    """The counters of one tenant, made where they are not there; nobody else gets them before this transaction ends."""
    ask = f"select {_COLUMNS} from position where tenant = %s for update"
    found = db.execute(ask, [tenant]).fetchone()
    if found is None:
        number = "null" if tenant == ANY else "nextval('tenant_numbers')"
        db.execute(
            f"insert into position (tenant, number) values (%s, {number}) on conflict (tenant) do nothing",
            [tenant],
        )
        found = db.execute(ask, [tenant]).fetchone()
        assert found is not None
    return Position(tenant, *found)


def hold_all(db: Connection[Any], tenants: Iterable[str]) -> dict[str, Position]:
    """The counters of several tenants, always taken in one order."""
    return {tenant: hold(db, tenant) for tenant in sorted(tenants)}


def mark_of(db: Connection[Any], tenant: str) -> Mark:
    """How far a tenant has come."""
    found = db.execute("select number, engram, change from position where tenant = %s", [tenant]).fetchone()
    return Mark(0, 0) if found is None else Mark((found[0] or 0) * ROWS_OF_A_TENANT + found[1], found[2])


def mark_of_all(db: Connection[Any]) -> Mark:
    """How much all tenants have counted together: equal only when nothing changed."""
    found = db.execute(
        "select coalesce(sum(engram), 0)::bigint, coalesce(sum(change), 0)::bigint from position"
    ).fetchone()
    assert found is not None
    return Mark(*found)
