"""Where blocks lie when they are not in RAM: a folder of files, or a memory in which each is an engram beside its text."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from engrams.errors import NotFound, UsageError
from engrams.kv.files import MEDIA_TYPE
from engrams.records import EngramId, Handle

KIND = "kv-block"
SUFFIX = ".safetensors"


@dataclass(frozen=True, slots=True)
class Origin:
    """What a block was made of, kept apart from it so that it can be made again: its tokens, those before them, the text.

    `sources`: ids of the events or engrams it rests on, in a memory.
    """

    tokens: tuple[int, ...]
    behind: tuple[int, ...] = ()
    text: str = ""
    sources: tuple[str, ...] = ()

    def digest(self, fingerprint: str) -> str:
        """32 hex digits: the same for the same tokens behind the same tokens of the same model."""
        told = json.dumps([fingerprint, self.behind, self.tokens])
        return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Lying:
    """A block as a shelf knows it; `here`: whether its bytes lie there, or were dropped."""

    handle: Handle
    origin: Origin
    here: bool = True
    made: Mapping[str, Any] = field(default_factory=dict)


class Shelf(Protocol):
    """Keeps blocks' bytes under handles, and what they were made of even when the bytes are dropped."""

    def keep(
        self, raw: bytes, origin: Origin, price: Handle, made: Mapping[str, Any], id: str | None = None
    ) -> Handle:
        """Keeps a block; with `id` in place of the one that stands."""
        ...

    def read(self, id: str) -> bytes:
        """Its bytes.

        Raises:
            NotFound: no such block, or its bytes were dropped.
        """
        ...

    def drop(self, id: str) -> bool:
        """Removes its bytes; False where none lay there."""
        ...

    def find(self, id: str) -> Lying:
        """What is known of it.

        Raises:
            NotFound: no such block.
        """
        ...

    def list(self, fingerprint: str) -> list[Lying]:
        """Every block of a model, in the order they were made."""
        ...


class Folder:
    """Blocks as files of a folder, `ID.safetensors`, with `ID.json` beside each that says what it was made of.

    For blocks of texts that are kept elsewhere. An id is a digest of the model and the tokens, so the same text is kept once.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def keep(
        self, raw: bytes, origin: Origin, price: Handle, made: Mapping[str, Any], id: str | None = None
    ) -> Handle:
        name = id or origin.digest(price.fingerprint)
        self.root.mkdir(parents=True, exist_ok=True)
        before = self._said(name)
        said = {
            "at": before["at"] if before else time.time_ns(),
            "fingerprint": price.fingerprint,
            "bytes": len(raw),
            "layers": price.layers,
            "milliseconds_saved": price.milliseconds_saved,
            "tokens": origin.tokens,
            "behind": origin.behind,
            "text": origin.text,
            "sources": origin.sources,
            "made": dict(made),
        }
        self._write(name + SUFFIX, raw)
        self._write(name + ".json", json.dumps(said, ensure_ascii=False).encode())
        return self.find(name).handle

    def read(self, id: str) -> bytes:
        self.find(id)
        try:
            return (self.root / (id + SUFFIX)).read_bytes()
        except FileNotFoundError as gone:
            raise NotFound(
                f"the bytes of the block {id} were dropped; make them again with rebuild"
            ) from gone

    def drop(self, id: str) -> bool:
        self.find(id)
        try:
            (self.root / (id + SUFFIX)).unlink()
        except FileNotFoundError:
            return False
        return True

    def find(self, id: str) -> Lying:
        said = self._said(id)
        if said is None:
            raise NotFound(f"no block {id!r} in {self.root}")
        here = (self.root / (id + SUFFIX)).is_file()
        handle = Handle(
            EngramId(id),
            said["fingerprint"],
            said["bytes"] if here else 0,
            len(said["tokens"]),
            said["layers"],
            said["milliseconds_saved"],
        )
        origin = Origin(tuple(said["tokens"]), tuple(said["behind"]), said["text"], tuple(said["sources"]))
        return Lying(handle, origin, here, said["made"])

    def list(self, fingerprint: str) -> list[Lying]:
        said = {path.stem: self._said(path.stem) for path in self.root.glob("*.json")}
        ours = [(told["at"], id) for id, told in said.items() if told and told["fingerprint"] == fingerprint]
        return [self.find(id) for _, id in sorted(ours)]

    def _said(self, id: str) -> Mapping[str, Any] | None:
        if not id.isalnum():  # no path out of here
            return None
        try:
            found: Mapping[str, Any] = json.loads((self.root / (id + ".json")).read_bytes())
        except FileNotFoundError:
            return None
        return found

    def _write(self, name: str, raw: bytes) -> None:
        """Whole or not at all: another process never reads half a block."""
        half = self.root / f".{name}.{os.getpid()}"
        half.write_bytes(raw)
        half.replace(self.root / name)


class Keeper(Protocol):
    """The calls of `engrams.Memory` that a shelf makes."""

    def add(self, messages: Any, *, namespace: str | None = None) -> Any: ...

    def get(self, id: str) -> Any: ...

    def keep_payload(
        self, content: str, kind: str, chunks: bytes, *, fingerprint: str, sources: Sequence[str], **more: Any
    ) -> Handle: ...

    def payload(self, id: str) -> bytes: ...

    def payloads(self, kind: str | None = None, **more: Any) -> Sequence[Any]: ...

    def drop_payload(self, id: str) -> bool: ...


class InMemory:
    """Blocks as engrams of a memory, in one namespace: with sources, versions and rights, erased with what they rest on.

    A text without sources is journalled first, so that it has one.
    """

    def __init__(self, memory: Keeper, namespace: str = "default") -> None:
        self.memory, self.namespace = memory, namespace

    def keep(
        self, raw: bytes, origin: Origin, price: Handle, made: Mapping[str, Any], id: str | None = None
    ) -> Handle:
        sources = origin.sources
        if not sources:
            if not origin.text:
                raise UsageError(
                    "store: a block in a memory needs the text it was made of (text=), or the ids of the events it rests on "
                    "(sources=)"
                )
            sources = tuple(self.memory.add(origin.text, namespace=self.namespace).event_ids)
        return self.memory.keep_payload(
            origin.text,
            KIND,
            raw,
            fingerprint=price.fingerprint,
            sources=sources,
            media_type=MEDIA_TYPE,
            metadata={
                "tokens": len(origin.tokens),
                "token_ids": list(origin.tokens),
                "behind": list(origin.behind),
                "layers": price.layers,
                "milliseconds_saved": price.milliseconds_saved,
                "made": dict(made),
            },
            id=id,
            namespace=self.namespace,
        )

    def read(self, id: str) -> bytes:
        return self.memory.payload(id)

    def drop(self, id: str) -> bool:
        return self.memory.drop_payload(id)

    def find(self, id: str) -> Lying:
        found = self.memory.get(id)
        if getattr(found, "kind", "") != KIND:
            raise NotFound(f"no block has the id {id!r}")
        return _lying(found)

    def list(self, fingerprint: str) -> list[Lying]:
        found = self.memory.payloads(KIND, fingerprint=fingerprint, namespace=self.namespace)
        return [_lying(engram) for engram in found]


def _lying(engram: Any) -> Lying:
    said = engram.metadata
    saved = said.get("milliseconds_saved")
    handle = Handle(
        engram.id,
        str(said["fingerprint"]),
        engram.payload.bytes if engram.payload else 0,
        int(said.get("tokens", 0)),
        int(said.get("layers", 0)),
        None if saved is None else float(saved),
    )
    origin = Origin(
        tuple(said.get("token_ids", ())), tuple(said.get("behind", ())), engram.content, tuple(engram.sources)
    )
    return Lying(handle, origin, engram.payload is not None, said.get("made", {}))
