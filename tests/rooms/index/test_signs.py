"""The compressed look at vectors: right distances, exact cosines, and what it finds of the true nearest."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from engrams.index.signs import Signs, packed
from engrams.index.vectors import Vectors
from engrams.ports import Int64
from engrams.records import Scope

NOW = datetime(2024, 5, 1, tzinfo=UTC)
LEAST_FOUND = 0.98


class VectorStore:
    """Gives the vectors of rows 1, 2, 3, ... of one embedder."""

    def __init__(self, values: NDArray[np.float32]) -> None:
        self.values = values

    def entry_vectors(
        self, scope: Scope, fingerprint: str, *, after: int = 0
    ) -> tuple[Int64, NDArray[np.float32]]:
        return np.arange(after + 1, len(self.values) + 1), self.values[after:]


def clustered(rows: int, dimensions: int = 384, seed: int = 3) -> NDArray[np.float32]:
    """Unit vectors as embedders make them: topics, a decaying spectrum, a mean that all share."""
    random = np.random.default_rng(seed)
    spectrum = (1 + np.arange(dimensions)) ** -0.5
    topics = random.standard_normal((rows // 50 + 1, dimensions)) * spectrum
    values = topics[random.integers(0, len(topics), rows)]
    values = values + 0.8 * random.standard_normal((rows, dimensions)) * spectrum + 0.7 * spectrum[0] / 8
    values = values @ np.linalg.qr(random.standard_normal((dimensions, dimensions)))[0]
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def held(values: NDArray[np.float32]) -> tuple[Vectors, Int64]:
    return Vectors(VectorStore(values), Scope("a")), np.arange(1, len(values) + 1)  # type: ignore[arg-type]


def test_distance_is_the_number_of_dimensions_of_other_sign() -> None:
    signs = Signs(3)
    signs.extend(np.array([[1, -1, 0.5], [1, 1, 1], [-1, 1, -1]], np.float32))
    assert signs.distances(np.array([1, -1, 1], np.float32), 3).tolist() == [0, 1, 3]
    assert signs.nearest(np.array([1, -1, 1], np.float32), 2, 3).tolist() == [0, 1]
    assert signs.kept(np.array([True, False, True])).distances(
        np.array([1, 1, 1], np.float32), 2
    ).tolist() == [1, 2]


def test_dimensions_that_fill_no_word_are_packed() -> None:
    assert packed(np.ones((1, 70), np.float32)).tolist() == [[2**64 - 1, 0b11111100]]


def test_rows_that_come_later_are_found_too() -> None:
    values = clustered(3000)
    signs, at_once = Signs(384), Signs(384)
    for begin in range(0, 3000, 700):
        signs.extend(values[begin : begin + 700])
    at_once.extend(values)
    asked = values[17]
    assert np.array_equal(signs.distances(asked, 3000), at_once.distances(asked, 3000))
    assert signs.distances(asked, 3000)[17] == 0


def test_few_rows_are_compared_exactly() -> None:
    values = clustered(500)
    vectors, rows = held(values)
    found = vectors.nearest("m", rows, values[7], 10, None)
    assert found is not None
    exact = values @ values[7]
    assert found[0].tolist() == np.argsort(-exact, kind="stable")[:10].tolist()
    assert found[0][0] == 7
    assert np.allclose(found[1], np.sort(exact)[::-1][:10])


@pytest.mark.skipif(not hasattr(np, "bitwise_count"), reason="numpy below 2.0 compares every row exactly")
def test_among_many_rows_nearly_all_of_the_nearest_are_found() -> None:
    values = clustered(20_000)
    vectors, rows = held(values)
    random = np.random.default_rng(9)
    hits = total = 0
    for at in random.integers(0, len(values), 40):
        asked = values[at] + 0.03 * random.standard_normal(384).astype(np.float32)
        asked /= np.linalg.norm(asked)
        found = vectors.nearest("m", rows, asked, 10, None)
        assert found is not None
        cosines = values @ asked
        assert np.allclose(found[1], cosines[found[0]], atol=1e-6), "cosines are exact"
        assert (np.diff(found[1]) <= 0).all()
        hits += len(set(found[0].tolist()) & set(np.argsort(-cosines)[:10].tolist()))
        total += 10
    assert hits / total >= LEAST_FOUND


def test_only_allowed_rows_are_found() -> None:
    values = clustered(12_000)
    vectors, rows = held(values)
    for every in (2, 1000):
        allowed = np.arange(len(values)) % every == 1
        found = vectors.nearest("m", rows, values[4], 10, allowed)
        assert found is not None
        assert allowed[found[0]].all() and len(found[0]) == 10


def test_rows_taken_out_are_not_found() -> None:
    values = clustered(9_000)
    vectors, rows = held(values)
    assert vectors.nearest("m", rows, values[4], 10, None) is not None
    mask = np.arange(len(values)) != 4
    found = vectors.kept(mask).nearest("m", rows[mask], values[4], 10, None)
    assert found is not None
    exact = values[mask] @ values[4]
    assert found[0][0] == int(np.argmax(exact)) and exact[found[0][0]] < 0.999


def test_without_counting_of_bits_every_row_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(np, "bitwise_count", raising=False)
    monkeypatch.setattr("engrams.index.vectors.EXACT_ROWS", 100)
    values = clustered(500)
    vectors, rows = held(values)
    found = vectors.nearest("m", rows, values[7], 10, None)
    assert found is not None
    assert found[0].tolist() == np.argsort(-(values @ values[7]), kind="stable")[:10].tolist()
