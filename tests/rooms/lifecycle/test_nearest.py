"""Vectors alone in a large namespace: the compressed look finds what the exact one finds, with the same scores."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from engrams import Memory

TEXTS = [
    f"{who} saw {count} {what}" for who in ("Anna", "Ben") for count in range(20) for what in ("dogs", "hens")
]


class Hashed:
    """Vectors of single words by chance, summed: texts that share words are near."""

    fingerprint = "test/hashed"
    dimensions = 128

    def embed(
        self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None
    ) -> NDArray[np.float32]:
        sums = [
            sum(np.random.default_rng(zlib.crc32(w.encode())).standard_normal(128) for w in text.split())
            for text in texts
        ]
        return np.array([s / np.linalg.norm(s) for s in sums], np.float32)


@pytest.mark.parametrize("filters", [None, {"speaker": "Ben"}])
def test_large_namespaces_rank_as_small_ones_do(
    monkeypatch: pytest.MonkeyPatch, filters: dict[str, str] | None
) -> None:
    monkeypatch.setattr("engrams.index.vectors.EXACT_ROWS", 10)
    monkeypatch.setattr("engrams.index.vectors.CANDIDATES", 60)
    small = Memory.catalogue()["dense"]
    large = small.replace("read.NearestVectors.exact", 10)
    found = []
    for recipe in (small, large):
        with Memory.open(":memory:", recipe, embedder=Hashed()) as memory:
            memory.add_many({"role": "user", "content": text, "name": text.split()[0]} for text in TEXTS)
            hits = memory.search("Ben saw 7 dogs", k=5, filters=filters)
            found.append([(hit.text, round(hit.score, 3)) for hit in hits])
    assert found[0] == found[1]
    assert found[1][0][0] == "Ben saw 7 dogs"


def test_rows_without_vectors_leave_the_question_to_all_rows() -> None:
    large = Memory.catalogue()["dense"].replace("read.NearestVectors.exact", 0)
    with Memory.open(":memory:", embedder="none") as without:
        assert without.search("x") == []
    with Memory.open(":memory:", large, embedder=Hashed()) as memory:
        assert memory.search("nothing is here") == []
