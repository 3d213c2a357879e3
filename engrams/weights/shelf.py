"""Where adapters are kept: a memory, as engrams of kind "adapter" with their sources; and the step that makes them of memories."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from engrams.errors import NotFound, UsageError
from engrams.records import ADAPTER, Draft, Engram, Handle
from engrams.step import Run, Step
from engrams.weights.files import MEDIA_TYPE, Adapter, from_bytes, to_bytes
from engrams.weights.lessons import Lesson
from engrams.weights.parametric import ParametricMemory

#: Under what an adapter's engram names its part and its method in the metadata.
PART, METHOD = "part", "method"


class Shelf(Protocol):
    """What is asked of a `Memory`."""

    def keep_payload(
        self,
        content: str,
        kind: str,
        chunks: bytes | Iterable[bytes],
        *,
        fingerprint: str,
        sources: Sequence[str],
        media_type: str = ...,
        metadata: Mapping[str, Any] | None = None,
        id: str | None = None,
        namespace: str | None = None,
    ) -> Handle: ...

    def payload(self, id: str) -> bytes: ...

    def payloads(
        self, kind: str | None = None, *, fingerprint: str | None = None, namespace: str | None = None
    ) -> list[Engram]: ...

    def drop_payload(self, id: str) -> bool: ...


def keep(shelf: Shelf, memory: ParametricMemory, *, namespace: str | None = None) -> tuple[Handle, ...]:
    """Keeps every part of a parametric memory that is not kept yet or has changed; drops the bytes of those it holds no more.

    Raises:
        UsageError: a lesson does not say which event or engram it came from.
    """
    standing = {str(one.metadata[PART]): one for one in _kept(shelf, memory, namespace)}
    handles = []
    for adapter in memory.adapters():
        if not all(lesson.source for one in adapter.sessions for lesson in one.lessons):
            raise UsageError(
                "an adapter is kept with where it came from; give every Lesson a source, the id of an event or engram"
            )
        raw, there = to_bytes(adapter), standing.pop(adapter.part.name, None)
        if there is not None and there.payload is not None and shelf.payload(there.id) == raw:
            said = there.metadata
            handles.append(
                Handle(
                    there.id,
                    memory.learner.fingerprint,
                    there.payload.bytes,
                    int(said["tokens"]),
                    int(said["layers"]),
                )
            )
            continue
        handles.append(
            shelf.keep_payload(
                ", ".join(adapter.part.sessions),
                ADAPTER,
                raw,
                fingerprint=adapter.fingerprint,
                sources=adapter.sources or _every_source(memory),
                media_type=MEDIA_TYPE,
                metadata={
                    PART: adapter.part.name,
                    METHOD: adapter.method,
                    "tokens": told(adapter),
                    "layers": len(memory.learner.layers()),
                },
                id=None if there is None else there.id,
                namespace=namespace,
            )
        )
    for gone in standing.values():
        shelf.drop_payload(gone.id)
    return tuple(handles)


def bring(
    shelf: Shelf,
    memory: ParametricMemory,
    handles: Sequence[Handle] | None = None,
    *,
    namespace: str | None = None,
) -> int:
    """Puts kept parts on a parametric memory, in the order they were kept: all of a namespace, or those that a context named
    (`Context.weights`); how many.

    Raises:
        NotFound: a handle whose bytes are gone.
        Mismatch: an adapter of another model, method or settings.
    """
    named = None if handles is None else {handle.id for handle in handles}
    kept = [one for one in _kept(shelf, memory, namespace) if one.payload is not None]
    if named is not None:
        missing = named - {one.id for one in kept}
        if missing:
            raise NotFound(
                f"no bytes of the adapter {sorted(missing)[0]} for this model; write its session again"
            )
        kept = [one for one in kept if one.id in named]
    memory.take([from_bytes(shelf.payload(one.id), memory.learner.fingerprint) for one in kept])
    return len(kept)


def told(adapter: Adapter) -> int:
    """How many tokens of text an adapter stands for: the first prompt of each lesson with its answer."""
    return sum(len(one.asked[0]) + len(one.answer) for session in adapter.sessions for one in session.lessons)


@dataclass(frozen=True, eq=False)
class WriteAdapters(Step[Draft, Draft]):
    """Makes an adapter of each engram it is handed and keeps it; hands back those whose write passed its judgement.

    `lessons` says what is to be learnt of an engram; their source is the engram, so that the adapter goes with it.
    """

    memory: ParametricMemory
    shelf: Shelf
    lessons: Callable[[Engram], Sequence[Lesson]]

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Writes one session for each engram, named by its id."""
        done = []
        for engram in value.engrams:
            learnt = [replace(one, source=engram.id) for one in self.lessons(engram)]
            if any(held.name == engram.id for held in self.memory.list()):
                self.memory.forget(engram.id)
            if learnt and self.memory.write(engram.id, learnt).kept:
                done.append(engram)
        keep(self.shelf, self.memory, namespace=run.scope.namespace)
        return replace(value, engrams=tuple(done))


@dataclass(frozen=True, eq=False)
class ForgetAdapters(Step[Draft, Draft]):
    """Takes the engrams it is handed out of the weights, and the bytes of their adapters from the shelf; hands all of them on."""

    memory: ParametricMemory
    shelf: Shelf

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Forgets."""
        held = {one.name for one in self.memory.list()}
        for engram in value.engrams:
            if engram.id in held:
                self.memory.forget(engram.id)
        keep(self.shelf, self.memory, namespace=run.scope.namespace)
        return value


def _kept(shelf: Shelf, memory: ParametricMemory, namespace: str | None) -> list[Engram]:
    found = shelf.payloads(ADAPTER, fingerprint=memory.learner.fingerprint, namespace=namespace)
    return [one for one in found if one.metadata.get(METHOD) == memory.method.about.name]


def _every_source(memory: ParametricMemory) -> tuple[str, ...]:
    """What a part that belongs to no session in particular (the maps of `mac`) rests on: everything that was told."""
    return tuple(dict.fromkeys(source for one in memory.list() for source in one.sources))
