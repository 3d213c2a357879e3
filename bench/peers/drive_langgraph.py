"""LangGraph's SqliteStore behind the protocol: a namespace per user, vectors of the field `text`."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import protocol


def embed(texts: list[str]) -> list[list[float]]:
    """LangGraph's form of an embedder."""
    return [protocol.vector(text).tolist() for text in texts]


class LangGraph(protocol.Driver):
    """`text_fields` is the key this store reads; the `fields` of its documentation it passes over, and embeds all JSON."""

    package = "langgraph-checkpoint-sqlite"

    def __init__(self) -> None:
        self._number = itertools.count()

    def open(self, folder: str) -> None:
        from langgraph.store.sqlite import SqliteStore

        index: Any = {"dims": protocol.DIMENSIONS, "embed": embed, "text_fields": ["text"]}
        self._context = SqliteStore.from_conn_string(str(Path(folder) / "store.db"), index=index)
        self._store: Any = self._context.__enter__()
        self._store.setup()
        self._number = itertools.count(len(list(Path(folder).iterdir())) * 10**9)

    def add(self, user: str, text: str) -> None:
        self._store.put(("bench", user), f"m{next(self._number)}", {"text": text})

    def add_many(self, items: list[tuple[str, str]]) -> None:
        from langgraph.store.base import PutOp

        self._store.batch(
            [PutOp(("bench", user), f"m{next(self._number)}", {"text": text}) for user, text in items]
        )

    def search(self, user: str | None, query: str, k: int) -> list[str]:
        path = ("bench",) if user is None else ("bench", user)
        return [item.value["text"] for item in self._store.search(path, query=query, limit=k)]

    def close(self) -> None:
        self._context.__exit__(None, None, None)


if __name__ == "__main__":
    protocol.serve(LangGraph())
