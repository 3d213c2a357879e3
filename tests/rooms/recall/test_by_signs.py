"""Finding by signs: what is guessed points the same way as the cosines, and who is left is looked at exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from engrams.errors import BadSetting
from engrams.ports import Float32
from engrams.recall.by_signs import ExactVectors, SignScores, least_beside, least_of_thread
from engrams.recall.by_vectors import DenseScores
from tests.rooms.recall.views import HandView, Turn, found, run

DIMENSIONS = 384


@dataclass
class VectorView(HandView):
    """A view whose rows have vectors."""

    values: Float32 | None = None

    def vectors(self, fingerprint: str) -> Float32 | None:
        return self.values


class Fixed:
    """An embedder that gives one vector for everything."""

    fingerprint = "fixed"
    dimensions = DIMENSIONS

    def __init__(self, vector: Float32) -> None:
        self._vector = vector

    def embed(self, texts: Sequence[str], *, progress: Any = None) -> Float32:
        return np.stack([self._vector for _ in texts])


def unit(values: Float32) -> Float32:
    made: Float32 = values / np.linalg.norm(values, axis=-1, keepdims=True)
    return made


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(3)


@pytest.mark.parametrize("threads", ["one behind the other", "woven"])
def test_guesses_follow_the_cosines_and_candidates_get_them(
    random: np.random.Generator, threads: str
) -> None:
    size = 300
    asked = unit(random.standard_normal(DIMENSIONS).astype(np.float32))
    noise = unit(random.standard_normal((size, DIMENSIONS)).astype(np.float32))
    view = VectorView(
        [Turn(thread=at // 10 if threads == "one behind the other" else at % 30) for at in range(size)],
        values=unit(noise + random.uniform(-1, 1, (size, 1)).astype(np.float32) * asked),
    )
    given = replace(run(view), embedder=Fixed(asked))
    exact = DenseScores()(found(view, "?"), given).signals
    guessed = SignScores(otherwise=DenseScores(), above=0)(found(view, "?"), given)
    for name in ("dense", "dense nearby", "dense session"):
        assert np.corrcoef(guessed.signals[name].values, exact[name].values)[0, 1] > 0.6, name
    rows = np.array([0, 9, 10, 150, 299], np.int32)
    left = ExactVectors()(guessed.narrowed(rows), given).signals
    for name in ("dense", "dense nearby"):
        assert left[name].values == pytest.approx(exact[name].values[rows], abs=1e-6)
        # Fewer rows than a sample has: its mean and deviation are those of all.
        assert (left[name].mean, left[name].deviation) == pytest.approx(
            (exact[name].mean, exact[name].deviation), abs=1e-6
        )


def test_few_rows_no_embedder_and_missing_vectors_are_left_to_the_exact_step(
    random: np.random.Generator,
) -> None:
    vectors = unit(random.standard_normal((10, DIMENSIONS)).astype(np.float32))
    view = VectorView([Turn() for _ in range(10)], values=vectors)
    given = replace(run(view), embedder=Fixed(vectors[0]))
    step = SignScores(otherwise=DenseScores(), above=10)
    assert step(found(view, "?"), given).signals["dense"].values[0] == pytest.approx(1)
    assert (
        not SignScores(otherwise=DenseScores(), above=0)(found(view, "?"), run(view))
        .signals["dense"]
        .values.any()
    )
    view.values = np.where(np.arange(10)[:, np.newaxis] < 2, 0, vectors).astype(np.float32)
    sparse = SignScores(otherwise=DenseScores(), above=0)(found(view, "?"), given)
    assert sparse.vector is None and not sparse.signals["dense"].values.any()
    assert ExactVectors()(sparse, given) is sparse


def test_least_of_neighbours_and_of_threads() -> None:
    values = np.array([5, 1, 7, 9, 3, 8], np.uint16)
    in_a_row = HandView([Turn(thread=t) for t in (0, 0, 0, 1, 1, 2)])
    assert least_beside(in_a_row, values).tolist() == [1, 1, 1, 3, 3, 8]
    assert least_of_thread(in_a_row, values).tolist() == [1, 1, 1, 3, 3, 8]
    woven = HandView([Turn(thread=t) for t in (0, 1, 0, 1, 0, 1)])
    assert least_beside(woven, values).tolist() == [5, 1, 3, 1, 3, 8]
    assert least_of_thread(woven, values).tolist() == [3, 1, 3, 1, 3, 1]


def test_the_first_and_the_last_row_have_no_neighbour_beyond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "empty_like", np.zeros_like)  # what stood in the memory before may not count
    values = np.array([5, 6, 7], np.uint16)
    assert least_beside(HandView([Turn()] * 3), values).tolist() == [5, 5, 6]


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(BadSetting, match="above"):
        SignScores(otherwise=DenseScores(), above=-1)
    with pytest.raises(BadSetting, match="covered"):
        SignScores(otherwise=DenseScores(), covered=0)
