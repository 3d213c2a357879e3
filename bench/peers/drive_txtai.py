"""txtai behind the protocol: an index with content, the user as a column, vectors alone, saved at the end."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import protocol

os.environ["ALLOW_RESOLVE_TRANSFORM"] = (
    "True"  # without it an index with an embedder of one's own cannot be loaded
)

CANDIDATES = 1000
"""Neighbours looked at before the user is filtered: with txtai's own 10 x k most of a user's memories are missed."""

OF_ALL = "select text, score from txtai where similar(:query, :candidates)"
OF_USER = OF_ALL + " and user = :user"


def embed(texts: list[Any]) -> Any:
    """txtai's form of an embedder."""
    return np.array([protocol.vector(str(text)) for text in texts], dtype=np.float32)


class Txtai(protocol.Driver):
    """Nothing is durable before `save`, which writes the whole index: too much for every add or thousand."""

    package = "txtai"
    notes = (
        "no add is durable: only save() writes, and it writes the whole index; once a size here, in no row",
        f"the user is filtered among the {CANDIDATES} nearest of all users: with more users it finds less, down to nothing",
    )

    def __init__(self) -> None:
        self._number = itertools.count()

    def open(self, folder: str) -> None:
        from txtai import Embeddings

        self._place = str(Path(folder) / "index")
        self._held: Any = Embeddings(
            {"method": "external", "transform": "drive_txtai.embed", "content": True}
        )
        if Path(self._place).exists():
            self._held.load(self._place)
            self._number = itertools.count(self._held.count())

    def add(self, user: str, text: str) -> None:
        self._held.upsert([(f"m{next(self._number)}", {"text": text, "user": user}, None)])

    def add_many(self, items: list[tuple[str, str]]) -> None:
        self._held.upsert(
            [(f"m{next(self._number)}", {"text": text, "user": user}, None) for user, text in items]
        )

    def search(self, user: str | None, query: str, k: int) -> list[str]:
        asked = OF_ALL if user is None else OF_USER
        found = self._held.search(
            asked, limit=k, parameters={"query": query, "candidates": str(CANDIDATES), "user": user}
        )
        return [each["text"] for each in found]

    def close(self) -> None:
        self._held.save(self._place)
        self._held.close()


if __name__ == "__main__":
    protocol.serve(Txtai())
