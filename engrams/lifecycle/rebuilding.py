"""Rebuilding: a recipe derives anew from the journal beside what stands, and takes its place at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from engrams.lifecycle import staging
from engrams.lifecycle.embedding import entries_of, require_embedder, settings_of
from engrams.lifecycle.feedback import relearn
from engrams.lifecycle.following import as_corrected, live, ours, rejected_of
from engrams.lifecycle.opening import CURRENT, House
from engrams.lifecycle.replaying import BATCH, catch_up, units
from engrams.lifecycle.writing import revised, without_index_only
from engrams.ports import Commit, Revised, Where
from engrams.recipe import Recipe
from engrams.records import Change, Derived, Draft, Engram, Event, Link, Receipt, Scope

#: Why a version is there that a rebuild made.
REASON = "rebuild"

Tell = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did: journal entries looked at, engrams made, engrams that say something else now or are gone."""

    recipe: str
    entries: int
    made: int
    changed: int


def rebuild(house: House, recipe: Recipe, progress: Tell | None = None) -> Rebuilt:
    """Derives with a recipe from the whole journal and makes it the current one.

    Readers see what stood before until the last moment. A recipe with another write chain is derived beside, batch by
    batch. What stands whole under this write chain is compared with what it derives now, and the differences come in one
    transaction. Cut off, or behind the journal, either goes on where it stopped. What people corrected, rejected, pinned
    or undid holds as before.

    Raises:
        NeedsExtra: the recipe needs a part that is not there.
        StepFailed, ModelError: something cannot be derived; the memory stays as it was.
    """
    target = house.running(recipe)
    require_embedder(target)
    before = target.store.progress(recipe.writer)
    stood = target.store.stats(None, writer=recipe.writer).engrams
    entries = catch_up(target, progress)
    made = target.store.stats(None, writer=recipe.writer).engrams - stood
    changed = 0
    if before.looked and not before.behind:
        changed, fresh = _renew(target, progress)
        made, entries = made + fresh, entries + before.looked
    for namespace in target.store.namespaces():
        relearn(target, namespace)
    target.store.set_setting(CURRENT, recipe.name)
    target.index.forget()
    return Rebuilt(recipe.name, entries, made, changed)


def _renew(house: House, progress: Tell | None) -> tuple[int, int]:
    """Compares what stands with what the write chain derives now; the differences are one commit. (changed, made)."""
    changes: list[tuple[Engram, Change]] = []
    new: list[Engram] = []
    made: list[Link] = []
    at, done, total = house.clock.now(), 0, house.store.stats(None).events
    for namespace, events in _messages(house):
        derived: list[Engram] = []
        for unit in units(as_corrected(house, events), house.recipe.unit):
            there = staging.staged(house, unit)
            if there is None:
                draft = house.recipe.write(Draft(tuple(unit)), house.run("write", Scope(namespace)))
                there = staging.stage(house, unit, draft)
            derived += there.engrams
            made += there.links
        _compare(house, events, derived, changes, new)
        done += len(events)
        if progress is not None:
            progress(done, max(total, done))
    gone = house.store.erased(sorted({s for e in (*new, *(e for e, _ in changes)) for s in e.sources}))
    if gone:  # erased since their piece was derived
        new = [e for e in new if gone.isdisjoint(e.sources)]
        changes = [(e, change) for e, change in changes if gone.isdisjoint(e.sources)]
    if changes or new:
        _swap(house, at, changes, new, made)
    staging.drop(house)
    return len(changes), len(new)


def _swap(
    house: House, at: datetime, changes: list[tuple[Engram, Change]], new: list[Engram], made: list[Link]
) -> None:
    """The differences, in one transaction."""
    ends = {engram.id for engram in new}
    versions = [e for e, _ in changes]
    entries = entries_of(house, [*versions, *new])
    place = (versions or new)[0].namespace
    house.store.commit(
        Commit(
            receipt=Receipt(
                place,
                (),
                tuple(Derived(e.id, e.kind, change, e.sources) for e, change in changes)
                + tuple(Derived(e.id, e.kind, "ADD", e.sources) for e in new),
            ),
            actor=house.actor,
            action="rebuild",
            recorded_at=at,
            engrams=tuple(zip(new, entries[len(versions) :], strict=True)),
            revised=tuple(
                Revised(engram, entry, change, REASON)
                for engram, (_, change), entry in zip(versions, changes, entries, strict=False)
            ),
            links=tuple(link for link in made if link.source in ends or link.target in ends),
            settings=settings_of(house, entries),
        )
    )


def _compare(
    house: House,
    events: list[Event],
    derived: list[Engram],
    changes: list[tuple[Engram, Change]],
    new: list[Engram],
) -> None:
    standing = {e.id: e for e in ours(house, [e.id for e in events])}
    rejected = rejected_of(house, list(standing))
    made = {e.id: e for e in derived}
    at = house.clock.now()
    for id, engram in made.items():
        current = standing.get(id)
        if current is None:
            new.append(engram)
        elif id not in rejected and not _decided(house, current, engram) and not _said(house, current):
            version = revised(current, engram, at)
            if without_index_only(version) != without_index_only(current):
                changes.append((version, "UPDATE"))
    ids = {event.id for event in events}
    for id, current in standing.items():
        alone = ids.issuperset(current.sources)
        if id not in made and alone and current.state == "active" and not _said(house, current):
            changes.append((revised(current, replace(current, state="archived"), at), "DELETE"))


def _decided(house: House, current: Engram, engram: Engram) -> bool:
    """Whether it is out because of what was decided about it (superseded, forgotten), not because it reads otherwise or
    because a rebuild before did not make it."""
    if current.state == "active" or current.content != engram.content:
        return False
    return not gone_by_rebuild(house, current.id)


def gone_by_rebuild(house: House, id: str) -> bool:
    """Whether an engram's last version is that of a rebuild which did not make it."""
    last = house.store.versions(id)[-1]
    return (last.change, last.reason, last.event_id) == ("DELETE", REASON, None)


def _said(house: House, engram: Engram) -> bool:
    """Whether the engram reads as a person said of it: a correction of itself, or of the same engram of another recipe."""
    if engram.version == 1:
        return False
    if any(n.kind == "correction" for n in live(house.store.about([engram.id]).get(engram.id, []))):
        return True
    last = house.store.versions(engram.id)[-1].event_id
    note = None if last is None else house.store.events([last]).get(last)
    return note is not None and note.kind in ("correction", "rejection") and note.target not in engram.sources


def _messages(house: House) -> Iterator[tuple[str, list[Event]]]:
    for namespace in house.store.namespaces():
        after = 0
        while found := house.store.journal(
            Scope(namespace), Where(), kinds=("message",), after=after, limit=BATCH
        ):
            yield namespace, [event for _, event in found]
            after = found[-1][0]
