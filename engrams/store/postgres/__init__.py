"""The store for teams: PostgreSQL with pgvector, behind the same port as the embedded one."""

from __future__ import annotations

from engrams.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
