"""What follows from a note: the new versions that a correction, rejection, pin or undo brings, for one writer's engrams.

People speak about what they see. A note about an engram of another writer (another recipe derived it) follows the events
that engram came from, so that a correction survives every swap of recipes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from engrams.lifecycle.opening import House
from engrams.lifecycle.writing import derive, revised, without_index_only
from engrams.records import Change, Engram, Event, Revision, Scope, State

#: How an undo names what it takes back: the note, or a version that no note brought about.
UNDOES, UNDOES_VERSION = "undoes", "undoes_version"


@dataclass(slots=True)
class Following:
    """New versions of engrams that stand, with what changed, and engrams that were not there."""

    changes: list[tuple[Engram, Change]] = field(default_factory=list)
    new: list[Engram] = field(default_factory=list)


def following(house: House, note: Event, target: Event | Engram) -> Following:
    """What a note means for the engrams of the open recipe's writer."""
    if note.kind == "undo":
        return _undone(house, note, target)
    if isinstance(target, Engram) and target.recipe != house.recipe.writer:
        return _of_another(house, note, target)
    if note.kind == "correction" and isinstance(target, Event):
        return rederived(house, note, replace(target, content=note.content, metadata=note.metadata))
    return said_of(note, [target] if isinstance(target, Engram) else ours(house, [target.id]))


def ours(house: House, events: Sequence[str]) -> list[Engram]:
    """The open writer's engrams of some events, whatever their state."""
    found = house.store.engrams(house.store.derived_from(list(events)))
    return [e for e in found.values() if e.recipe == house.recipe.writer]


def said_of(note: Event, engrams: Sequence[Engram]) -> Following:
    """The next version of each engram that a note speaks of."""
    at, out = note.recorded_at, Following()
    for e in engrams:
        if note.kind == "correction":
            new = replace(e, content=note.content, metadata=note.metadata, state=_live(e.state))
            out.changes.append((revised(e, new, at), "UPDATE"))
        elif note.kind == "rejection" and e.state != "archived":
            out.changes.append((revised(e, replace(e, state="archived"), at), "DELETE"))
        elif note.kind in ("pin", "unpin") and e.pinned != (note.kind == "pin"):
            out.changes.append((replace(revised(e, e, at), pinned=note.kind == "pin"), "NOOP"))
    return out


def rederived(house: House, note: Event, event: Event) -> Following:
    """What the write chain makes of an event as it reads now, against what stands."""
    scope = Scope(event.namespace, event.agent_id, event.run_id, event.session)
    made = {e.id: e for e in derive(house, (event,), scope).engrams}
    standing = {e.id: e for e in ours(house, [event.id])}
    rejected = rejected_of(house, list(standing))
    out = Following()
    for e in made.values():
        current = standing.get(e.id)
        if current is None:
            out.new.append(replace(e, recorded_at=note.recorded_at))
        elif e.id not in rejected:
            version = revised(current, e, note.recorded_at)
            if without_index_only(version) != without_index_only(current):
                out.changes.append((version, "UPDATE"))
    for id, current in standing.items():
        if id not in made and current.sources == (event.id,) and current.state == "active":
            archived = replace(current, state="archived")
            out.changes.append((revised(current, archived, note.recorded_at), "DELETE"))
    return out


def rejected_of(house: House, ids: Sequence[str]) -> set[str]:
    """Those of the engrams that a person rejected, and nobody took that back."""
    about = house.store.about(ids)
    return {id for id, notes in about.items() if any(n.kind == "rejection" for n in live(notes))}


def live(notes: Sequence[Event]) -> list[Event]:
    """Notes about one thing without those that were undone, oldest first; an undo that was undone counts for nothing."""
    gone: set[str] = set()
    kept = []
    for note in reversed(notes):
        if note.id in gone:
            continue
        if note.kind == "undo":
            gone.add(str(note.metadata.get(UNDOES)))
        else:
            kept.append(note)
    return kept[::-1]


def as_corrected(house: House, events: Sequence[Event]) -> list[Event]:
    """Events with the latest correction of each applied; the journal itself stays as it was written."""
    about = house.store.about([e.id for e in events])
    out = []
    for event in events:
        for other in live(about.get(event.id, ())):
            if other.kind == "correction":
                event = replace(event, content=other.content, metadata=other.metadata)
        out.append(event)
    return out


def reason_of(house: House, note: Event) -> str:
    """Why, as the history of what the note spoke of has it."""
    said = (r for r in house.store.versions(note.target or "") if r.event_id == note.id)
    return next((r.reason for r in said), note.kind)


def _undone(house: House, note: Event, target: Event | Engram) -> Following:
    out = Following()
    undone = note.metadata.get(UNDOES)
    if isinstance(target, Engram) and target.recipe == house.recipe.writer:
        engrams = [target]
    else:
        engrams = ours(house, target.sources if isinstance(target, Engram) else [target.id])
    for engram in engrams:
        history = house.store.versions(engram.id)
        last = history[-1]
        by_note = undone is not None and last.event_id == undone
        by_version = engram.id == note.target and last.version == note.metadata.get(UNDOES_VERSION)
        if by_note or by_version:
            before = _before(house, engram, history)
            if before is not None:
                out.changes.append((revised(engram, before, note.recorded_at), "UPDATE"))
    return out


def _before(house: House, engram: Engram, history: Sequence[Revision]) -> Engram | None:
    """The engram as it was before its last change; one that had just been made was not there: archived."""
    if len(history) < 2:
        return replace(engram, state="archived") if engram.state == "active" else None
    return house.store.version(engram.id, history[-2].version)


def _of_another(house: House, note: Event, target: Engram) -> Following:
    """What a note about an engram of another writer means for ours, by the events both came from."""
    events = as_corrected(house, list(house.store.events(list(target.sources)).values()))
    if note.kind not in ("correction", "rejection"):
        return said_of(note, ours(house, [e.id for e in events]))
    history = house.store.versions(target.id)
    said = [r for r in history if r.event_id == note.id]
    old = (said[0].previous if said else None) or target.content
    for event in events:
        if note.kind == "rejection" and event.content.strip() == old.strip():
            return said_of(note, ours(house, [event.id]))
        if old in event.content:
            text = event.content.replace(old, note.content, 1)
            return rederived(house, note, replace(event, content=text))
    if note.kind == "correction" and events:
        # Not in the event's own words, as with a fact that a model made of it: the correction is added to what was said.
        first = events[0]
        return rederived(house, note, replace(first, content=f"{first.content}\n{note.content}"))
    return Following()


def _live(state: State) -> State:
    return "active" if state == "archived" else state
