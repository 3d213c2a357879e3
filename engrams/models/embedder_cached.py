"""Embeddings remembered by content: the same text is embedded once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from engrams.errors import BadSetting
from engrams.models.embedder_rows import checked_texts

if TYPE_CHECKING:
    from engrams.ports import Embedder, Float32

CAPACITY = 4_096
"""Texts remembered by default: 6 MB at 384 dimensions."""

DIGEST_BYTES = 16
"""128 bits: two texts of one digest are not to be expected before 2**64 texts."""


class CachedEmbedder:
    """Another embedder, with the vectors of the texts asked for last kept in memory.

    Texts that occur twice in one call are embedded once. Safe from several threads; two threads that miss the same
    text at the same time may both embed it.
    """

    def __init__(self, inner: Embedder, capacity: int = CAPACITY) -> None:
        """`capacity`: how many texts are remembered, 1 or more; the one not asked for longest goes first.

        Raises:
            BadSetting: `capacity` is below 1.
        """
        if isinstance(capacity, bool) or not isinstance(capacity, int) or capacity < 1:
            raise BadSetting("capacity", capacity, "a whole number, 1 or more")
        self.inner = inner
        self._capacity = capacity
        self._kept: OrderedDict[bytes, Float32] = OrderedDict()
        self._lock = threading.Lock()
        self._hits = self._misses = 0

    @property
    def fingerprint(self) -> str:
        """The inner embedder's."""
        return self.inner.fingerprint

    @property
    def dimensions(self) -> int:
        """The inner embedder's."""
        return self.inner.dimensions

    @property
    def counts(self) -> tuple[int, int]:
        """(texts answered from memory, texts embedded) so far."""
        return self._hits, self._misses

    def embed(self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None) -> Float32:
        """float32[n, dimensions], rows of unit length; what is remembered counts as done from the start."""
        wanted = checked_texts(texts)
        if not wanted:
            return self.inner.embed([])
        digests = [_digest(text) for text in wanted]
        found: dict[bytes, Float32] = {}
        missing: dict[bytes, str] = {}
        with self._lock:
            for digest, text in zip(digests, wanted, strict=True):
                row = self._kept.get(digest)
                if row is None:
                    missing[digest] = text
                else:
                    self._kept.move_to_end(digest)
                    found[digest] = row
            self._misses += len(missing)
            self._hits += len(wanted) - len(missing)
        known = len(wanted) - len(missing)
        if missing:
            told = None if progress is None else _after(progress, known, len(wanted))
            # Copied and frozen: a row is kept without the batch it came in, and nobody can change it here.
            rows = self.inner.embed(list(missing.values()), progress=told)
            for digest, row in zip(missing, rows, strict=True):
                found[digest] = np.array(row, dtype=np.float32)
            with self._lock:
                for digest in missing:
                    self._kept[digest] = found[digest]
                    self._kept.move_to_end(digest)
                while len(self._kept) > self._capacity:
                    self._kept.popitem(last=False)
        elif progress is not None:
            progress(len(wanted), len(wanted))
        out: Float32 = np.stack([found[digest] for digest in digests])
        return out

    def forget(self) -> None:
        """Drops every remembered vector."""
        with self._lock:
            self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return f"CachedEmbedder({self.inner!r}, capacity={self._capacity})"


def _after(progress: Callable[[int, int], None], known: int, total: int) -> Callable[[int, int], None]:
    return lambda done, _: progress(known + done, total)


def _digest(text: str) -> bytes:
    # Lone surrogates, which broken exports hold, have no UTF-8 of their own.
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()
