"""What is put off: the jobs that derive from what is journalled already."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from engrams.lifecycle.opening import House
from engrams.records import Event, Job, new_event_id

#: Events of one job: a failure takes few others with it, and a worker that is killed loses little.
EVENTS_OF_A_JOB = 50
#: The longest text of an error that is kept with a job, in characters: enough to see what it was.
LONGEST_ERROR = 500


def derive_jobs(house: House, events: Sequence[Event], error: Exception | None = None) -> tuple[Job, ...]:
    """Jobs that derive from these entries, a few at a time, in order inside each session.

    `error` is why it was not done at once; None where it never is, as with recipes that need a language model.
    """
    lines: dict[tuple[str, str], list[Event]] = {}
    for event in events:
        lines.setdefault((event.namespace, event.session or event.thread), []).append(event)
    jobs = []
    for (namespace, thread), line in lines.items():
        for start in range(0, len(line), EVENTS_OF_A_JOB):
            part = line[start : start + EVENTS_OF_A_JOB]
            jobs.append(_job(house, "derive", namespace, thread, {"events": [e.id for e in part]}, error))
    return tuple(jobs)


def job_for(house: House, kind: str, namespace: str, payload: dict[str, object] | None = None) -> Job:
    """A job over a whole namespace, or with "" over the whole store; of those that are alike one waits at a time."""
    made = _job(house, kind, namespace or "default", kind, payload or {}, None)
    parts = (kind, namespace, house.recipe.name, repr(sorted((payload or {}).items())))
    return replace(made, once=hashlib.sha256("\x1f".join(parts).encode()).hexdigest())


def upkeep_job(house: House, kind: str) -> Job:
    """A job of the store itself, whatever the recipe; one waits at a time."""
    now = house.clock.now()
    once = hashlib.sha256(kind.encode()).hexdigest()
    return Job(new_event_id(), kind, once[:32], "default", "", now, now, once=once)


def _job(
    house: House, kind: str, namespace: str, line: str, payload: dict[str, object], error: Exception | None
) -> Job:
    now = house.clock.now()
    # The key names no session: what lies in the queue tells nothing about who spoke when.
    key = hashlib.sha256("\x1f".join((house.recipe.writer, namespace, line)).encode()).hexdigest()[:32]
    return Job(
        id=new_event_id(),
        kind=kind,
        key=key,
        namespace=namespace,
        recipe=house.recipe.name,
        created_at=now,
        due_at=now,
        payload=payload,
        error=None if error is None else told(error),
    )


def told(error: Exception) -> str:
    """An error as a job keeps it."""
    return f"{type(error).__name__}: {error}"[:LONGEST_ERROR]
