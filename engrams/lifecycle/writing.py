"""Writing: messages become events, the recipe derives engrams, and one transaction keeps all of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from itertools import islice

from engrams.errors import BadSetting, ModelError, OverBudget, StepFailed
from engrams.ingest.messages import normalise
from engrams.lifecycle.admitting import admit
from engrams.lifecycle.embedding import entries_of, require_embedder, settings_of
from engrams.lifecycle.later import derive_jobs
from engrams.lifecycle.opening import House
from engrams.lifecycle.retention import require_room
from engrams.lifecycle.telling import tell
from engrams.ports import Commit, Revised
from engrams.records import (
    Decision,
    Derived,
    Draft,
    Engram,
    Event,
    Job,
    Json,
    Message,
    Receipt,
    Scope,
    moment,
    new_event_id,
)

#: Messages of a bulk load per transaction: one disk flush each, small enough that others may write in between.
BATCH = 1000
#: The same where each message is embedded, which takes most of the time: some seconds a batch, then `progress` is told.
EMBEDDED_BATCH = 250
#: Longest idempotency key, in characters.
LONGEST_KEY = 512


def events_of(
    house: House,
    messages: Sequence[Message],
    scope: Scope,
    *,
    occurred_at: datetime | None,
    metadata: Mapping[str, Json],
    sources: Sequence[str | None] = (),
) -> tuple[Event, ...]:
    """Journal entries for messages, in their order; a message's own session, time and metadata win over the call's."""
    now = house.now(scope.namespace)
    ids = [new_event_id() for _ in messages]
    return tuple(
        Event(
            id=ids[i],
            namespace=scope.namespace,
            content=m.content,
            role=m.role,
            occurred_at=m.occurred_at or occurred_at or now,
            recorded_at=now,
            speaker=m.speaker,
            session=m.session or scope.session,
            agent_id=scope.agent_id,
            run_id=scope.run_id,
            metadata={**metadata, **m.metadata},
            attachments=m.attachments,
            source=sources[i] if sources else None,
            thread=m.session or scope.session or f"~{ids[0]}",
        )
        for i, m in enumerate(messages)
    )


def derive(house: House, events: tuple[Event, ...], scope: Scope) -> Draft:
    """Runs the recipe's write chain over events."""
    return house.recipe.write(Draft(events), house.run("write", scope))


def commit_new(
    house: House,
    events: tuple[Event, ...],
    scope: Scope,
    *,
    action: str,
    idempotency: tuple[str, str] | None = None,
) -> Receipt:
    """Derives engrams from new events and keeps everything in one transaction.

    Where a step or a model fails, and always where the recipe's write chain needs a language model, the events are kept
    all the same, with a job that derives from them later.
    """
    require_embedder(house)
    draft, later = _drafted(house, events, scope)
    entries = entries_of(house, draft.engrams, draft)
    derived = tuple(Derived(e.id, e.kind, "ADD", e.sources) for e in draft.engrams)
    revisions = revisions_of(house, draft.decisions, events[0].recorded_at)
    derived += tuple(Derived(r.engram.id, r.engram.kind, r.change, r.engram.sources) for r in revisions)
    pending = len(events) if later else 0
    receipt = Receipt(scope.namespace, tuple(e.id for e in draft.events), derived, pending=pending)
    receipt = house.store.commit(
        Commit(
            receipt=receipt,
            actor=house.actor,
            action=action,
            recorded_at=events[0].recorded_at,
            events=draft.events,
            engrams=tuple(zip(draft.engrams, entries, strict=True)),
            links=draft.links,
            idempotency=idempotency,
            settings=settings_of(house, entries),
            revised=revisions,
            writer=house.recipe.writer,
            jobs=later,
        )
    )
    tell(
        "memory.added",
        action=action,
        namespace=scope.namespace,
        events=len(receipt.event_ids),
        engrams=len(receipt.derived),
        pending=receipt.pending,
        repeated=receipt.repeated,
    )
    return receipt


def _drafted(house: House, events: tuple[Event, ...], scope: Scope) -> tuple[Draft, tuple[Job, ...]]:
    """What the write chain makes of events, or the events alone and the jobs that will."""
    if house.recipe.asks("write") or (house.recipe.unit and len(events) > house.recipe.unit):
        return Draft(events), derive_jobs(house, events)
    try:
        return derive(house, events, scope), ()
    except (StepFailed, ModelError, OverBudget) as failed:
        return Draft(events), derive_jobs(house, events, failed)


def revisions_of(house: House, decisions: Sequence[Decision], at: datetime) -> tuple[Revised, ...]:
    """The next versions of engrams on which something was decided; what is pinned is never taken back."""
    chosen: dict[str, Decision] = {}
    for decision in decisions:
        taken_back = decision.change in ("INVALIDATE", "DELETE")
        if decision.change not in ("ADD", "NOOP") and not (decision.engram.pinned and taken_back):
            chosen[decision.engram.id] = decision
    if not chosen:
        return ()
    standing = house.store.engrams(list(chosen))
    new = [
        replace(revised(standing[id], d.engram, at), confidence=d.confidence)
        for id, d in chosen.items()
        if id in standing
    ]
    return tuple(
        Revised(engram, entry, chosen[engram.id].change, chosen[engram.id].reason, chosen[engram.id].event_id)
        for engram, entry in zip(new, entries_of(house, new), strict=True)
    )


def add(
    house: House,
    messages: object,
    scope: Scope,
    *,
    occurred_at: datetime | date | str | float | None,
    metadata: Mapping[str, Json] | None,
    idempotency_key: str | None,
) -> Receipt:
    """Journals what was said and derives from it: the work behind `Memory.add`."""
    said = normalise(messages)
    when = None if occurred_at is None else moment(occurred_at, "occurred_at")
    extra = checked_metadata(metadata)
    idempotency = None
    if idempotency_key is not None:
        if not isinstance(idempotency_key, str) or not 0 < len(idempotency_key) <= LONGEST_KEY:
            raise BadSetting("idempotency_key", idempotency_key, f"text of 1 to {LONGEST_KEY} characters")
        idempotency = (idempotency_key, _digest(said, scope, when, extra))
    kept = admit(house, said, scope, extra, room=False)
    if not kept:
        return Receipt(scope.namespace, (), withheld=len(said))
    receipt = _repeated(house, scope, kept, idempotency)
    if receipt is None:
        events = events_of(house, kept, scope, occurred_at=when, metadata=extra)
        receipt = commit_new(house, events, scope, action="add", idempotency=idempotency)
    return replace(receipt, withheld=len(said) - len(kept)) if len(kept) < len(said) else receipt


def _repeated(
    house: House, scope: Scope, kept: Sequence[Message], idempotency: tuple[str, str] | None
) -> Receipt | None:
    """The first receipt where the namespace has no room because this very call was carried out before; else None.

    Raises:
        OverBudget: a quota of the namespace would be passed by something new.
    """
    try:
        require_room(house, scope, kept)
    except OverBudget:
        # Looked for after the quota was counted: also one that another process wrote at this moment is found.
        first = None if idempotency is None else house.store.first_receipt(scope.namespace, *idempotency)
        if first is None:
            raise
        return first
    return None


def add_many(
    house: House,
    messages: Iterable[Message],
    scope: Scope,
    *,
    progress: Callable[[int], None] | None = None,
    fingerprints: bool = False,
) -> tuple[int, int]:
    """Bulk load: `BATCH` messages a transaction. Returns (messages written, messages left out as known before).

    With `fingerprints`, a message already in this namespace (same session, time, speaker and text, counted as often
    as it occurs in the source) is left out, so that loading the same or a grown export again adds only what is new.
    """
    seen: dict[str, int] = {}
    written = repeated = 0
    size = BATCH if house.embedder is None or house.embedding is None else EMBEDDED_BATCH
    for batch in _batches(iter(messages), size):
        batch = admit(house, batch, scope, {}, room=False)
        sources: list[str | None] = [None] * len(batch)
        if fingerprints:
            marks = [_fingerprint(m, scope, seen) for m in batch]
            known = house.store.known_sources(scope.namespace, marks)
            fresh = [i for i, mark in enumerate(marks) if mark not in known]
            repeated += len(batch) - len(fresh)
            batch, sources = [batch[i] for i in fresh], [marks[i] for i in fresh]
        if batch:
            require_room(house, scope, batch)
            events = events_of(house, batch, scope, occurred_at=None, metadata={}, sources=sources)
            commit_new(house, events, scope, action="import" if fingerprints else "add")
            written += len(batch)
        if progress is not None:
            progress(written + repeated)
    return written, repeated


def checked_metadata(metadata: object) -> Mapping[str, Json]:
    """Metadata as a mapping with text keys that JSON can hold.

    Raises:
        BadSetting: it is none, or holds what JSON cannot (NaN, dates, objects).
    """
    if metadata is None:
        return {}
    expected = (
        "a mapping with text keys that JSON can hold (text, numbers, true, false, null, lists, mappings)"
    )
    if not isinstance(metadata, Mapping) or not all(isinstance(k, str) for k in metadata):
        raise BadSetting("metadata", metadata, expected)
    try:
        copy: dict[str, Json] = json.loads(json.dumps(dict(metadata), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as cause:
        raise BadSetting("metadata", metadata, f"{expected}; {cause}") from cause
    if copy != dict(metadata):
        raise BadSetting(
            "metadata", metadata, f"{expected}; keys inside must be text, sequences must be lists"
        )
    return copy


def without_index_only(engram: Engram) -> tuple[object, ...]:
    """What makes two versions of an engram differ for a reader; counters and times of recording do not."""
    return (
        engram.content,
        engram.metadata,
        engram.state,
        engram.pinned,
        engram.keys,
        engram.valid_from,
        engram.valid_to,
    )


def revised(current: Engram, new: Engram, at: datetime) -> Engram:
    """The next version of `current` with what `new` says; use, strength and pin stay."""
    return replace(
        new,
        version=current.version + 1,
        recorded_at=at,
        pinned=current.pinned,
        strength=current.strength,
        recall_count=current.recall_count,
        last_recalled_at=current.last_recalled_at,
    )


def _batches(items: Iterator[Message], size: int) -> Iterator[list[Message]]:
    while batch := list(islice(items, size)):
        yield batch


def _digest(said: Sequence[Message], scope: Scope, when: datetime | None, extra: Mapping[str, Json]) -> str:
    asked = [[m.role, m.content, m.speaker, str(m.occurred_at), m.session, m.metadata] for m in said]
    whole = [asked, scope.agent_id, scope.run_id, scope.session, str(when), extra]
    return hashlib.sha256(json.dumps(whole, sort_keys=True, default=dict).encode()).hexdigest()


def _fingerprint(message: Message, scope: Scope, seen: dict[str, int]) -> str:
    parts = [message.session, message.role, message.speaker, str(message.occurred_at), message.content]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
    seen[digest] = seen.get(digest, 0) + 1
    return f"import:{digest}:{seen[digest]}"
