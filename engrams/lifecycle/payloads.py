"""Engrams whose large part is no text: key-value blocks and adapters, kept with their sources as everything derived is.

The bytes lie in the store's payloads; what they are is said by an engram that names its sources, so an erase takes them along,
a container brings them elsewhere and history shows them. They are caches: dropped, they can be made again from their text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from engrams.errors import BadSetting, NotFound, OverBudget, UsageError
from engrams.lifecycle.feedback import UNINDEXED
from engrams.lifecycle.opening import House
from engrams.lifecycle.retention import most_bytes
from engrams.lifecycle.telling import tell
from engrams.lifecycle.writing import checked_metadata
from engrams.ports import Commit, Entry, Revised, Where
from engrams.ports.payloads import CACHES
from engrams.records import (
    ADAPTER,
    KV_BLOCK,
    Context,
    Derived,
    Engram,
    EngramId,
    Event,
    Handle,
    Json,
    Payload,
    Receipt,
    Scope,
    new_event_id,
)

#: Who made these engrams, as their `recipe` says: no write chain, so no rebuild and no search touches them.
WRITER = "payloads"
#: Under what names an engram's metadata says what `Handle` tells.
FINGERPRINT, TOKENS, LAYERS, SAVED = "fingerprint", "tokens", "layers", "milliseconds_saved"
#: The longest fingerprint and media type, in characters.
LONGEST = 200
#: Engrams read from the store at once.
PAGE = 1000


def keep(
    house: House,
    scope: Scope,
    content: object,
    kind: str,
    chunks: bytes | Iterable[bytes],
    *,
    fingerprint: str,
    media_type: str,
    sources: Sequence[str],
    metadata: Mapping[str, Json] | None,
    id: str | None,
) -> Handle:
    """Keeps bytes beside the text they were made of: the work behind `Memory.keep_payload`."""
    if kind not in CACHES:
        raise BadSetting("kind", kind, " or ".join(map(repr, CACHES)))
    if not isinstance(content, str):
        raise BadSetting("content", content, "the text that the bytes were made of")
    for key, value in (("fingerprint", fingerprint), ("media_type", media_type)):
        if not isinstance(value, str) or not 0 < len(value) <= LONGEST or not value.isprintable():
            raise BadSetting(key, value, f"text of 1 to {LONGEST} characters on one line")
    named = _sources(house, scope, sources)
    extra = dict(checked_metadata(metadata)) | {FINGERPRINT: fingerprint}
    standing = None if id is None else _found(house, id, kind)
    if standing is not None and standing.namespace != scope.namespace:
        raise BadSetting("namespace", scope.namespace, f"{standing.namespace!r}, where {id} lies")

    count = _Counted((chunks,) if isinstance(chunks, bytes) else chunks, most_bytes(house, scope))
    digest = house.store.payloads.put(scope.namespace, count)
    now = house.now(scope.namespace)
    engram = Engram(
        id=EngramId(str(new_event_id())) if standing is None else standing.id,
        namespace=scope.namespace,
        recipe=WRITER,
        kind=kind,
        content=content,
        occurred_at=max(source.occurred_at for source in named),
        recorded_at=now,
        sources=tuple(source.id for source in named),
        payload=Payload(digest, count.bytes, media_type),
        session=scope.session,
        agent_id=scope.agent_id,
        run_id=scope.run_id,
        metadata=extra,
    )
    _commit(house, engram, standing, "keep_payload", "kept")
    if standing is not None:
        _let_go(house, standing, but=digest)
    tell("payload.kept", namespace=scope.namespace, id=engram.id, kind=kind, bytes=count.bytes)
    return handle_of(engram)


def read(house: House, id: str) -> bytes:
    """The bytes of an engram: the work behind `Memory.payload`."""
    engram = _found(house, id)
    if engram.payload is None:
        raise _dropped(engram)
    try:
        return b"".join(house.store.payloads.open(engram.namespace, engram.payload.digest))
    except NotFound as gone:
        raise _dropped(engram) from gone


def drop(house: House, id: str) -> bool:
    """Removes the bytes, the text stays: the work behind `Memory.drop_payload`."""
    engram = _found(house, id)
    if engram.payload is None:
        return False
    now = house.now(engram.namespace)
    _commit(house, replace(engram, payload=None, recorded_at=now), engram, "drop_payload", "dropped")
    _let_go(house, engram)
    tell("payload.dropped", namespace=engram.namespace, id=id, kind=engram.kind, bytes=engram.payload.bytes)
    return True


def listed(house: House, scope: Scope, kind: str | None, fingerprint: str | None) -> list[Engram]:
    """The engrams with a payload in a scope, oldest first: the work behind `Memory.payloads`."""
    if kind is not None and kind not in CACHES:
        raise BadSetting("kind", kind, " or ".join(map(repr, CACHES)))
    where = Where(kinds=CACHES if kind is None else (kind,), writer=WRITER)
    found: list[Engram] = []
    after = 0
    while page := house.store.list_engrams(scope, where, after=after, limit=PAGE):
        found += [e for _, e in page if fingerprint is None or e.metadata.get(FINGERPRINT) == fingerprint]
        after = page[-1][0]
    return found


def handle_of(engram: Engram) -> Handle:
    """An engram with a payload, as a context names it."""
    said = engram.metadata
    return Handle(
        engram.id,
        str(said.get(FINGERPRINT, "")),
        engram.payload.bytes if engram.payload else 0,
        int(said.get(TOKENS, 0)),
        int(said.get(LAYERS, 0)),
        None if said.get(SAVED) is None else float(said[SAVED]),
    )


def attached(house: House, context: Context) -> Context:
    """A context with the blocks and adapters that rest on what it cites, in the order of its hits.

    One whose text was corrected since is left out: it says what does not hold any more.
    """
    order = {id: place for place, hit in enumerate(context.hits) for id in (*hit.event_ids, hit.id)}
    beside = house.store.derived_from(list(order), with_payload=True) if order else []
    found = [
        engram
        for engram in house.store.engrams([id for id in beside if id not in order]).values()
        if engram.recipe == WRITER and engram.state == "active"
    ]
    if not found:
        return context
    notes = house.store.about([source for engram in found for source in engram.sources])
    fresh = [e for e in found if not _corrected(notes, e)]
    fresh.sort(key=lambda e: (min(order.get(source, len(order)) for source in e.sources), e.recorded_at))
    return replace(
        context,
        kv=tuple(handle_of(e) for e in fresh if e.kind == KV_BLOCK),
        weights=tuple(handle_of(e) for e in fresh if e.kind == ADAPTER),
    )


class _Counted:
    """Chunks on their way into the store, with how many bytes have passed; raises before more than `most` have."""

    def __init__(self, chunks: Iterable[bytes], most: int | None) -> None:
        self._chunks, self._most = chunks, most
        self.bytes = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self.bytes += len(chunk)
            if self._most is not None and self.bytes > self._most:
                raise OverBudget("quota of bytes left for payloads in this namespace", self._most, self.bytes)
            yield chunk


def _corrected(notes: Mapping[str, list[Event]], engram: Engram) -> bool:
    return any(
        note.kind == "correction" and note.recorded_at >= engram.recorded_at
        for source in engram.sources
        for note in notes.get(source, ())
    )


def _sources(house: House, scope: Scope, ids: Sequence[str]) -> list[Event | Engram]:
    """What the bytes rest on, in the order given."""
    if isinstance(ids, str) or not ids or not all(isinstance(id, str) for id in ids):
        raise UsageError(
            "keep_payload: name in sources= the ids of the events or engrams that the bytes were made of (`add` gives them), "
            "so that they go when those are erased"
        )
    found: dict[str, Event | Engram] = {**house.store.events(ids), **house.store.engrams(ids)}
    missing = [id for id in ids if id not in found or found[id].namespace != scope.namespace]
    if missing:
        raise NotFound(f"no event or engram has the id {missing[0]!r} in {scope.namespace}")
    return [found[id] for id in dict.fromkeys(ids)]


def _found(house: House, id: object, kind: str | None = None) -> Engram:
    engram = house.store.engrams([id]).get(EngramId(id)) if isinstance(id, str) else None
    if engram is None or engram.recipe != WRITER or (kind is not None and engram.kind != kind):
        raise NotFound(f"no {kind or 'block or adapter'} has the id {id!r} in {house.store.location}")
    return engram


def _commit(house: House, engram: Engram, standing: Engram | None, action: str, reason: str) -> None:
    new: tuple[tuple[Engram, Entry], ...] = ((engram, UNINDEXED),)
    revised: tuple[Revised, ...] = ()
    change = Derived(engram.id, engram.kind, "ADD" if standing is None else "UPDATE", engram.sources)
    if standing is not None:
        engram = replace(engram, version=standing.version + 1, pinned=standing.pinned, state="active")
        new, revised = (), (Revised(engram, UNINDEXED, "UPDATE", reason),)
    house.store.commit(
        Commit(
            receipt=Receipt(engram.namespace, (), (change,)),
            actor=house.actor,
            action=action,
            recorded_at=engram.recorded_at,
            engrams=new,
            revised=revised,
        )
    )


def _let_go(house: House, before: Engram, but: str = "") -> None:
    """Removes the bytes of a version that stands no longer, unless another engram that stands has the same."""
    if before.payload is None or before.payload.digest == but:
        return
    beside = listed(house, Scope(before.namespace), None, None)
    if not any(e.payload and e.payload.digest == before.payload.digest for e in beside):
        house.store.payloads.drop(before.namespace, before.payload.digest)


def _dropped(engram: Engram) -> NotFound:
    return NotFound(
        f"the bytes of the {engram.kind} {engram.id} were dropped; make them again from its text, with keep_payload(id=…)"
    )
