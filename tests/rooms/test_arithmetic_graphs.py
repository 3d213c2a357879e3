"""Walks, chances and mixtures, on numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrams.arithmetic import entropy, min_max, retention, softmax, two_gaussians, walk_graph


def d(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)


def n(*values: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def test_a_walk_between_two_nodes() -> None:
    # x = 1/2 + y/2 and y = x/2
    assert walk_graph(n(0), n(1), d(3), d(1, 0), 0.5).tolist() == pytest.approx([2 / 3, 1 / 3])


def test_a_walk_prefers_the_heavier_edge() -> None:
    # From the middle 3/4 go left; x = 1/2 + (y + z)/2, y = 3x/8, z = x/8
    found = walk_graph(n(0, 0), n(1, 2), d(3, 1), d(2, 0, 0), 0.5)
    assert found.tolist() == pytest.approx([2 / 3, 1 / 4, 1 / 12])


def test_a_node_without_edges_begins_anew() -> None:
    assert walk_graph(n(0), n(1), d(1), d(0, 0, 1), 0.9).tolist() == pytest.approx([0, 0, 1])
    # Half begins in the lonely node, and what it holds goes back to both beginnings.
    found = walk_graph(n(0), n(1), d(1), d(1, 0, 1), 0.5)
    assert found[2] == pytest.approx(0.5 * found[2] / 2 + 0.25)
    assert found.sum() == pytest.approx(1)


def test_a_walk_that_follows_nothing_stays_where_it_begins() -> None:
    assert walk_graph(n(0), n(1), d(1), d(1, 3), 0.0).tolist() == [0.25, 0.75]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.floats(0.01, 9) | st.just(0.0)), max_size=12),
    st.floats(0.05, 0.95),
)
def test_a_walk_is_a_fixed_point(edges: list[tuple[int, int, float]], damping: float) -> None:
    ends, others = n(*(e[0] for e in edges)), n(*(e[1] for e in edges))
    weights, start = d(*(e[2] for e in edges)), d(1, 0, 2, 0, 0, 1)
    rank = walk_graph(ends, others, weights, start, damping)
    matrix = np.zeros((6, 6))
    for one, other, weight in edges:
        matrix[one, other] += weight
        matrix[other, one] += weight
    out = matrix.sum(axis=1)
    step = np.array([row / total if total > 0 else start / 4 for row, total in zip(matrix, out, strict=True)])
    assert np.allclose(rank, damping * rank @ step + (1 - damping) * start / 4, atol=1e-8)
    assert rank.sum() == pytest.approx(1)


def test_softmax_with_a_temperature() -> None:
    assert softmax(d(0, math.log(3))).tolist() == pytest.approx([0.25, 0.75])
    assert softmax(d(0, 2 * math.log(3)), 2.0).tolist() == pytest.approx([0.25, 0.75])
    assert softmax(d(1e6, 1e6)).tolist() == [0.5, 0.5]
    assert softmax(d()).tolist() == []


def test_entropy_of_chances() -> None:
    assert entropy(d(0.5, 0.5)) == pytest.approx(math.log(2))
    assert entropy(d(1, 0, 0)) == 0
    assert entropy(d(0.5, 0.25, 0.25)) == pytest.approx(1.5 * math.log(2))


def test_min_max() -> None:
    assert min_max(d(2, 4, 3)).tolist() == [0, 1, 0.5]
    assert min_max(d(7, 7)).tolist() == [1, 1]
    assert min_max(d()).tolist() == []


def test_what_is_recalled_more_often_is_kept_longer() -> None:
    assert retention(0, 1) == 1
    assert retention(d(1, 2), d(1, 2)).tolist() == pytest.approx([1 / math.e, 1 / math.e])
    assert retention(5, 10) > retention(5, 1)


def test_two_groups_are_told_apart() -> None:
    means, higher = two_gaussians(d(0.1, 0.12, 0.11, 0.8, 0.82))
    assert means.tolist() == pytest.approx([0.11, 0.81], abs=1e-3)
    assert higher.tolist() == [False, False, False, True, True]


def test_one_value_is_one_group() -> None:
    assert two_gaussians(d(0.4, 0.4))[1].tolist() == [True, True]
    assert two_gaussians(d(0.4))[1].tolist() == [True]


def test_two_values_are_two_groups() -> None:
    assert two_gaussians(d(0.2, 0.9))[1].tolist() == [False, True]


def test_an_edge_that_weighs_next_to_nothing_is_none() -> None:
    assert walk_graph(n(0), n(1), d(5e-324), d(1, 0), 0.5).tolist() == [1, 0]
