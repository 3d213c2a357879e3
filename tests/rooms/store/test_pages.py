"""Room on disk: what a vector costs beside its numbers."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engrams import Memory

DIMENSIONS = 384
COUNT = 600


class Random:
    """Vectors by chance, of MiniLM's size."""

    fingerprint = "test/random"
    dimensions = DIMENSIONS

    def embed(
        self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None
    ) -> NDArray[np.float32]:
        values = np.random.default_rng(len(texts)).standard_normal((len(texts), DIMENSIONS))
        return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def test_a_vector_takes_little_more_room_than_its_numbers(tmp_path: Path) -> None:
    sizes = []
    for name, embedder in (("without", "none"), ("with", Random())):
        path = tmp_path / f"{name}.db"
        with Memory.open(path, embedder=embedder) as memory:
            memory.add_many(f"message {number}" for number in range(COUNT))
        with closing(sqlite3.connect(path)) as db:
            sizes.append(
                db.execute(
                    "select page_count * page_size from pragma_page_count, pragma_page_size"
                ).fetchone()[0]
            )
    each = (sizes[1] - sizes[0]) / COUNT
    assert 4 * DIMENSIONS <= each <= 1.4 * 4 * DIMENSIONS
