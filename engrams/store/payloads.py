"""What every store holds to where payloads are concerned: their names, and what is said of one that is wrong or missing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator

from engrams.errors import BadSetting, Corrupt, NotFound
from engrams.ports import Commit
from engrams.records import Engram, Problem

#: A digest; with the ending, the name of bytes that were encrypted before they came to the store.
NAME = re.compile(r"[0-9a-f]{64}(\.sealed)?")
SEALED = ".sealed"
_RESTORE = "restore a backup, or rebuild the engrams from the journal"


def name_for(digest: str, name: Callable[[], str] | None) -> str:
    """What a payload lies under: its digest, or the name that was given.

    Raises:
        BadSetting: no payload may lie under that.
    """
    found = digest if name is None else name()
    if not NAME.fullmatch(found):
        raise BadSetting("name", found, f"64 hexadecimal digits, and {SEALED!r} for what was encrypted")
    return found


def checked(chunks: Iterable[bytes], name: str, location: str) -> Iterator[bytes]:
    """The chunks as they are; at the end, whether they are what their name says.

    Raises:
        Corrupt: they are not. Nothing is said of bytes that were encrypted: who decrypts them sees it.
    """
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != name and not name.endswith(SEALED):
        raise was_changed(name, location)


def was_changed(name: str, location: str) -> Corrupt:
    """A payload is not what was put."""
    return Corrupt(f"{location}: the payload {name} was changed since it was put; restore a backup")


def naming(change: Commit) -> Iterator[tuple[Engram, str]]:
    """Engrams of a commit whose payload must be here, with its digest. What is brought back may come without its caches."""
    for engram in (*(g for g, _ in change.engrams), *(r.engram for r in change.revised)):
        if engram.payload is not None and not change.replayed:
            yield engram, engram.payload.digest


def not_put(engram: Engram, digest: str) -> NotFound:
    """An engram names a payload that is not here."""
    return NotFound(
        f"engram {engram.id} names the payload {digest[:80]}, which is not in {engram.namespace}; "
        "put it first, and commit within a day"
    )


def missing(digest: str, id: str) -> Problem:
    """What `check` says of an engram whose payload is not there."""
    return Problem(f"payload {digest[:80]} of engram {id} is missing", _RESTORE)


def changed(name: str) -> Problem:
    """What `check` says of a payload that is not what was put."""
    return Problem(f"payload {name} was changed since it was put", _RESTORE)


def orphan(name: str) -> Problem:
    """What `check` says of a payload that nobody came to name."""
    return Problem(f"payload {name} that no engram names", "engrams vacuum", "warning")
