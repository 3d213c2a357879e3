"""Vectors remembered by content."""

from __future__ import annotations

import numpy as np
import pytest

from engrams.errors import BadSetting
from engrams.models.embedder_cached import CachedEmbedder
from engrams.models.embedder_plugged import CallableEmbedder
from tests.rooms.models.embeddings_server import numbers


class Counting:
    """Remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, texts: list[str]) -> list[list[float]]:
        self.asked += texts
        return [numbers(text) for text in texts]


@pytest.fixture
def model() -> Counting:
    return Counting()


def cached(model: Counting, capacity: int) -> CachedEmbedder:
    return CachedEmbedder(CallableEmbedder(model, 8, "counting"), capacity)


def test_a_text_is_embedded_once(model: Counting) -> None:
    embedder = cached(model, 10)
    first = embedder.embed(["a", "b", "a"])
    second = embedder.embed(["b", "c"])
    assert model.asked == ["a", "b", "c"]
    assert np.array_equal(first[0], first[2])
    assert np.array_equal(first[1], second[0])
    assert embedder.counts == (2, 3)


def test_the_one_not_asked_for_longest_goes_first(model: Counting) -> None:
    embedder = cached(model, 2)
    embedder.embed(["a"])
    embedder.embed(["b"])
    embedder.embed(["a"])
    embedder.embed(["c"])  # b goes
    assert len(embedder) == 2
    model.asked.clear()
    embedder.embed(["a", "c", "b"])
    assert model.asked == ["b"]


def test_more_texts_than_it_holds(model: Counting) -> None:
    texts = [str(number) for number in range(50)]
    embedder = cached(model, 3)
    assert np.array_equal(embedder.embed(texts), CallableEmbedder(model, 8, "x").embed(texts))
    assert len(embedder) == 3


def test_texts_that_differ_in_a_blank_are_two(model: Counting) -> None:
    embedder = cached(model, 10)
    embedder.embed(["a", "a ", "\ud800", "\ud801"])
    assert len(embedder) == 4


def test_what_is_remembered_cannot_be_changed_from_outside(model: Counting) -> None:
    embedder = cached(model, 10)
    kept = embedder.embed(["a"]).copy()
    embedder.embed(["a"])[:] = 0
    assert np.array_equal(embedder.embed(["a"]), kept)


def test_forget(model: Counting) -> None:
    embedder = cached(model, 10)
    embedder.embed(["a"])
    embedder.forget()
    embedder.embed(["a"])
    assert model.asked == ["a", "a"]


def test_progress_counts_what_is_remembered_as_done() -> None:
    embedder = CachedEmbedder(CallableEmbedder(Counting(), 8, "counting", batch=2), 10)
    embedder.embed(["a", "b"])
    told: list[tuple[int, int]] = []
    embedder.embed(["a", "c", "b", "d", "e"], progress=lambda *step: told.append(step))
    assert told == [(4, 5), (5, 5)]


def test_a_failure_leaves_nothing_behind() -> None:
    def fails(texts: list[str]) -> list[list[float]]:
        raise OSError("gone")

    embedder = CachedEmbedder(CallableEmbedder(fails, 8, "fails"), 10)
    with pytest.raises(OSError, match="gone"):
        embedder.embed(["a"])
    assert len(embedder) == 0


@pytest.mark.parametrize("capacity", [0, -1, 1.5, True])
def test_capacity_out_of_range(model: Counting, capacity: int) -> None:
    with pytest.raises(BadSetting, match="capacity"):
        cached(model, capacity)
