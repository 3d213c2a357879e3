"""A store and an index behind a key: what the key has no right to is refused, or looks as if it were not there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from engrams.lifecycle.access import EVERYTHING, PREFIX, Grant
from engrams.ports import Commit, Index, Jobs, Store, View
from engrams.records import (
    Deletion,
    Engram,
    EngramId,
    Event,
    EventId,
    Job,
    JobState,
    Link,
    Query,
    Receipt,
    Revision,
    Row,
    Scope,
)

#: What says nothing about anybody's memories and may be asked with any key.
_OPEN = frozenset({"location", "read_only", "erased", "mark", "touch", "close", "looked", "progress"})
#: Kinds of jobs that work inside their namespace; others work on the whole store.
_OF_A_NAMESPACE = frozenset({"derive", "consolidate"})
#: Jobs among which one is looked for: more than a queue ever holds, and few enough to read.
_ALL_JOBS = 100_000
#: What reads one scope, given first.
_OF_A_SCOPE = frozenset(
    {"journal", "list_engrams", "matching", "entries", "entry_columns", "entry_vectors", "closings"}
)


class GuardedStore:
    """Every call of `Store`, as far as the grant goes. What is not named here needs the right to administer everything.

    An id of somebody else's namespace looks like one that does not exist. Passing calls on by name keeps one rule for
    calls that are added later: refused until they are thought about.
    """

    def __init__(self, store: Store, grant: Grant) -> None:
        self._store, self._grant = store, grant

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        if name in _OF_A_SCOPE:

            def reading(scope: Scope, *args: Any, **kwargs: Any) -> Any:
                self._grant.require("read", scope.namespace)
                return call(scope, *args, **kwargs)

            return reading
        if name not in _OPEN:
            self._grant.require("admin", EVERYTHING)
        return call

    def commit(self, change: Commit) -> Receipt:
        """Refused where it writes to a namespace without the right."""
        touched = [e.namespace for e in change.events] + [g.namespace for g, _ in change.engrams]
        touched += [r.engram.namespace for r in change.revised]
        for namespace in dict.fromkeys([change.receipt.namespace, *touched]):
            self._grant.require("write", namespace)
        return self._store.commit(change)

    def erase(self, scope: Scope, events: Sequence[EventId], **how: Any) -> Deletion:
        """Refused without the right to write."""
        self._grant.require("write", scope.namespace)
        return self._store.erase(scope, events, **how)

    def events(self, ids: Sequence[str]) -> dict[str, Event]:
        """Those that may be read."""
        return {id: e for id, e in self._store.events(ids).items() if self._reads(e.namespace)}

    def engrams(self, ids: Sequence[str]) -> dict[str, Engram]:
        """Those that may be read."""
        return {id: g for id, g in self._store.engrams(ids).items() if self._reads(g.namespace)}

    def engrams_at(self, rows: Sequence[Row]) -> list[Engram]:
        """Those that may be read."""
        return [g for g in self._store.engrams_at(rows) if self._reads(g.namespace)]

    def about(self, targets: Sequence[str]) -> dict[str, list[Event]]:
        """Those that may be read."""
        found = self._store.about(targets).items()
        kept = {id: [e for e in events if self._reads(e.namespace)] for id, events in found}
        return {id: events for id, events in kept.items() if events}

    def versions(self, id: str) -> list[Revision]:
        """All or none."""
        return self._store.versions(id) if {**self.events([id]), **self.engrams([id])} else []

    def derived_from(self, ids: Sequence[str]) -> list[EngramId]:
        """Those that may be read."""
        found = self._store.derived_from(ids)
        seen = self.engrams(found)
        return [id for id in found if id in seen]

    def links(self, ids: Sequence[str]) -> list[Link]:
        """Those of which both ends may be read."""
        found = self._store.links(ids)
        seen = self.engrams(list({end for link in found for end in (link.source, link.target)}))
        return [link for link in found if link.source in seen and link.target in seen]

    def stats(self, scope: Scope | None, **how: Any) -> Any:
        """Refused without the right to read; of everything, without the right to administer."""
        self._grant.require(
            "admin" if scope is None else "read", EVERYTHING if scope is None else scope.namespace
        )
        return self._store.stats(scope, **how)

    def namespaces(self) -> list[str]:
        """Those that may be read."""
        return [n for n in self._store.namespaces() if self._reads(n)]

    def first_receipt(self, namespace: str, key: str, digest: str) -> Receipt | None:
        """Refused without the right to write: it answers whoever repeats a write."""
        self._grant.require("write", namespace)
        return self._store.first_receipt(namespace, key, digest)

    def known_sources(self, namespace: str, sources: Sequence[str]) -> set[str]:
        """Refused without the right to read."""
        self._grant.require("read", namespace)
        return self._store.known_sources(namespace, sources)

    def version(self, id: str, version: int) -> Engram | None:
        """One that may be read."""
        found = self._store.version(id, version)
        return found if found is not None and self._reads(found.namespace) else None

    def setting(self, key: str) -> str | None:
        """Any but a key, which needs the right to administer."""
        if key.startswith(PREFIX):
            self._grant.require("admin", EVERYTHING)
        return self._store.setting(key)

    def settings(self, prefix: str) -> Mapping[str, str]:
        """Rules and what is left to erase; the rest (keys) needs the right to administer."""
        if not prefix.startswith(("rule:", "erase:")):
            self._grant.require("admin", EVERYTHING)
        return self._store.settings(prefix)

    @property
    def jobs(self) -> GuardedJobs:
        """The queue, as far as the grant goes."""
        return GuardedJobs(self._store.jobs, self._grant)

    def _reads(self, namespace: str) -> bool:
        return self._grant.allows("read", namespace)


class GuardedJobs:
    """The queue of a guarded store: jobs of a namespace with the right to it, all others with the right to administer."""

    def __init__(self, jobs: Jobs, grant: Grant) -> None:
        self._jobs, self._grant = jobs, grant

    def __getattr__(self, name: str) -> Any:
        self._grant.require("admin", EVERYTHING)
        return getattr(self._jobs, name)

    def put(self, jobs: Sequence[Job]) -> list[str]:
        """Refused without the right to write where the job will."""
        for job in jobs:
            self._grant.require(*_asked(job, "write"))
        return self._jobs.put(jobs)

    def all(
        self, states: Sequence[JobState] = ("waiting", "running", "dead"), *, limit: int = 1000
    ) -> list[Job]:
        """Those of namespaces that may be read."""
        return [j for j in self._jobs.all(states, limit=limit) if self._grant.allows(*_asked(j, "read"))]

    def retry(self, id: str, at: datetime) -> bool:
        """Refused without the right to write where the job will; one that may not be read looks as if it were not there."""
        return self._mine(id) and self._jobs.retry(id, at)

    def drop(self, id: str) -> bool:
        """Refused without the right to write where the job will; one that may not be read looks as if it were not there."""
        return self._mine(id) and self._jobs.drop(id)

    def _mine(self, id: str) -> bool:
        job = next((j for j in self.all(limit=_ALL_JOBS) if j.id == id), None)
        if job is not None:
            self._grant.require(*_asked(job, "write"))
        return job is not None


def _asked(job: Job, right: str) -> tuple[str, str]:
    """The right a job asks for, and where: in its namespace, or over everything where it works on the whole store."""
    return (right, job.namespace) if job.kind in _OF_A_NAMESPACE else ("admin", EVERYTHING)


class GuardedIndex:
    """An index whose views are refused without the right to read their scope."""

    def __init__(self, index: Index, grant: Grant) -> None:
        self._index, self._grant = index, grant

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    def view(self, query: Query) -> View:
        """The view of a scope that may be read.

        Raises:
            Denied: it may not.
        """
        self._grant.require("read", query.scope.namespace)
        return self._index.view(query)
