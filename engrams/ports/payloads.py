"""Where the large parts of engrams lie: content-addressed, beside the database or inside it."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from engrams.records import ADAPTER, KV_BLOCK

#: How old a payload that no engram names must be before it is collected: whoever put it has had time to commit.
GRACE = timedelta(days=1)
#: Kinds of engrams whose payload may be dropped: it is a cache, and can be made again from its text.
CACHES = (KV_BLOCK, ADAPTER)


@dataclass(frozen=True, slots=True)
class Blob:
    """One payload as it lies in a store: `bytes` as stored, `put_at` the last time somebody put it."""

    namespace: str
    digest: str
    bytes: int
    put_at: datetime


class Payloads(Protocol):
    """The payloads of a store. One belongs to a namespace, and two namespaces with the same bytes know nothing of each other.

    A payload is put first, and the engram that names it is committed after: a commit that names one that is not here is
    refused. It stays as long as a version of an engram names it, and goes with the last one that is erased. One that
    nobody came to name is collected after `GRACE`.
    """

    def put(self, namespace: str, chunks: Iterable[bytes], *, name: Callable[[], str] | None = None) -> str:
        """Keeps bytes, on disk when it returns; their SHA-256 as 64 hex digits, under which they are asked for.

        `name` is asked, after the last chunk, what they lie under instead: for bytes that were encrypted on the way here.
        What lies there is replaced.

        Raises:
            BadSetting: a name that is none.
            Full, Unavailable: they could not be kept; nothing of them was.
        """
        ...

    def open(self, namespace: str, digest: str) -> Iterator[bytes]:
        """The bytes, a chunk at a time; what is wrong with them shows at the latest after the last one.

        Raises:
            NotFound: no such payload in this namespace.
            Corrupt: they are not what was put.
        """
        ...

    def size(self, namespace: str, digest: str) -> int | None:
        """How many bytes lie there; None where there are none."""
        ...

    def drop(self, namespace: str, digest: str) -> bool:
        """Removes the bytes, whoever names them: for caches that can be made again. False where there were none."""
        ...

    def list(self, namespace: str | None = None) -> builtins.list[Blob]:
        """Every payload of a namespace, of all of them with None, by namespace and digest."""
        ...

    def collect(self, before: datetime) -> int:
        """Removes what was put before a time and no engram names; how many payloads went."""
        ...
