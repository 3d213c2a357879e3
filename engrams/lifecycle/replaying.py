"""Replaying the journal: a writer derives from what is there already, as often as asked, and writes nothing twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from engrams.errors import Refused, StepFailed, Unreadable
from engrams.lifecycle.embedding import entries_of, require_embedder, settings_of
from engrams.lifecycle.following import Following, following, reason_of
from engrams.lifecycle.opening import House
from engrams.lifecycle.writing import revisions_of
from engrams.ports import Commit, Entry, Revised
from engrams.records import Derived, Draft, Engram, Event, Link, Receipt, Scope

#: Journal entries per transaction: some seconds of work that a kill can lose.
BATCH = 250
#: What one message can cause while others pass. A model that cannot be reached, or asks to wait, answers none of them.
ONE_MESSAGES_FAULT = (StepFailed, Unreadable, Refused)


def catch_up(house: House, progress: Callable[[int, int], None] | None = None) -> int:
    """Looks at every journal entry the open recipe's writer has not looked at; returns how many.

    Each batch is kept as it is done, so that a run that was cut off goes on where it stopped.

    Raises:
        StepFailed, ModelError: something cannot be derived; what is done stays done.
    """
    require_embedder(house)
    writer = house.recipe.writer
    done, total = 0, house.store.progress(writer).behind
    while found := house.store.behind(writer, limit=BATCH):
        entries = [event for _, event in found]
        replay(house, entries)
        house.store.looked(writer, entries[-1].namespace, found[-1][0])
        done += len(found)
        if progress is not None:
            progress(done, max(total, done))
    return done


def replay(house: House, entries: Sequence[Event]) -> int:
    """Derives from journal entries in their order what is not there yet; returns tokens that models took."""
    tokens = 0
    for run in _runs(entries):
        if run[0].kind == "message":
            for unit in units(run, house.recipe.unit):
                tokens += derive_again(house, unit)
        else:
            for note in run:
                _follow(house, note)
    return tokens


def derive_again(house: House, events: Sequence[Event]) -> int:
    """Derives from messages of one namespace; returns tokens that models took.

    Where a step fails, or a model's answer cannot be used, the halves are tried alone, so that one message that cannot be
    derived from holds up no other.

    Raises:
        StepFailed, Unreadable, Refused: a message that cannot be derived from, after all others were.
    """
    try:
        return _derive(house, tuple(events))
    except ONE_MESSAGES_FAULT as failed:
        if len(events) == 1:
            raise
        first: Exception = failed
    tokens, middle, again = 0, len(events) // 2, False
    for half in (events[:middle], events[middle:]):
        try:
            tokens += derive_again(house, half)
        except ONE_MESSAGES_FAULT as failed:
            first, again = failed, True
    if again:
        raise first
    return tokens


def _derive(house: House, events: tuple[Event, ...]) -> int:
    scope = Scope(events[0].namespace)
    run = house.run("write", scope)
    draft = house.recipe.write(Draft(events), run)
    there = house.store.engrams([e.id for e in draft.engrams])
    entries = entries_of(house, draft.engrams, draft)
    new = [(e, entry) for e, entry in zip(draft.engrams, entries, strict=True) if e.id not in there]
    ends = {e.id for e, _ in new}
    links = tuple(link for link in draft.links if link.source in ends or link.target in ends)
    decisions = [d for d in draft.decisions if not _was_brought(house, d.engram, d.event_id)]
    revised = revisions_of(house, decisions, house.clock.now())
    if new or revised or links:
        _commit(house, scope, [e for e, _ in new], [entry for _, entry in new], revised, links)
    return run.trace.price.tokens


def _follow(house: House, note: Event) -> None:
    """Applies a note to the writer's engrams, once."""
    found: Event | Engram | None = house.store.events([note.target or ""]).get(note.target or "")
    found = found or house.store.engrams([note.target or ""]).get(note.target or "")
    if found is None:  # what it spoke of was erased, or came from a recipe that is not here
        return
    follows: Following = following(house, note, found)
    changes = [c for c in follows.changes if not _was_brought(house, c[0], note.id)]
    if not changes and not follows.new:
        return
    reason = reason_of(house, note)
    entries = entries_of(house, [*(e for e, _ in changes), *follows.new])
    revised = tuple(
        Revised(engram, entry, change, reason, note.id)
        for (engram, change), entry in zip(changes, entries, strict=False)
    )
    _commit(house, Scope(note.namespace), follows.new, entries[len(changes) :], revised, ())


def _was_brought(house: House, engram: Engram, event_id: str | None) -> bool:
    """Whether an event brought a version of an engram about before."""
    return event_id is not None and any(r.event_id == event_id for r in house.store.versions(engram.id))


def _commit(
    house: House,
    scope: Scope,
    new: Sequence[Engram],
    entries: Sequence[Entry],
    revised: tuple[Revised, ...],
    links: tuple[Link, ...],
) -> None:
    derived = [Derived(e.id, e.kind, "ADD", e.sources) for e in new]
    derived += [Derived(r.engram.id, r.engram.kind, r.change, r.engram.sources) for r in revised]
    house.store.commit(
        Commit(
            receipt=Receipt(scope.namespace, (), tuple(derived)),
            actor=house.actor,
            action="derive",
            recorded_at=house.clock.now(),
            engrams=tuple(zip(new, entries, strict=True)),
            revised=revised,
            links=links,
            settings=settings_of(house, entries),
        )
    )


def units(events: Sequence[Event], size: int) -> Iterator[Sequence[Event]]:
    """Messages as a write chain is given them: at most `size` at a time, of one conversation, in their order; 0: all."""
    if not size:
        yield events
        return
    lines: dict[str, list[Event]] = {}
    for event in events:
        lines.setdefault(event.session or event.thread, []).append(event)
    for line in lines.values():
        for start in range(0, len(line), size):
            yield line[start : start + size]


def _runs(entries: Sequence[Event]) -> Iterator[list[Event]]:
    """Neighbouring entries of one namespace that are all messages, or all notes."""
    run: list[Event] = []
    for event in entries:
        if run and (run[0].namespace, run[0].kind == "message") != (event.namespace, event.kind == "message"):
            yield run
            run = []
        run.append(event)
    if run:
        yield run
