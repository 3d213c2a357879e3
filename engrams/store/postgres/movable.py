"""What a store shows of itself for a move into another (`store.moving`), besides the port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from engrams.records import Row
from engrams.store.alongside import AuditRow, Reached, Spending
from engrams.store.moving import Cause, Kept, Tombstone
from engrams.store.postgres import auditing, jobs, remains
from engrams.store.postgres.connections import EVERYTHING as WHOLE
from engrams.store.postgres.connections import Connections


class Movable:
    """A store that can be read and filled whole."""

    _connections: Connections

    def causes(self, rows: Sequence[Row]) -> dict[int, Cause]:
        """What brought these versions about, by row."""
        with self._connections.reading(WHOLE) as db:
            return remains.causes(db, rows)

    def tombstones(self) -> list[Tombstone]:
        """Every erased event."""
        with self._connections.reading(WHOLE) as db:
            return remains.tombstones(db)

    def receipts(self) -> list[Kept]:
        """Every idempotency key."""
        with self._connections.reading(WHOLE) as db:
            return remains.receipts(db)

    def put_remains(self, tombstones: Sequence[Tombstone], receipts: Sequence[Kept]) -> None:
        """Keeps tombstones and receipts; those that are there already stay."""
        self._connections.writing(WHOLE, lambda db: remains.put(db, tombstones, receipts))

    @property
    def apart(self) -> bool:
        """Whether each tenant has a journal, an audit and progress of its own: here it has."""
        return True

    def put_audit(self, rows: Sequence[AuditRow]) -> None:
        """Adds rows that were written elsewhere, sealed to those of their tenants."""
        self._connections.writing(WHOLE, lambda db: auditing.put_audit(db, rows))

    def reached(self) -> list[Reached]:
        """How far each writer has come, by writer and tenant."""
        with self._connections.reading(WHOLE) as db:
            return jobs.reached(db)

    def put_reached(self, rows: Sequence[Reached]) -> None:
        """Notes how far writers have come with the journals of their tenants."""

        def work(db: Connection[Any]) -> None:
            for writer, tenant, number in rows:
                jobs.looked(db, writer, str(tenant), number)

        self._connections.writing(WHOLE, work)

    def spending(self) -> list[Spending]:
        """What jobs of all tenants cost, by day and kind."""
        with self._connections.reading(WHOLE) as db:
            return jobs.spending(db)

    def put_spending(self, rows: Sequence[Spending]) -> None:
        """Sets what jobs cost on these days."""
        self._connections.writing(WHOLE, lambda db: jobs.put_spending(db, rows))
