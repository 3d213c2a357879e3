"""mem0ai behind the protocol: its embedded Qdrant, `infer=False`, no telemetry, a key that is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import protocol

os.environ["MEM0_TELEMETRY"] = "False"
os.environ.setdefault("OPENAI_API_KEY", "none")


class Instant:
    """mem0's form of an embedder; one vector at a time."""

    config = None

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        return protocol.vector(text).tolist()

    def embed_batch(self, texts: list[str], memory_action: str = "add") -> list[list[float]]:
        return [self.embed(text) for text in texts]


class Mem0(protocol.Driver):
    """There is no call that adds many with `infer=False`: bulk is one after the other."""

    package = "mem0ai"
    batch = False
    notes = (
        "no bulk call with infer=False: one add after the other",
        "hybrid search is off in a plain install (fastembed and spaCy are not part of it): vectors alone",
        "cannot search all users at once: a search needs a user, agent or run",
    )

    def open(self, folder: str) -> None:
        os.environ["MEM0_DIR"] = str(Path(folder) / "home")
        from mem0 import Memory

        self._memory: Any = Memory.from_config(
            {
                "vector_store": {
                    "provider": "qdrant",
                    "config": {
                        "path": str(Path(folder) / "qdrant"),
                        "on_disk": True,
                        "embedding_model_dims": protocol.DIMENSIONS,
                        "collection_name": "bench",
                    },
                },
                "history_db_path": str(Path(folder) / "history.db"),
            }
        )
        self._memory.embedding_model = Instant()

    def add(self, user: str, text: str) -> None:
        self._memory.add(text, user_id=user, infer=False)

    def search(self, user: str | None, query: str, k: int) -> list[str]:
        if user is None:
            raise NotImplementedError("mem0 searches within a user, agent or run")
        found = self._memory.search(query, filters={"user_id": user}, top_k=k)
        return [each["memory"] for each in found["results"]]


if __name__ == "__main__":
    protocol.serve(Mem0())
