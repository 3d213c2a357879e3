"""Importing: a file of any known form becomes events, again and again without doubles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from engrams.ingest import detect, read
from engrams.lifecycle.opening import House
from engrams.lifecycle.writing import add_many
from engrams.records import Message, Scope


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import found and did. `repeated` messages were here before and were left out."""

    path: str
    format: str
    messages: int
    sessions: int
    written: int
    repeated: int


def import_file(
    house: House, path: Path, scope: Scope, *, format: str | None, progress: Callable[[int], None] | None
) -> Imported:
    """Reads a file, told apart by its content, and journals what is new in it.

    Raises:
        UnknownFormat: no reader knows the form; or a line of it is broken. Nothing was written then.
    """
    known = format or detect(path)
    sessions: set[str | None] = set()
    count = 0

    def counted() -> Iterator[Message]:
        nonlocal count
        for message in read(path, format=known):
            sessions.add(message.session)
            count += 1
            yield message

    written, repeated = add_many(house, counted(), scope, progress=progress, fingerprints=True)
    return Imported(str(path), known, count, len(sessions - {None}), written, repeated)
