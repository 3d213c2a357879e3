"""Engrams behind the protocol: without vectors, vectors alone, or the house recipe with vectors."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import protocol

NAMESPACE = "bench"
TURNS_PER_SESSION = 20


class Instant:
    """An embedder that costs nothing, so that the store shows."""

    fingerprint = "benchmark/instant"
    dimensions = protocol.DIMENSIONS

    def embed(self, texts: Sequence[str], *, progress: Any = None) -> Any:
        """float32[n, 384]."""
        return np.array([protocol.vector(text) for text in texts], dtype=np.float32)


class Engrams(protocol.Driver):
    """`mode`: "words" (the house recipe without an embedder), "vectors" (recipe dense), "house" (with the embedder)."""

    package = "engrams"

    def __init__(self, mode: str) -> None:
        self._recipe = "dense" if mode == "vectors" else "engrams"
        self._embedder: object = "none" if mode == "words" else Instant()
        self._count = itertools.count()

    def open(self, folder: str) -> None:
        from engrams import Memory, Message  # here, so that a cold start counts it, as it does for every peer

        self._made = Message
        self._memory: Any = Memory.open(
            Path(folder) / "memory.db", recipe=self._recipe, embedder=self._embedder
        )

    def _message(self, text: str) -> Any:
        number = next(self._count)
        return self._made(
            role=("user", "assistant")[number % 2],
            content=text,
            speaker=("Anna", "Ben")[number % 2],
            session=f"s{number // TURNS_PER_SESSION}",
        )

    def add(self, user: str, text: str) -> None:
        self._memory.add(self._message(text), namespace=NAMESPACE, user_id=user)

    def add_many(self, items: list[tuple[str, str]]) -> None:
        for user, group in itertools.groupby(items, lambda item: item[0]):
            self._memory.add_many(
                (self._message(text) for _, text in group), namespace=NAMESPACE, user_id=user
            )

    def search(self, user: str | None, query: str, k: int) -> list[str]:
        hits = (
            self._memory.search(query, k=k, namespace=f"{NAMESPACE}/*")
            if user is None
            else self._memory.search(query, k=k, namespace=NAMESPACE, user_id=user)
        )
        return [hit.text for hit in hits]

    def close(self) -> None:
        self._memory.close()


if __name__ == "__main__":
    protocol.serve(Engrams(sys.argv[1] if len(sys.argv) > 1 else "words"))
