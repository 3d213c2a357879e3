"""Where Cache-Craft keeps its chunk caches: several variants of a chunk, each read behind other chunks, and which one goes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engrams.errors import BadSetting
from engrams.kv.reuse.craft_scores import Contact, fix_overhead
from engrams.kv.reuse.joining import Piece

#: A reuse that fixes nothing counts as one that fixes this share: what 1/CFO is capped by. An approximation; the paper's
#: treatment of 0 was not read.
LEAST_OVERHEAD = 0.01


def name_of(tokens: Sequence[int]) -> str:
    """A chunk's name: a digest of its tokens."""
    return hashlib.sha256(",".join(map(str, tokens)).encode()).hexdigest()


@dataclass(eq=False)
class Variant:
    """One cache of a chunk: what it is, what it looked at, and `worth`, the sum of 1/CFO over its uses."""

    chunk: str
    piece: Piece
    contact: Contact
    worth: float = 0.0
    added: int = 0


class ChunkCaches:
    """At most `chunks` · `variants` chunk caches, at most `variants` of one chunk; the one of the least worth goes.

    Safe from several threads. Source: Cache-Craft, section 3.4: f_r grows by 1/CFO at each use; of equal worth the oldest goes.
    """

    def __init__(self, chunks: int = 100, variants: int = 5) -> None:
        if chunks < 1 or variants < 1:
            raise BadSetting("chunks, variants", (chunks, variants), "1 or more of each", "cache-craft")
        self.chunks, self.variants = chunks, variants
        self._held: dict[str, list[Variant]] = {}
        self._added = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many caches are held."""
        return sum(map(len, self._held.values()))

    def __iter__(self) -> Iterator[Variant]:
        """Every cache held."""
        with self._lock:
            return iter([v for variants in self._held.values() for v in variants])

    def best(self, chunk: str, prefix: Sequence[str], alpha: float) -> tuple[Variant, float] | None:
        """The variant of a chunk that needs least fixing behind `prefix`, and its CFO; None where none is held."""
        with self._lock:
            rated = [(v, fix_overhead(v.contact, prefix, alpha)) for v in self._held.get(chunk, ())]
        return min(rated, key=lambda pair: pair[1], default=None)

    def used(self, variant: Variant, overhead: float) -> None:
        """Counts a use: the less was to be fixed, the more it was worth."""
        with self._lock:
            variant.worth += 1.0 / max(overhead, LEAST_OVERHEAD)

    def add(self, variant: Variant) -> tuple[Variant, ...]:
        """Takes a variant in (in place of one behind the same chunks) and gives what had to go for it."""
        with self._lock:
            of_chunk = self._held.get(variant.chunk, [])
            gone = [self._drop([v]) for v in of_chunk if v.contact.prefix == variant.contact.prefix]
            if len(self._held.get(variant.chunk, ())) == self.variants:
                gone.append(self._drop(self._held[variant.chunk]))
            if len(self) == self.chunks * self.variants:
                gone.append(self._drop([v for variants in self._held.values() for v in variants]))
            self._added += 1
            variant.added = self._added
            self._held.setdefault(variant.chunk, []).append(variant)
            return tuple(gone)

    def _drop(self, among: Sequence[Variant]) -> Variant:
        """Takes out the one of the least worth, of equal worth the oldest."""
        least = min(among, key=lambda v: (v.worth, v.added))
        self._held[least.chunk] = [v for v in self._held[least.chunk] if v is not least]
        if not self._held[least.chunk]:
            del self._held[least.chunk]
        return least
