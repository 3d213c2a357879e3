"""What every store holds to where payloads are concerned: their names, and what is said of one that is wrong or missing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

from engrams.errors import BadSetting, Corrupt, NotFound
from engrams.ports import Commit
from engrams.records import Engram, Problem

#: A digest; with the ending, the name of bytes that were encrypted before they came to the store.
NAME = re.compile(r"[0-9a-f]{64}(\.sealed)?")
SEALED = ".sealed"
_RESTORE = "restore a backup, or rebuild the engrams from the journal"


def require_name(name: str | None) -> None:
    """Nothing, where a payload may lie under the name.

    Raises:
        BadSetting: it may not.
    """
    if name is not None and not NAME.fullmatch(name):
        raise BadSetting("name", name, f"64 hexadecimal digits, and {SEALED!r} for what was encrypted")


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
