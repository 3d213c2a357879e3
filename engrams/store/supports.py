"""What an erase takes with it, whatever the database.

A version goes when the event that brought it about goes, or any source it rests on: its words may be the words of that source.
What its other sources say is derived from them again. What a person said about an engram (a correction, a pin) is no support of
that engram: it goes with it. A version of a scorer, a block or an adapter goes with any version before it, too: what was
learnt from something gone cannot be told apart from the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from engrams.errors import NotFound
from engrams.records import Deletion, EngramId, EventId


@dataclass(slots=True)
class Version:
    """One version of an engram, with what it rests on; `place` is the store's own (a namespace, a tenant)."""

    row: int
    place: Any
    id: str
    event: str | None
    sources: tuple[str, ...]
    learnt: bool = False  # of a scorer, a block or an adapter


@dataclass(slots=True)
class Doomed:
    """What will go: grows until nothing more follows from it."""

    events: dict[str, None] = field(default_factory=dict)  # in the order found
    engrams: set[str] = field(default_factory=set)  # every version goes
    versions: dict[int, Version] = field(default_factory=dict)

    @property
    def gone(self) -> set[str]:
        """Every id that will not stand any more."""
        return self.events.keys() | self.engrams

    def deletion(self, links: int) -> Deletion:
        """What the erase gives back: ids, links removed, and a digest over the sorted ids."""
        engrams = sorted(self.engrams)
        return Deletion(
            events=tuple(EventId(id) for id in self.events),
            engrams=tuple(EngramId(id) for id in engrams),
            links=links,
            digest=hashlib.sha256("\n".join([*sorted(self.events), *engrams]).encode()).hexdigest(),
        )


class Supports(Protocol):
    """The questions an erase asks a store, many ids at a time."""

    def said_about(self, ids: Collection[str]) -> Mapping[str, set[str]]:
        """Ids of the events (any kind) whose target is one of the ids, by target."""
        ...

    def notes_about(self, ids: Collection[str]) -> set[str]:
        """Ids of corrections, rejections, pins and feedback about one of the ids."""
        ...

    def resting_on(self, ids: Collection[str]) -> set[str]:
        """Engrams any version of which names one of the ids as a source, or as the event that brought it about."""
        ...

    def versions(self, ids: Collection[str]) -> Mapping[str, Sequence[Version]]:
        """Every version of these engrams, oldest first."""
        ...


def follow(asked: Sequence[str], store: Supports) -> tuple[Doomed, dict[int, Version]]:
    """Everything that goes with the events asked for, and every version that names something of it."""
    doomed = Doomed(events=dict.fromkeys(asked))
    touched: dict[int, Version] = {}
    fresh: set[str] = set(doomed.events)
    while fresh:
        notes = store.notes_about(fresh) - doomed.events.keys()
        doomed.events.update(dict.fromkeys(sorted(notes)))
        before = set(doomed.engrams)
        ids = store.resting_on(fresh | notes) - doomed.engrams
        said, versions = store.said_about(ids), store.versions(ids)
        for id in ids:
            touched.update((version.row, version) for version in versions[id])
            _judge(doomed, id, versions[id], said.get(id, set()))
        fresh = (doomed.engrams - before) | notes
    return doomed, touched


def _judge(doomed: Doomed, id: str, versions: Sequence[Version], said: set[str]) -> None:
    """Decides which versions of one engram go."""
    gone = doomed.gone
    stays = 0
    floating = []
    for version in versions:
        support = [source for source in version.sources if source not in said]
        lost = any(source in gone for source in support)
        if version.learnt:
            lost = lost or bool(doomed.versions.keys() & {v.row for v in versions})
        if version.event in doomed.events or lost:
            doomed.versions[version.row] = version
        elif not support and version.sources:
            floating.append(version)
        else:
            stays += 1
    if not stays:  # nothing but what people said about what is gone
        doomed.versions.update((version.row, version) for version in floating)
        doomed.engrams.add(id)


def require_all(asked: Sequence[str], found: Collection[str], namespace: str) -> None:
    """Every event asked for was found in the scope.

    Raises:
        NotFound: one was not.
    """
    missing = [id for id in asked if id not in found]
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise NotFound(f"no event {shown} in {namespace}; nothing was erased")


def why_digest(reason: str) -> str:
    """A tombstone keeps no text: SHA-256 of the reason, as hex; empty where none was given."""
    return hashlib.sha256(reason.encode("utf-8", "surrogatepass")).hexdigest() if reason else ""


def erase_note(deletion: Deletion) -> str:
    """What the audit says of an erase."""
    counts = f"{len(deletion.events)} events, {len(deletion.engrams)} engrams, {deletion.links} links"
    return f"{counts}; digest {deletion.digest}"


def without(sources: Iterable[str], gone: Collection[str]) -> tuple[str, ...]:
    """The sources that stay, in their order."""
    return tuple(source for source in sources if source not in gone)


__all__ = [
    "Doomed",
    "Supports",
    "Version",
    "erase_note",
    "follow",
    "require_all",
    "why_digest",
    "without",
]
