"""A store and an index behind a key: what the key has no right to is refused, or looks as if it were not there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from engrams.errors import Denied
from engrams.lifecycle.access import EVERYTHING, Grant
from engrams.ports import Commit, Entry, Index, Jobs, Mark, Store, View
from engrams.ports.payloads import Blob, Payloads
from engrams.records import (
    Deletion,
    Engram,
    EngramId,
    Event,
    EventId,
    Job,
    JobState,
    Link,
    Progress,
    Query,
    Receipt,
    Revision,
    Row,
    Scope,
)

#: What says nothing about anybody's memories and may be asked with any key.
_OPEN = frozenset({"location", "read_only", "close"})
#: What speaks of the whole store, or changes what holds for all of it: for who may administer everything.
_OF_THE_WHOLE = frozenset(
    {
        *(
            "reset",
            "looked",
            "behind",
            "set_setting",
            "put_vectors",
            "drop_vectors",
            "without_vector",
            "receipts",
        ),
        *("put_remains", "check", "backup", "vacuum", "finish_erasing", "audit"),
        *("drop_engrams", "apart", "put_audit", "reached", "put_reached", "spending", "put_spending"),
    }
)
#: Settings that say nothing about anybody, and those that a writer's first commit may set.
_SETTINGS_OPEN, _SETTINGS_OF_WRITERS = frozenset({"embedder", "recipe"}), frozenset({"embedder"})
#: Kinds of jobs that work inside their namespace; others work on the whole store.
_OF_A_NAMESPACE = frozenset({"derive", "consolidate"})
#: What workers do, and what jobs cost: for who may administer everything.
_JOBS_OF_THE_WHOLE = frozenset({"lease", "renew", "finish", "fail", "spend", "spent"})
#: What the settings of rules are called.
_RULES = "rule:"
#: Jobs among which one is looked for: more than a queue ever holds, and few enough to read.
_ALL_JOBS = 100_000
#: What reads one scope, given first.
_OF_A_SCOPE = frozenset(
    {"journal", "list_engrams", "matching", "entries", "entry_columns", "entry_vectors", "closings"}
)


class GuardedStore:
    """Every call of `Store`, as far as the grant goes. What is not named here is refused to everybody.

    An id of somebody else's namespace looks like one that does not exist. Passing calls on by name keeps one rule for
    calls that are added later: refused until somebody decides who may make them (a test walks the port).
    """

    def __init__(self, store: Store, grant: Grant) -> None:
        self._store, self._grant = store, grant

    def __getattr__(self, name: str) -> Any:
        if name in _OF_A_SCOPE:
            call = getattr(self._store, name)

            def reading(scope: Scope, *args: Any, **kwargs: Any) -> Any:
                self._grant.require("read", scope.namespace)
                return call(scope, *args, **kwargs)

            return reading
        if name in _OF_THE_WHOLE:
            self._grant.require("admin", EVERYTHING, name)
        elif name not in _OPEN:
            raise _undecided("Store", name)
        return getattr(self._store, name)

    def commit(self, change: Commit) -> Receipt:
        """Refused where it writes to, or about, a namespace without the right."""
        touched = [e.namespace for e in change.events] + [g.namespace for g, _ in change.engrams]
        touched += [r.engram.namespace for r in change.revised]
        for namespace in dict.fromkeys([change.receipt.namespace, *touched]):
            self._grant.require("write", namespace)
        for job in change.jobs:
            self._grant.require(*_asked(job, "write"))
        if change.settings.keys() - _SETTINGS_OF_WRITERS:
            self._grant.require("admin", EVERYTHING, "settings")
        about = {r.engram.id for r in change.revised} | {
            x for k in change.links for x in (k.source, k.target)
        }
        about |= {EngramId(e.target) for e in change.events if e.target is not None}
        engrams, events = self._store.engrams(list(about)).values(), self._store.events(list(about)).values()
        for namespace in {*(g.namespace for g in engrams), *(e.namespace for e in events)}:
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

    def derived_from(self, ids: Sequence[str], *, with_payload: bool = False) -> list[EngramId]:
        """Those that may be read."""
        found = self._store.derived_from(ids, with_payload=with_payload)
        seen = self.engrams(found)
        return [id for id in found if id in seen]

    def links(self, ids: Sequence[str]) -> list[Link]:
        """Those of which both ends may be read."""
        found = self._store.links(ids)
        seen = self.engrams(list({end for link in found for end in (link.source, link.target)}))
        return [link for link in found if link.source in seen and link.target in seen]

    def stats(self, scope: Scope | None, **how: Any) -> Any:
        """Refused without the right to read; of everything, without the right to administer."""
        self._of_a_part(scope)
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
        """What says nothing about anybody; the rest (keys, rules, the seal) needs the right to administer."""
        if key not in _SETTINGS_OPEN:
            self._grant.require("admin", EVERYTHING, "setting")
        return self._store.setting(key)

    def settings(self, prefix: str) -> Mapping[str, str]:
        """Rules, those of paths that the key has to do with; the rest needs the right to administer."""
        if not prefix.startswith(_RULES):
            self._grant.require("admin", EVERYTHING, "settings")
        found = self._store.settings(prefix)
        return {key: value for key, value in found.items() if self._grant.meets(key.removeprefix(_RULES))}

    @property
    def jobs(self) -> GuardedJobs:
        """The queue, as far as the grant goes."""
        return GuardedJobs(self._store.jobs, self._grant)

    @property
    def payloads(self) -> GuardedPayloads:
        """The payloads, as far as the grant goes."""
        return GuardedPayloads(self._store.payloads, self._grant)

    def mark(self, scope: Scope | None = None) -> Mark:
        """Refused without the right to read; of everything, without the right to administer."""
        self._of_a_part(scope)
        return self._store.mark(scope)

    def touch(self, rows: Sequence[Row], at: datetime) -> None:
        """Counts a recall of what may be read; the rest is left out."""
        self._store.touch([row for row in rows if self._readable([row])], at)

    def erased(self, ids: Sequence[str]) -> set[str]:
        """Those of namespaces that may be read."""
        found = self._store.erased(ids)
        return found & {id for _, id, *_ in self.tombstones()} if found else found

    def progress(self, writer: str) -> Progress:
        """Whether something is behind, not how much; of jobs, how many of those that may be seen."""
        found = self._store.progress(writer)
        if self._reads(EVERYTHING):
            return found
        jobs = [job for job in self.jobs.all(limit=_ALL_JOBS) if job.kind == "derive"]
        dead = sum(job.state == "dead" for job in jobs)
        return Progress(min(found.looked, 1), min(found.behind, 1), len(jobs) - dead, dead)

    def causes(self, rows: Sequence[Row]) -> dict[int, Any]:
        """Of those versions that may be read."""
        end: Any = self._store
        kept = rows if self._readable(rows) else [row for row in rows if self._readable([row])]
        return dict(end.causes(kept))

    def tombstones(self) -> list[Any]:
        """Those of namespaces that may be read."""
        end: Any = self._store
        return [row for row in end.tombstones() if self._reads(row[0])]

    def _readable(self, rows: Sequence[Row]) -> bool:
        """Whether all of these rows are there and may be read."""
        found = self._store.engrams_at(rows)
        return len(found) == len(rows) and all(self._reads(g.namespace) for g in found)

    def _of_a_part(self, scope: Scope | None) -> None:
        if scope is None:
            self._grant.require("admin", EVERYTHING)
        else:
            self._grant.require("read", scope.namespace)

    def _reads(self, namespace: str) -> bool:
        return self._grant.allows("read", namespace)


class GuardedPayloads:
    """The payloads of a guarded store: one namespace's with the right to it, what lies elsewhere never."""

    def __init__(self, payloads: Payloads, grant: Grant) -> None:
        self._payloads, self._grant = payloads, grant

    def __getattr__(self, name: str) -> Any:
        if name != "collect":
            raise _undecided("Payloads", name)
        self._grant.require("admin", EVERYTHING, name)
        return getattr(self._payloads, name)

    def put(self, namespace: str, chunks: Iterable[bytes], *, name: Callable[[], str] | None = None) -> str:
        """Refused without the right to write."""
        self._grant.require("write", namespace)
        return self._payloads.put(namespace, chunks, name=name)

    def open(self, namespace: str, digest: str) -> Iterator[bytes]:
        """Refused without the right to read."""
        self._grant.require("read", namespace)
        return self._payloads.open(namespace, digest)

    def size(self, namespace: str, digest: str) -> int | None:
        """Refused without the right to read."""
        self._grant.require("read", namespace)
        return self._payloads.size(namespace, digest)

    def drop(self, namespace: str, digest: str) -> bool:
        """Refused without the right to write."""
        self._grant.require("write", namespace)
        return self._payloads.drop(namespace, digest)

    def list(self, namespace: str | None = None) -> list[Blob]:
        """Those of namespaces that may be read."""
        if namespace is not None:
            self._grant.require("read", namespace)
        return [b for b in self._payloads.list(namespace) if self._grant.allows("read", b.namespace)]


class GuardedJobs:
    """The queue of a guarded store: jobs of a namespace with the right to it, all others with the right to administer."""

    def __init__(self, jobs: Jobs, grant: Grant) -> None:
        self._jobs, self._grant = jobs, grant

    def __getattr__(self, name: str) -> Any:
        if name not in _JOBS_OF_THE_WHOLE:
            raise _undecided("Jobs", name)
        self._grant.require("admin", EVERYTHING, name)
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


def _undecided(port: str, name: str) -> Exception:
    """Nobody has decided who may call this: nobody may. Python's own questions (copying, printing) get Python's answer."""
    if name.startswith("__"):
        return AttributeError(name)
    return Denied(f"{port}.{name} may not be called with a key: nobody has decided yet who may")


class GuardedIndex:
    """An index whose views are refused without the right to read their scope."""

    def __init__(self, index: Index, grant: Grant) -> None:
        self._index, self._grant = index, grant

    def __getattr__(self, name: str) -> Any:
        raise _undecided("Index", name)

    def analyse(self, engrams: Sequence[Engram]) -> list[Entry]:
        """What is given is all it looks at."""
        return self._index.analyse(engrams)

    def forget(self) -> None:
        """Drops what is held in memory; nothing is lost."""
        self._index.forget()

    def view(self, query: Query) -> View:
        """The view of a scope that may be read.

        Raises:
            Denied: it may not.
        """
        self._grant.require("read", query.scope.namespace)
        return self._index.view(query)
