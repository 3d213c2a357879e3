"""The queue of durable jobs that every store has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Protocol

from engrams.records import Job, JobState, Spent


class Jobs(Protocol):
    """Jobs in the store: at least once, in the order of their key, shared by any number of workers.

    Times are the caller's clock. Each call is one transaction, on disk when it returns.
    """

    def put(self, jobs: Sequence[Job]) -> list[str]:
        """Keeps jobs; gives the ids of those that are new. One whose `once` waits or runs already is left out."""
        ...

    def lease(self, worker: str, at: datetime, until: datetime, kinds: Sequence[str]) -> Job | None:
        """The first job of these kinds that is due, now held by the worker until then; None where there is none.

        A job whose lease ran out is due again. None is given while an earlier one of its key waits or runs.
        Counts as one attempt, and in what is spent on the day of `at`.
        """
        ...

    def renew(self, id: str, worker: str, until: datetime) -> bool:
        """Holds a job longer; False where the worker does not hold it any more."""
        ...

    def finish(self, id: str, worker: str) -> bool:
        """Removes a job that is done; False where the worker does not hold it any more."""
        ...

    def fail(self, id: str, worker: str, error: str, again_at: datetime | None) -> bool:
        """Puts a job back until a time, or (None) among the dead; False where the worker does not hold it any more."""
        ...

    def all(
        self, states: Sequence[JobState] = ("waiting", "running", "dead"), *, limit: int = 1000
    ) -> list[Job]:
        """Jobs in these states, in the order they were put."""
        ...

    def retry(self, id: str, at: datetime) -> bool:
        """Makes a job that is dead or waits due now, its attempts counted anew; False where there is no such job."""
        ...

    def drop(self, id: str) -> bool:
        """Removes a job whatever its state; False where there is none."""
        ...

    def spend(self, day: date, kind: str, tokens: int) -> None:
        """Adds to what jobs of a kind cost on a day."""
        ...

    def spent(self, day: date) -> Spent:
        """What all jobs cost on a day."""
        ...
