"""Array functions, on numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrams.arithmetic import (
    IN_BULK,
    IN_CACHE,
    IN_ONE_THREAD,
    Runs,
    best_k,
    distinct,
    dots,
    moments,
    products,
    ranges,
    rarity,
    saturate,
    standardise,
    top_k,
)


def f(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(values, dtype=np.float32)


def test_moments_of_a_column() -> None:
    assert moments(f(1, 2, 3, 6)) == pytest.approx((3.0, math.sqrt(3.5)))
    assert moments(f()) == (0.0, 0.0)


def test_moments_count_what_is_missing_as_zero() -> None:
    assert moments(f(4, 4), size=4) == pytest.approx((2.0, 2.0))
    with pytest.raises(ValueError, match="below"):
        moments(f(1, 2), size=1)


def test_standardised_values_are_deviations() -> None:
    assert standardise(f(1, 3, 5), 3, 2).tolist() == [-1, 0, 1]
    assert standardise(f(7, 7), 7, 0).tolist() == [0, 0]


def test_rarity_is_positive_even_for_what_stands_everywhere() -> None:
    assert rarity(3, 1) == pytest.approx(math.log(1 + 2.5 / 1.5))
    assert rarity(10, 10) == pytest.approx(math.log(1 + 0.5 / 10.5))


def test_saturation_is_that_of_bm25() -> None:
    # k1 = 1, b = 0.5: 2 * tf / (tf + 0.5 + 0.5 * length / mean)
    got = saturate(f(1, 3, 1), f(2, 2, 6), 2.0, 1.0, 0.5)
    assert got.tolist() == pytest.approx([1.0, 1.5, 2 / 3])


def test_saturation_ignores_length_at_b_zero_and_counts_at_k1_zero() -> None:
    assert saturate(f(2, 2), f(1, 100), 5.0, 1.2, 0.0).tolist() == pytest.approx([4.4 / 3.2] * 2)
    assert saturate(f(1, 9), f(1, 100), 5.0, 0.0, 0.7).tolist() == [1, 1]


def test_top_k_breaks_ties_by_place() -> None:
    assert top_k(f(1, 3, 3, 2, 3), 2).tolist() == [1, 2]
    assert top_k(f(1, 3, 3, 2, 3), 4).tolist() == [1, 2, 4, 3]


def test_top_k_leaves_out_what_is_masked() -> None:
    assert top_k(f(-np.inf, 1, -np.inf), 3).tolist() == [1]
    assert top_k(f(-np.inf, 1, -np.inf), 2).tolist() == [1]
    assert top_k(f(), 3).tolist() == []
    assert top_k(f(1), 0).tolist() == []


@given(st.lists(st.integers(-3, 3)), st.integers(0, 12))
def test_top_k_is_the_head_of_a_stable_sort(values: list[int], k: int) -> None:
    order = sorted(range(len(values)), key=lambda i: -values[i])
    assert top_k(np.array(values, dtype=np.float32), k).tolist() == order[:k]


@given(st.lists(st.sampled_from([-math.inf, -1.0, 0.0, 1.0, 2.0])), st.integers(0, 12))
def test_best_k_are_those_of_top_k(values: list[float], k: int) -> None:
    scores = np.array(values, dtype=np.float32)
    assert best_k(scores, k).tolist() == sorted(top_k(scores, k).tolist())


def test_ranges_lie_one_after_the_other() -> None:
    assert ranges(np.array([5, 0, 2]), np.array([2, 0, 3])).tolist() == [5, 6, 2, 3, 4]
    assert ranges(np.array([], dtype=np.int64), np.array([], dtype=np.int64)).tolist() == []


def test_largest_of_each_run() -> None:
    table = np.array([[1, 0], [5, 1], [2, 0], [9, 0], [3, 2]], dtype=np.float32)
    numbers = np.arange(5)
    assert Runs(numbers, np.array([2, 0, 3])).largest(table).tolist() == [[5, 1], [0, 0], [9, 2]]
    assert Runs(numbers, np.array([2, 3])).largest(table).tolist() == [[5, 1], [9, 2]]
    assert Runs(numbers[:0], np.array([0, 0])).largest(table).tolist() == [[0, 0], [0, 0]]
    assert Runs(numbers[:0], np.array([], dtype=np.int64)).largest(table).shape == (0, 2)
    of_two = Runs(np.array([7, 8, 8]), np.array([2, 1]), places=np.array([0] * 8 + [3]))
    assert of_two.largest(table).tolist() == [[9, 0], [9, 0]]


def test_largest_of_runs_of_very_different_length() -> None:
    random = np.random.default_rng(5)
    lengths = np.array([3, 0, 200, 1, 7, 41, 2, 2, 2, 2, 2, 2, 9, 30])
    numbers = random.integers(0, 50, int(lengths.sum())).astype(np.uint16)
    table = random.standard_normal((50, 3)).astype(np.float32) + np.float32(10)
    ends = np.cumsum(lengths)
    expected = [
        table[numbers[end - length : end]].max(axis=0) if length else np.zeros(3, np.float32)
        for end, length in zip(ends, lengths, strict=True)
    ]
    assert np.array_equal(Runs(numbers, lengths).largest(table), np.array(expected))


def test_products_of_more_rows_than_are_multiplied_at_once() -> None:
    rows = np.arange(2 * IN_ONE_THREAD // 4, dtype=np.float32).reshape(-1, 4) % 7
    columns = np.array([[1, 0, 0, 0], [1, 1, 1, 1], [0, 0, 2, 0]], dtype=np.float32)
    found = products(rows, columns)
    assert found[:2].tolist() == [[0, 6, 4], [4, 4 + 5 + 6 + 0, 12]]
    assert np.array_equal(found, rows @ columns.T)
    assert products(rows[:0], columns).shape == (0, 3)


def test_dots_are_the_same_with_a_numpy_that_lacks_them(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.array([[1, 2], [0, 3], [0, 0]], dtype=np.float32)
    one = np.array([2, -1], dtype=np.float32)
    assert dots(rows, one).tolist() == [0, -3, 0]
    monkeypatch.delattr(np, "vecdot", raising=False)
    assert dots(rows, one).tolist() == [0, -3, 0]
    assert dots(rows[:0], one).shape == (0,)


def test_moments_of_more_values_than_are_worked_on_at_once() -> None:
    values = np.tile(np.array([1, 3], dtype=np.float32), IN_CACHE)
    assert moments(values) == (2.0, 1.0)


def test_moments_in_bulk_are_those_of_wide_sums() -> None:
    values = np.random.default_rng(1).normal(0.3, 0.1, IN_BULK + 100).astype(np.float32)
    wide = values.astype(np.float64)
    assert moments(values) == pytest.approx((wide.mean(), wide.std()), rel=1e-6)
    with_zeros = np.append(wide, np.zeros(IN_BULK))
    assert moments(values, len(with_zeros)) == pytest.approx((with_zeros.mean(), with_zeros.std()), rel=1e-6)
    assert moments(np.full(IN_BULK + 1, 0.3, np.float32)) == (np.float32(0.3), 0.0)


def test_distinct_numbers() -> None:
    assert distinct(np.array([3, 1, 3, 2, 1], np.int32)).tolist() == [1, 2, 3]
    assert distinct(np.empty(0, np.int32)).tolist() == []
