"""Correcting: updates, rejections and pins are journalled, and what is derived follows them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

from engrams.errors import BadSetting, ModelError, NotFound, StepFailed, UsageError
from engrams.ingest.messages import normalise
from engrams.lifecycle.admitting import guarded
from engrams.lifecycle.embedding import entries_of, require_embedder, settings_of
from engrams.lifecycle.feedback import relearn, taught
from engrams.lifecycle.following import as_corrected, following, said_of
from engrams.lifecycle.later import derive_jobs
from engrams.lifecycle.opening import House
from engrams.lifecycle.telling import tell, tell_erased
from engrams.lifecycle.writing import checked_metadata
from engrams.ports import Commit, Revised, Where
from engrams.recipes.catalogue import CATALOGUE
from engrams.records import (
    LEARNT,
    Deletion,
    Derived,
    Engram,
    EngramId,
    Event,
    EventId,
    EventKind,
    Job,
    Json,
    Message,
    Receipt,
    Revision,
    Scope,
    new_event_id,
)

#: Events erased per transaction by `delete_all`.
ERASED_AT_ONCE = 500


def find(house: House, id: object) -> Event | Engram:
    """The event (as corrected since) or engram (its current version) of an id.

    Raises:
        BadSetting: the id is no text.
        NotFound: nothing here has that id.
    """
    if not isinstance(id, str):
        raise BadSetting("id", id, "the id of an event or engram, as text")
    found = house.store.events([id]).get(id)
    if found is not None:
        return as_corrected(house, [found])[0] if found.kind == "message" else found
    engram = house.store.engrams([id]).get(id)
    if engram is None:
        raise NotFound(f"no event or engram has the id {id!r} in {house.store.location}")
    return engram


def update(
    house: House, id: str, content: object, metadata: Mapping[str, Json] | None, reason: str
) -> Receipt:
    """Journals a correction and derives anew what rests on it: the work behind `Memory.update`."""
    if content is None and metadata is None:
        raise UsageError("update: give the new content, the new metadata, or both")
    target = find(house, id)
    if isinstance(target, Event) and target.kind != "message":
        raise UsageError(f"update: {id} is a {target.kind} of {target.target}; update that id instead")
    text = target.content if content is None else normalise(content)[0].content
    if content is not None and not isinstance(content, str):
        raise BadSetting("content", content, "the new text")
    if content is not None and house.guard != "off":
        text = guarded(house.guard, Message("user", text)).content
    extra = target.metadata if metadata is None else checked_metadata(metadata)
    note = about(house, target, "correction", text, extra)
    return apply(house, note, target, reason)


def apply(house: House, note: Event, target: Event | Engram, reason: str) -> Receipt:
    """Commits a correction, rejection or pin together with the versions that follow from it.

    Where a step or a model fails, what the person said is kept all the same, with a job that follows it later.
    """
    require_embedder(house)
    later: tuple[Job, ...] = ()
    try:
        follows = following(house, note, target)
        changes, new = follows.changes, follows.new
        if isinstance(target, Engram) and target.recipe != house.recipe.writer:
            changes = [*changes, *said_of(note, [target]).changes]
        entries = entries_of(house, [r[0] for r in changes] + new)
    except (StepFailed, ModelError) as failed:
        changes, new, entries = [], [], []
        later = derive_jobs(house, (note,), failed)
    receipt = Receipt(
        note.namespace,
        (note.id,),
        tuple(Derived(e.id, e.kind, c, e.sources) for e, c in changes)
        + tuple(Derived(e.id, e.kind, "ADD", e.sources) for e in new),
        pending=len(later),
    )
    kept = house.store.commit(
        Commit(
            receipt=receipt,
            actor=house.actor,
            action=_ACTIONS[note.kind],
            recorded_at=note.recorded_at,
            events=(note,),
            engrams=tuple(zip(new, entries[len(changes) :], strict=True)),
            revised=tuple(
                Revised(engram, entry, change, reason or _ACTIONS[note.kind], note.id)
                for (engram, change), entry in zip(changes, entries, strict=False)
            ),
            settings=settings_of(house, entries),
            writer=house.recipe.writer,
            jobs=later,
        )
    )
    tell("memory.changed", action=_ACTIONS[note.kind], namespace=note.namespace, id=note.target)
    return kept


_ACTIONS: Mapping[EventKind, str] = {
    "message": "add",
    "correction": "update",
    "rejection": "delete",
    "pin": "pin",
    "unpin": "unpin",
    "feedback": "feedback",
    "undo": "undo",
}


def delete(house: House, id: str, reason: str) -> Deletion:
    """An event is erased with all that rests on it; an engram is rejected and stays rejected when rebuilt."""
    target = find(house, id)
    if isinstance(target, Event):
        if target.kind not in ("message", "feedback"):
            raise UsageError(f"delete: {id} is a {target.kind}; it goes when {target.target} is deleted")
        scope, learns = Scope(target.namespace), taught(house, target.namespace)
        beside = _resting_beside(house, [target.id])
        done = house.store.erase(
            scope, [target.id], actor=house.actor, at=house.clock.now(), reason=reason or "delete"
        )
        tell_erased(target.namespace, done)
        _derive_anew(house, beside)
        if learns:
            relearn(house, target.namespace)
        return done
    if target.state != "archived":
        apply(house, about(house, target, "rejection", "", {}), target, reason)
    return Deletion((), (target.id,))


def delete_all(house: House, scope: Scope, reason: str) -> Deletion:
    """Erases every event of a scope and what rests on these."""
    events: list[EventId] = []
    engrams: list[EngramId] = []
    links, pending = 0, False
    where = Where(states=("active", "archived", "superseded"))
    learns: set[str] = set()
    while True:
        found = house.store.journal(scope, where, kinds=("message",), limit=ERASED_AT_ONCE)
        if not found:
            break
        by_namespace: dict[str, list[EventId]] = {}
        for _, event in found:
            by_namespace.setdefault(event.namespace, []).append(event.id)
        for namespace, ids in by_namespace.items():
            if taught(house, namespace):
                learns.add(namespace)
            beside = _resting_beside(house, ids)
            done = house.store.erase(
                Scope(namespace), ids, actor=house.actor, at=house.clock.now(), reason=reason or "delete_all"
            )
            tell_erased(namespace, done)
            _derive_anew(house, beside)
            events += done.events
            engrams += done.engrams
            links += done.links
            pending |= done.state == "pending"
    for namespace in learns:
        relearn(house, namespace)
    digest = hashlib.sha256("\n".join([*sorted(events), *sorted(engrams)]).encode()).hexdigest()
    return Deletion(tuple(events), tuple(engrams), links, digest, "pending" if pending else "done")


def _resting_beside(house: House, ids: Sequence[EventId]) -> dict[str, list[str]]:
    """By write chain, the other messages that what rests on these messages rests on: from them it is derived anew."""
    found: dict[str, list[str]] = {}
    for engram in house.store.engrams(house.store.derived_from(ids)).values():
        others = [source for source in engram.sources if source not in ids]
        if others and engram.kind not in LEARNT:
            found.setdefault(engram.recipe, []).extend(others)
    return found


def _derive_anew(house: House, beside: Mapping[str, Sequence[str]]) -> None:
    """Puts jobs that derive from messages again, for each write chain that lost what rested on them and on what was erased.

    What a recipe derives between sessions comes back with its next consolidation.
    """
    for writer, ids in beside.items():
        known = chain(
            (house.recipe,), CATALOGUE.values()
        )  # as far as needed: a recipe is loaded when it is asked for
        recipe = next((r for r in known if r.writer == writer), None)
        events = [e for e in house.store.events(list(dict.fromkeys(ids))).values() if e.kind == "message"]
        if recipe is not None and events:
            events.sort(key=lambda e: e.id)
            house.store.jobs.put(derive_jobs(replace(house, recipe=recipe), events))


def pin(house: House, id: str, *, pinned: bool) -> Receipt:
    """Marks an engram, or all engrams of an event, as never to be forgotten (or no longer)."""
    target = find(house, id)
    if isinstance(target, Event) and target.kind != "message":
        raise UsageError(f"pin: {id} is a {target.kind} of {target.target}; pin that id instead")
    return apply(house, about(house, target, "pin" if pinned else "unpin", "", {}), target, "")


def history(house: House, id: str) -> list[Revision]:
    """Every version of an engram, or of all engrams that the open recipe made of an event, oldest first."""
    found = find(house, id)
    known = house.store.versions(found.id)
    if isinstance(found, Engram):
        return known
    engrams = house.store.engrams(list({str(r.engram_id) for r in known}))
    return [r for r in known if engrams[str(r.engram_id)].recipe == house.recipe.writer]


def about(
    house: House, target: Event | Engram, kind: EventKind, content: str, metadata: Mapping[str, Json]
) -> Event:
    """A note about an event or engram, as it will be journalled."""
    now = house.now(target.namespace)
    return Event(
        id=new_event_id(),
        namespace=target.namespace,
        content=content,
        role="system",
        occurred_at=now,
        recorded_at=now,
        kind=kind,
        session=target.session,
        agent_id=target.agent_id,
        run_id=target.run_id,
        metadata=metadata,
        target=target.id,
    )
