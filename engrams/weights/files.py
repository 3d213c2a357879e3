"""Parts as bytes: safetensors with a header of plain values, never pickle."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save

from engrams.errors import Corrupt, Mismatch
from engrams.weights.lessons import Lesson, Session
from engrams.weights.method import Part

MEDIA_TYPE = "application/vnd.engrams.weights+safetensors"
#: What a header says it is; raised when a reader of an older one could not read it any more.
FORMAT = 1
#: The name under which safetensors' own metadata (text to text) holds our header.
HEADER = "engrams"
#: What a header must hold.
NEEDED = frozenset({"format", "fingerprint", "method", "settings", "name", "sessions", "notes"})


@dataclass(frozen=True, eq=False, slots=True)
class Adapter:
    """A part with what has to be known to put it on: the model's fingerprint, the method with its settings, and the lessons it
    was learnt from, so that it can be made again without one of its sessions.
    """

    part: Part
    fingerprint: str
    method: str
    settings: Mapping[str, Any]
    sessions: tuple[Session, ...]

    @property
    def sources(self) -> tuple[str, ...]:
        """The events or engrams it rests on."""
        return tuple(dict.fromkeys(source for one in self.sessions for source in one.sources))


def to_bytes(adapter: Adapter) -> bytes:
    """The file. The same adapter gives the same bytes; low-rank maps bear the names that `peft` gives them."""
    header = {
        "format": FORMAT,
        "fingerprint": adapter.fingerprint,
        "method": adapter.method,
        "settings": dict(adapter.settings),
        "name": adapter.part.name,
        "learnt": list(adapter.part.sessions),
        "sessions": [_session(one) for one in adapter.sessions],
        "notes": dict(adapter.part.notes),
    }
    tensors = {name: one.detach().cpu().contiguous().clone() for name, one in adapter.part.tensors.items()}
    return bytes(save(tensors, metadata={HEADER: json.dumps(header, sort_keys=True)}))


def from_bytes(raw: bytes, fingerprint: str) -> Adapter:
    """An adapter from its file, for the model of that fingerprint.

    Raises:
        Corrupt: the bytes are no adapter.
        Mismatch: it was learnt with another model.
    """
    try:
        (size,) = struct.unpack("<Q", raw[:8])
        header = json.loads(json.loads(raw[8 : 8 + size])["__metadata__"][HEADER])
        tensors = load(raw)
    except (struct.error, ValueError, KeyError, TypeError, SafetensorError) as cause:
        raise Corrupt(f"no adapter in safetensors: {cause}; forget it and write its session again") from cause
    if not isinstance(header, dict) or not header.keys() >= NEEDED or header["format"] != FORMAT:
        raise Corrupt(
            f"safetensors without the header of an adapter of format {FORMAT}; write its session again"
        )
    if header["fingerprint"] != fingerprint:
        raise Mismatch(
            f"the adapter {header['name']!r} was learnt with a model of the fingerprint {header['fingerprint']}, and this one "
            f"has {fingerprint}: write its session again with this model"
        )
    part = Part(header["name"], tuple(header["learnt"]), tensors, header["notes"])
    sessions = tuple(_read(one) for one in header["sessions"])
    return Adapter(part, fingerprint, header["method"], header["settings"], sessions)


def _session(one: Session) -> dict[str, Any]:
    lessons = [[lesson.asked, lesson.answer, lesson.otherwise, lesson.source] for lesson in one.lessons]
    return {"name": one.name, "lessons": lessons}


def _read(told: Mapping[str, Any]) -> Session:
    def prompts(given: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
        return tuple(tuple(one) for one in given)

    return Session(
        told["name"],
        tuple(
            Lesson(prompts(asked), tuple(answer), prompts(otherwise), source)
            for asked, answer, otherwise, source in told["lessons"]
        ),
    )
