"""What a rebuild has derived so far, kept in the store until it takes its place: a rebuild that is killed goes on with it.

Each piece of the journal leaves one engram under a writer of its own, which no reader asks for. It names the events it was
derived from and goes, as a scorer does, with the first of them that is erased; it is found again by what was derived from
and how, so that a correction made meanwhile is derived anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engrams.lifecycle.container_rows import engram_from, engram_row, link_from, link_row
from engrams.lifecycle.opening import House
from engrams.ports import Commit, Entry
from engrams.records import SCORER, Derived, Draft, Engram, EngramId, Event, Link, Receipt, derived_id

#: What is added to a writer's name for what its rebuild has derived so far; no recipe can have such a name.
SUFFIX = "~rebuild"
#: Nothing of it is looked up.
_UNINDEXED = Entry(0, np.empty(0, np.uint32), np.empty(0, np.uint8), np.empty(0, np.uint16))


@dataclass(frozen=True, slots=True)
class Staged:
    """What the write chain made of a piece of the journal."""

    engrams: tuple[Engram, ...]
    links: tuple[Link, ...]


def staged(house: House, events: Sequence[Event]) -> Staged | None:
    """What was derived from these events, as they read now, before the rebuild was cut off; None where nothing was."""
    id = _id(house, events)
    found = house.store.engrams([id]).get(id)
    if found is None:
        return None
    rows = json.loads(found.content)
    return Staged(tuple(map(engram_from, rows["engrams"])), tuple(map(link_from, rows["links"])))


def stage(house: House, events: Sequence[Event], draft: Draft) -> Staged:
    """Keeps what the write chain made of these events; on disk when it returns."""
    rows = {
        "engrams": [engram_row(e) for e in draft.engrams],
        "links": [link_row(link) for link in draft.links],
    }
    now = house.clock.now()
    kept = Engram(
        id=_id(house, events),
        namespace=events[0].namespace,
        recipe=house.recipe.writer + SUFFIX,
        kind=SCORER,
        content=json.dumps(rows),
        occurred_at=now,
        recorded_at=now,
        sources=tuple(event.id for event in events),
        state="archived",
    )
    house.store.commit(
        Commit(
            receipt=Receipt(kept.namespace, (), (Derived(kept.id, SCORER, "ADD", kept.sources),)),
            actor=house.actor,
            action="derive",
            recorded_at=now,
            engrams=((kept, _UNINDEXED),),
        )
    )
    return Staged(draft.engrams, draft.links)


def drop(house: House) -> None:
    """Removes what was kept: the rebuild is done."""
    house.store.drop_engrams(house.recipe.writer + SUFFIX)


def _id(house: House, events: Sequence[Event]) -> EngramId:
    said = [[e.id, e.content, dict(e.metadata)] for e in events]
    how = f"{house.recipe.write!r} {house.recipe.unit}"
    digest = hashlib.sha256(json.dumps([how, said], sort_keys=True).encode()).hexdigest()
    return derived_id(house.recipe.writer + SUFFIX, SCORER, (digest,))
