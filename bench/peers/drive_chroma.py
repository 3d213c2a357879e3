"""chromadb behind the protocol: PersistentClient, one collection, the user as metadata, cosine."""

from __future__ import annotations

import itertools
from typing import Any

import protocol

AT_ONCE = 1000
"""Memories per call: below Chroma's own limit of 5,461."""


class Chroma(protocol.Driver):
    """Vectors are handed in, so no embedding function runs."""

    package = "chromadb"

    def __init__(self) -> None:
        self._number = itertools.count()

    def open(self, folder: str) -> None:
        import chromadb
        from chromadb.config import Settings

        self._client: Any = chromadb.PersistentClient(folder, settings=Settings(anonymized_telemetry=False))
        self._held: Any = self._client.get_or_create_collection(
            "bench", configuration={"hnsw": {"space": "cosine"}}, embedding_function=None
        )
        self._number = itertools.count(self._held.count())

    def add(self, user: str, text: str) -> None:
        self.add_many([(user, text)])

    def add_many(self, items: list[tuple[str, str]]) -> None:
        for begin in range(0, len(items), AT_ONCE):
            part = items[begin : begin + AT_ONCE]
            self._held.add(
                ids=[f"m{next(self._number)}" for _ in part],
                documents=[text for _, text in part],
                metadatas=[{"user": user} for user, _ in part],
                embeddings=[protocol.vector(text) for _, text in part],
            )

    def search(self, user: str | None, query: str, k: int) -> list[str]:
        found = self._held.query(
            query_embeddings=[protocol.vector(query)],
            n_results=k,
            where=None if user is None else {"user": user},
            include=["documents", "distances"],
        )
        return list(found["documents"][0])


if __name__ == "__main__":
    protocol.serve(Chroma())
