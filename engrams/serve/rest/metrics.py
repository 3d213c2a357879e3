"""Figures in Prometheus's form: requests and their times, and what lies in the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

if TYPE_CHECKING:
    from engrams.memory import Memory

CONTENT_TYPE = CONTENT_TYPE_LATEST
#: Upper ends of the buckets of seconds: an answer takes milliseconds, an import minutes.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600)
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The figures of one application, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "engrams_requests",
            "Requests answered.",
            ("method", "path", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "engrams_request_seconds",
            "Seconds from the head of a request to the end of its answer.",
            ("method", "path"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._memory = Gauge("engrams_memory", "What lies in the store.", ("what",), registry=self._registry)
        self._kinds = Gauge(
            "engrams_memory_kinds", "Engrams of the open recipe, by kind.", ("kind",), registry=self._registry
        )
        self._jobs = Gauge("engrams_jobs", "Jobs by state.", ("state",), registry=self._registry)

    def count(self, method: str, path: str, status: int, seconds: float) -> None:
        """One request answered; `path` is the route's pattern, "" where there is none, `status` 0 where nobody waited."""
        method = method if method in METHODS else "other"  # anybody may make up methods, and each would stay
        self._requests.labels(method, path, str(status)).inc()
        self._seconds.labels(method, path).observe(seconds)

    def shown(self, memory: Memory) -> bytes:
        """All figures as Prometheus reads them.

        Raises:
            Denied: the memory is held by a key that may not administer the whole of it.
        """
        found = memory.stats()
        for what in ("events", "engrams", "links", "namespaces", "sessions", "bytes", "pending"):
            self._memory.labels(what).set(getattr(found, what))
        for kind, number in found.kinds.items():
            self._kinds.labels(kind).set(number)
        states = [job.state for job in memory.jobs()]
        for state in ("waiting", "running", "dead"):
            self._jobs.labels(state).set(states.count(state))
        return generate_latest(self._registry)
