"""Vectors of turns against the question's, worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engrams.errors import BadSetting
from engrams.recall.by_nearest import Spread
from engrams.recall.by_vectors import NAMES, DenseScores, best_of_thread, nearby
from engrams.recall.found import Signal
from engrams.recall.fuse import FuseByRank
from engrams.records import Query
from tests.rooms.recall.views import HandView, Turn, found, run


class Embedded(HandView):
    """A view whose rows have vectors of the embedder "hand"."""

    def __init__(self, *rows: tuple[float, float]) -> None:
        super().__init__([Turn(thread=i // 2) for i in range(len(rows))])
        self.held = np.array(rows, np.float32).reshape(len(rows), 2)

    def vectors(self, fingerprint: str) -> np.ndarray | None:  # type: ignore[type-arg]
        return self.held if fingerprint == "hand" else None


class Hand:
    fingerprint, dimensions = "hand", 2

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: list[str], *, progress: object = None) -> np.ndarray:  # type: ignore[type-arg]
        self.asked += texts
        return np.array([[0.6, 0.8]] * len(texts), np.float32)


def test_signals_are_cosines_of_turns_their_neighbours_and_threads() -> None:
    view, embedder = Embedded((1, 0), (0, 1), (0.6, 0.8), (-1, 0)), Hand()
    asked = replace(found(view), query=Query("what?"))
    made = DenseScores()(asked, replace(run(view), embedder=embedder))
    assert embedder.asked == ["what?"]
    assert made.signals["dense"].values.tolist() == pytest.approx([0.6, 0.8, 1.0, -0.6])
    assert made.signals["dense nearby"].values.tolist() == pytest.approx([0.8, 0.8, 1.0, 1.0])
    assert made.signals["dense session"].values.tolist() == pytest.approx([0.8, 0.8, 1.0, 1.0])
    assert made.signals["dense"].mean == pytest.approx(0.45)


def test_neighbours_and_threads_end_where_they_end() -> None:
    view = HandView([Turn(thread=0), Turn(thread=1), Turn(thread=0), Turn(thread=0)])
    own = np.array([4, 9, 1, 2], np.float32)
    assert nearby(view, own).tolist() == [4, 9, 4, 2]
    assert best_of_thread(view, own).tolist() == [4, 9, 4, 4]


def test_rows_without_a_vector_count_as_average_or_silence_the_signal() -> None:
    rows = [(1.0, 0.0), (0.0, 0.0), (0.0, 1.0), (0.8, -0.6)]  # the last: a cosine of exactly 0, and a vector
    view = Embedded(*rows)
    given = replace(run(view), embedder=Hand())
    lenient = DenseScores(covered=0.7)(found(view, "?"), given).signals["dense"]
    assert lenient.values.tolist() == pytest.approx([0.6, 1.4 / 3, 0.8, 0.0], abs=1e-6)
    strict = DenseScores(covered=0.9)(found(view, "?"), given)
    assert [strict.signals[name].standard().tolist() for name in NAMES] == [[0, 0, 0, 0]] * 3


def test_without_an_embedder_or_vectors_the_signals_say_nothing() -> None:
    view = Embedded((1, 0), (0, 1))
    other = Hand()
    other.fingerprint = "other"
    for embedder in (None, other):
        made = DenseScores()(found(view, "?"), replace(run(view), embedder=embedder))
        assert [made.signals[name].standard().tolist() for name in NAMES] == [[0, 0]] * 3
    assert other.asked == []
    with pytest.raises(BadSetting, match="covered"):
        DenseScores(covered=0)


def test_ranks_are_fused_by_their_reciprocals() -> None:
    view = HandView([Turn(), Turn(), Turn()])
    value = found(view).with_signal("a", Signal(np.array([3, 1, 2], np.float32)))
    value = value.with_signal("b", Signal(np.array([0, 5, 5], np.float32)))
    value = value.with_signal("flat", Signal(np.array([7, 7, 7], np.float32)))
    summed = FuseByRank(("a", "b", "flat"), k=1)(value, run(view))
    # Ranks by a: 1, 3, 2; by b: 3, 1, 2 (equals in the order of rows); flat tells nothing apart.
    assert summed.shares.tolist() == [
        pytest.approx([1 / 2, 1 / 4, 1 / 3]),
        pytest.approx([1 / 4, 1 / 2, 1 / 3]),
        [0, 0, 0],
    ]
    assert summed.scores.tolist() == pytest.approx([3 / 4, 3 / 4, 2 / 3])
    with pytest.raises(BadSetting, match="among"):
        FuseByRank(("missing",))(value, run(view))
    with pytest.raises(BadSetting, match="k"):
        FuseByRank(("a",), k=-1)


def test_mean_and_deviation_of_cosines_follow_from_where_the_vectors_lie() -> None:
    spread = Spread.of(Embedded((1, 0), (0, 1), (0, 0), (0.6, 0.8)), "hand")
    # Rows that have a vector: cosines with (0.8, 0.6) are 0.8, 0.6 and 0.96.
    mean, deviation = spread.moments(np.array([0.8, 0.6], dtype=np.float32))
    assert (spread.share, mean) == pytest.approx((0.75, 2.36 / 3))
    assert deviation == pytest.approx(math.sqrt((0.8**2 + 0.6**2 + 0.96**2) / 3 - (2.36 / 3) ** 2), rel=1e-4)
    assert Spread.of(HandView([Turn()]), "any").share == 0
