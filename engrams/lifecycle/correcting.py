"""Correcting: updates, rejections and pins are journalled, and what is derived follows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from engrams.errors import BadSetting, NotFound, UsageError
from engrams.ingest.messages import normalise
from engrams.lifecycle.embedding import entries_of, require_embedder, settings_of
from engrams.lifecycle.opening import House
from engrams.lifecycle.writing import checked_metadata, derive, revised, without_index_only
from engrams.ports import Commit, Revised, Where
from engrams.records import (
    Change,
    Deletion,
    Derived,
    Engram,
    EngramId,
    Event,
    EventId,
    EventKind,
    Json,
    Receipt,
    Revision,
    Scope,
    State,
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
        return corrected(house, [found])[0] if found.kind == "message" else found
    engram = house.store.engrams([id]).get(id)
    if engram is None:
        raise NotFound(f"no event or engram has the id {id!r} in {house.store.location}")
    return engram


def corrected(house: House, events: Sequence[Event]) -> list[Event]:
    """Events with the latest correction of each applied; the journal itself stays as it was written."""
    about = house.store.about([e.id for e in events])
    out = []
    for event in events:
        for other in about.get(event.id, ()):
            if other.kind == "correction":
                event = replace(event, content=other.content, metadata=other.metadata)
        out.append(event)
    return out


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
    extra = target.metadata if metadata is None else checked_metadata(metadata)
    note = _about(house, target, "correction", text, extra)
    return apply(house, note, target, reason)


def apply(house: House, note: Event, target: Event | Engram, reason: str) -> Receipt:
    """Commits a correction, rejection or pin together with the versions that follow from it."""
    changes = _consequences(house, note, target, reason)
    new: list[Engram] = []
    if note.kind == "correction" and isinstance(target, Event):
        changes, new = _rederived(house, note, target, reason)
    require_embedder(house)
    entries = entries_of(house, [r[0] for r in changes] + new)
    receipt = Receipt(
        note.namespace,
        (note.id,),
        tuple(Derived(e.id, e.kind, c, e.sources) for e, c in changes)
        + tuple(Derived(e.id, e.kind, "ADD", e.sources) for e in new),
    )
    return house.store.commit(
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
        )
    )


_ACTIONS: Mapping[EventKind, str] = {
    "message": "add",
    "correction": "update",
    "rejection": "delete",
    "pin": "pin",
    "unpin": "unpin",
    "feedback": "feedback",
}


def delete(house: House, id: str, reason: str) -> Deletion:
    """An event is erased with all that only it supports; an engram is rejected and stays rejected when rebuilt."""
    target = find(house, id)
    if isinstance(target, Event):
        if target.kind != "message":
            raise UsageError(f"delete: {id} is a {target.kind}; it goes when {target.target} is deleted")
        scope = Scope(target.namespace)
        return house.store.erase(
            scope, [target.id], actor=house.actor, at=house.clock.now(), reason=reason or "delete"
        )
    if target.state != "archived":
        apply(house, _about(house, target, "rejection", "", {}), target, reason)
    return Deletion((), (target.id,))


def delete_all(house: House, scope: Scope, reason: str) -> Deletion:
    """Erases every event of a scope and what only these support."""
    events: list[EventId] = []
    engrams: list[EngramId] = []
    links = 0
    where = Where(states=("active", "archived", "superseded"))
    while True:
        found = house.store.journal(scope, where, kinds=("message",), limit=ERASED_AT_ONCE)
        if not found:
            break
        by_namespace: dict[str, list[EventId]] = {}
        for _, event in found:
            by_namespace.setdefault(event.namespace, []).append(event.id)
        for namespace, ids in by_namespace.items():
            done = house.store.erase(
                Scope(namespace), ids, actor=house.actor, at=house.clock.now(), reason=reason or "delete_all"
            )
            events += done.events
            engrams += done.engrams
            links += done.links
    return Deletion(tuple(events), tuple(engrams), links)


def pin(house: House, id: str, *, pinned: bool) -> Receipt:
    """Marks an engram, or all engrams of an event, as never to be forgotten (or no longer)."""
    target = find(house, id)
    if isinstance(target, Event) and target.kind != "message":
        raise UsageError(f"pin: {id} is a {target.kind} of {target.target}; pin that id instead")
    return apply(house, _about(house, target, "pin" if pinned else "unpin", "", {}), target, "")


def history(house: House, id: str) -> list[Revision]:
    """Every version of an engram, or of all engrams of an event, oldest first."""
    return house.store.versions(find(house, id).id)


def _about(
    house: House, target: Event | Engram, kind: EventKind, content: str, metadata: Mapping[str, Json]
) -> Event:
    now = house.clock.now()
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


def _consequences(
    house: House, note: Event, target: Event | Engram, reason: str
) -> list[tuple[Engram, Change]]:
    """The new versions that follow from a note about an engram, or a pin of an event."""
    if isinstance(target, Engram):
        engrams = [target]
    else:
        engrams = list(house.store.engrams(house.store.derived_from([target.id])).values())
    at = note.recorded_at
    out: list[tuple[Engram, Change]] = []
    for e in engrams:
        if note.kind == "correction":
            new = replace(e, content=note.content, metadata=note.metadata, state=_live(e.state))
            out.append((revised(e, new, at), "UPDATE"))
        elif note.kind == "rejection":
            out.append((revised(e, replace(e, state="archived"), at), "DELETE"))
        elif note.kind in ("pin", "unpin") and e.pinned != (note.kind == "pin"):
            out.append((replace(revised(e, e, at), pinned=note.kind == "pin"), "NOOP"))
    return out


def _live(state: State) -> State:
    return "active" if state == "archived" else state


def _rederived(
    house: House, note: Event, target: Event, reason: str
) -> tuple[list[tuple[Engram, Change]], list[Engram]]:
    """What the write chain makes of an event as corrected, against what stands: new versions, and new engrams."""
    event = replace(target, content=note.content, metadata=note.metadata)
    draft = derive(house, (event,), Scope(event.namespace, event.agent_id, event.run_id, event.session))
    standing = house.store.engrams(house.store.derived_from([target.id]))
    rejected = {
        i
        for i, notes in house.store.about(list(standing)).items()
        if any(n.kind == "rejection" for n in notes)
    }
    changes: list[tuple[Engram, Change]] = []
    new: list[Engram] = []
    made = {e.id: e for e in draft.engrams}
    for e in made.values():
        current = standing.get(e.id)
        if current is None:
            new.append(replace(e, recorded_at=note.recorded_at))
        elif e.id not in rejected:
            version = revised(current, e, note.recorded_at)
            if without_index_only(version) != without_index_only(current):
                changes.append((version, "UPDATE"))
    for id, current in standing.items():
        if id not in made and current.sources == (target.id,) and current.state == "active":
            changes.append((revised(current, replace(current, state="archived"), note.recorded_at), "DELETE"))
    return changes, new
