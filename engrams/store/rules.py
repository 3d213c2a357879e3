"""What holds for a commit in every store: ids are new or build on what is current; audit rows seal the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from engrams.errors import BadSetting, Busy, NotFound, UsageError
from engrams.ports import Commit, Entry, Revised
from engrams.records import Change, Engram, EventId, Link, Problem

#: Findings of one kind that are named; the rest are counted.
MOST_NAMED = 5


def every_version(change: Commit) -> list[tuple[Engram, Entry, Change, str, EventId | None]]:
    """The versions a commit writes, new engrams first: (engram, entry, change, reason, event that brought it)."""
    made: list[tuple[Engram, Entry, Change, str, EventId | None]]
    made = [(engram, entry, "ADD", "", None) for engram, entry in change.engrams]
    return made + [(r.engram, r.entry, r.change, r.reason, r.event_id) for r in change.revised]


def require_new(change: Commit) -> set[str]:
    """The ids of a commit's new engrams.

    Raises:
        UsageError: an id twice, or a version that is not the first.
    """
    new: set[str] = {engram.id for engram, _ in change.engrams}
    if len(new) < len(change.engrams):
        raise UsageError("a commit names one new engram twice; give each one id")
    if any(engram.version != 1 for engram, _ in change.engrams):
        raise UsageError("a new engram starts at version 1; later versions go into `revised`")
    return new


def require_next(revised: Sequence[Revised], found: Mapping[str, int], *, replayed: bool = False) -> None:
    """Every revised engram follows the version that was found; `replayed`: or comes later, or where none was.

    Raises:
        UsageError: one engram twice.
        NotFound: no such engram.
        Busy: somebody else was there first.
    """
    asked = {r.engram.id: r.engram.version for r in revised}
    if len(asked) < len(revised):
        raise UsageError("a commit revises one engram twice; one version at a time")
    for id, version in asked.items():
        if id not in found:
            if replayed:
                continue
            raise NotFound(f"no engram {id} to revise")
        if version != found[id] + 1 and not (replayed and version > found[id]):
            raise Busy(
                f"engram {id} is at version {found[id]}: version {version} does not follow; read it and try again"
            )


def made_meanwhile(id: str) -> Busy:
    """The error for a new engram whose id stands already."""
    return Busy(f"engram {id} was made meanwhile; read it and revise it, or try again")


def was_erased(id: str) -> UsageError:
    """The error for an event under whose id a tombstone stands."""
    return UsageError(f"event {id} was erased from this memory and is not written again")


def written_once(why: object) -> UsageError:
    """The error for an event that is in the journal already."""
    return UsageError(f"an event of this commit is already in the journal ({why}); events are written once")


def key_taken(key: str) -> BadSetting:
    """The error for an idempotency key that stands for another call."""
    return BadSetting("idempotency_key", key, "a key not yet used for something else in this namespace")


def require_ends(links: Sequence[Link], found: Collection[str]) -> None:
    """Both ends of every link stand.

    Raises:
        NotFound: one does not.
    """
    missing = {end for link in links for end in (link.source, link.target)} - set(found)
    if missing:
        raise NotFound(
            f"a link names engram {min(missing)}, which does not exist; write it first or in the same commit"
        )


def first_event(
    id: str,
    sources: Sequence[str],
    events: Collection[str],
    made: Mapping[str, str],
    look: Callable[[str], str | None],
) -> str:
    """The first event an engram came from, through other engrams if need be; its own id where there is none.

    `events` are those of the commit, `made` the first events of its engrams; `look` asks the store.
    """
    for source in sources:
        if source in events:
            return source
        if source in made:
            return made[source]
        found = look(source)
        if found is not None:
            return found
    return id


def array_cells(entry: Entry) -> tuple[bytes, bytes, bytes]:
    """Terms, counts and pieces of an entry as bytes, little-endian."""
    return (
        entry.terms.astype("<u4", copy=False).tobytes(),
        entry.counts.astype(np.uint8, copy=False).tobytes(),
        entry.pieces.astype("<u2", copy=False).tobytes(),
    )


def audit_note(change: Commit) -> tuple[list[str], str]:
    """What the audit says of a commit: ids, and how many of what. Of one that brings a single engram and no event, its id."""
    ids = [*(e.id for e in change.events), *(r.engram.id for r in change.revised)]
    if not ids and len(change.engrams) == 1:
        ids = [change.engrams[0][0].id]
    note = f"{len(change.events)} events, {len(change.engrams)} engrams, {len(change.revised)} changed"
    return ids, note


def finding(what: str, mend: str, names: Sequence[str]) -> Problem:
    """A finding of `check`: the first names, the rest counted."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return Problem(f"{what}: {', '.join(names[:MOST_NAMED])}{more}", mend)


def seal(before: str, cells: Sequence[Any]) -> str:
    """SHA-256, as hex, over the digest before it and an audit row's cells as a JSON list."""
    return hashlib.sha256((before + json.dumps(list(cells), separators=(",", ":"))).encode()).hexdigest()


def chain_break(expected: int, found: int) -> str:
    """What `check` says where numbers of the audit are missing."""
    return f"audit rows {expected} to {found - 1} are missing"
