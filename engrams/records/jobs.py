"""Work that is done later: jobs as the store keeps them, and how far a recipe's writer has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from engrams.records.names import NOTHING, Json

JobState = Literal["waiting", "running", "dead"]


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work that survives the process that asked for it. What is done is not kept.

    `kind` says which worker's function does it, `recipe` with which memory system, `payload` on what: ids and settings,
    never content. Jobs of one `key` are done in the order they were put. Of jobs with the same `once` at most one waits or
    runs. `attempts` counts how often it was begun; `error` is what the last attempt met.
    """

    id: str
    kind: str
    key: str
    namespace: str
    recipe: str
    created_at: datetime
    due_at: datetime
    payload: Mapping[str, Json] = field(default_factory=lambda: NOTHING)
    once: str | None = None
    state: JobState = "waiting"
    attempts: int = 0
    worker: str | None = None
    leased_until: datetime | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a writer has come with the journal: entries it has not looked at, jobs that wait, jobs that were given up."""

    looked: int
    behind: int
    waiting: int = 0
    dead: int = 0

    @property
    def pending(self) -> int:
        """What reading cannot find yet: entries not looked at, and jobs that will derive."""
        return self.behind + self.waiting


@dataclass(frozen=True, slots=True)
class Spent:
    """What jobs cost on one day (UTC): how many were begun, tokens of models."""

    jobs: int = 0
    tokens: int = 0
