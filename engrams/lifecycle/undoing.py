"""Undoing: the last change of a memory is taken back, as one more change."""

from __future__ import annotations

from dataclasses import replace

from engrams.errors import UsageError
from engrams.lifecycle.correcting import about, apply, find
from engrams.lifecycle.following import UNDOES, UNDOES_VERSION, ours
from engrams.lifecycle.opening import House
from engrams.records import Engram, Event, Receipt


def undo(house: House, id: str, reason: str) -> Receipt:
    """Takes back the last change of an engram, or of the engrams of an event: a new version that reads as the one before.

    It is journalled, so that every rebuild honours it; undoing the undo brings the change back.

    Raises:
        NotFound: nothing here has that id.
        UsageError: nothing was changed since it was made.
    """
    target = find(house, id)
    if isinstance(target, Event) and target.kind != "message":
        raise UsageError(f"undo: {id} is a {target.kind} of {target.target}; undo that id instead")
    engrams = [target] if isinstance(target, Engram) else ours(house, [target.id])
    changed = [e for e in engrams if e.version > 1]
    if not changed:
        raise UsageError(f"undo: nothing about {id} was changed since it was made; see: engrams history {id}")
    engram = max(changed, key=lambda e: e.recorded_at)
    last = house.store.versions(engram.id)[-1]
    said = None if last.event_id is None else house.store.events([last.event_id]).get(last.event_id)
    if (
        said is None or said.kind == "message"
    ):  # no person's note: a step decided it, and the version alone names it
        note = about(house, engram, "undo", "", {UNDOES_VERSION: last.version})
        return apply(house, note, engram, reason or f"undo of {last.change}: {last.reason}")
    note = about(house, engram, "undo", "", {UNDOES: said.id})
    spoken_of = find(house, said.target)
    note = replace(note, target=said.target)
    return apply(house, note, spoken_of, reason or f"undo of {last.change}: {last.reason}")
