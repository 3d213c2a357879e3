"""The embedded store: one SQLite file, standard library only."""

from __future__ import annotations

from engrams.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
