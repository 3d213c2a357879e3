"""Every measure against numbers worked out by hand."""

from __future__ import annotations

from math import isclose, log2

import pytest
from engrams_bench.measures.abstention import (
    abstention,
    auroc,
    auroc_interval,
    calibration_error,
    reliability,
)
from engrams_bench.measures.cost import spread
from engrams_bench.measures.intervals import interval, resampled_means
from engrams_bench.measures.ndcg import ndcg_at
from engrams_bench.measures.paired import paired
from engrams_bench.measures.ranks import session_ranks, turn_ranks
from engrams_bench.measures.recall import all_at, any_at, recall_at
from engrams_bench.measures.reciprocal import reciprocal_rank


def test_a_turn_ranks_where_the_first_hit_that_rests_on_it_stands() -> None:
    assert turn_ranks([["a"], ["b", "c"], ["a"]], ["c", "a", "x"]) == (2, 1, None)


def test_a_session_ranks_where_its_best_turn_stands_among_sessions() -> None:
    home = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}
    assert session_ranks([["a1"], ["a2"], ["c1"], ["b1"]], ["b", "c", "z"], home) == (3, 2, None)


def test_recall_counts_the_share_of_the_gold() -> None:
    assert recall_at((1, 5, None, 6), 5) == 0.5
    assert recall_at((1, 5, None, 6), 6) == 0.75


@pytest.mark.parametrize(("k", "some", "every"), [(1, 0.0, 0.0), (2, 1.0, 0.0), (7, 1.0, 1.0)])
def test_any_and_all(k: int, some: float, every: float) -> None:
    assert (any_at((2, 7), k), all_at((2, 7), k)) == (some, every)


def test_all_is_lost_with_one_that_was_not_found() -> None:
    assert all_at((1, None), 100) == 0.0


def test_reciprocal_rank_is_that_of_the_first_gold() -> None:
    assert reciprocal_rank((4, 2, None)) == 0.5
    assert reciprocal_rank((None,)) == 0.0


def test_ndcg_by_hand() -> None:
    # gains at ranks 1 and 3: 1 + 1/log2(4) = 1.5; the best order of two: 1 + 1/log2(3)
    assert isclose(ndcg_at((1, 3), 10), 1.5 / (1 + 1 / log2(3)))
    assert ndcg_at((11, None), 10) == 0.0
    assert ndcg_at((1, 2, 3), 2) == 1.0, "the best order is cut at k too"


def test_auroc_counts_pairs_and_halves_ties() -> None:
    # pairs: .9>.2, .9>.5, .5>.2, .5=.5 (half), .1<.2, .1<.5  ->  3.5 of 6
    assert auroc([0.9, 0.5, 0.1], [0.2, 0.5]) == pytest.approx(3.5 / 6)
    assert auroc([], [0.2]) is None


def test_the_interval_of_the_auroc_holds_its_value_and_shrinks_with_data() -> None:
    right, wrong = [0.9, 0.5, 0.1, 0.6], [0.2, 0.5, 0.3]
    low, high = auroc_interval(right, wrong) or (1.0, 0.0)
    assert low < (auroc(right, wrong) or 0) < high
    closer = auroc_interval(right * 20, wrong * 20)
    assert closer is not None and closer[1] - closer[0] < (high - low) / 2
    assert auroc_interval([0.9, 0.8], [0.1, 0.2]) == (1.0, 1.0), "nothing to shake: every sample is in order"
    assert auroc_interval([0.9], [0.1, 0.2]) is None


def test_abstention_by_hand() -> None:
    # said "nothing" to three, two of them rightly, of four that were due; one of the six others was wronged
    told = abstention([True, True, False, False, True, *[False] * 5], [True] * 4 + [False] * 6)
    assert told is not None
    assert told.precision == pytest.approx(2 / 3)
    assert told.recall == 0.5
    assert told.false_alarms == pytest.approx(1 / 6)
    silent = abstention([False, False], [True, False])
    assert silent is not None and silent.precision is None and silent.recall == 0.0
    assert abstention([False], [False]) is None


def test_reliability_by_hand() -> None:
    points = reliability([0.05, 0.15, 0.1, 1.0, 0.95], [False, True, False, True, True])
    assert [(p.low, p.high, p.count) for p in points] == [(0.0, 0.1, 1), (0.1, 0.2, 2), (0.9, 1.0, 2)]
    assert [p.confidence for p in points] == pytest.approx([0.05, 0.125, 0.975])
    assert [p.answerable for p in points] == [0, 0.5, 1]
    # gaps 0.05, 0.375 and 0.025 of one, two and two questions
    assert calibration_error(points) == pytest.approx((0.05 + 2 * 0.375 + 2 * 0.025) / 5)
    assert calibration_error(reliability([], [])) is None


def test_a_spread_by_hand() -> None:
    told = spread([1, 2, 3, 4, 100])
    assert told is not None
    assert (told.mean, told.p50, told.count) == (22.0, 3.0, 5)
    assert told.p95 == pytest.approx(80.8)  # a fifth of the way back from 100 to 4
    assert spread([]) is None


def test_an_interval_of_equal_values_is_a_point() -> None:
    assert interval([0.25] * 8) == (0.25, 0.25)
    assert interval([0.25]) is None
    assert interval([0.2, 0.3], ["one", "one"]) is None


def test_an_interval_over_questions_is_about_two_standard_errors() -> None:
    values = [0.0, 1.0] * 200  # mean 0.5, standard error 0.5 / 20 = 0.025
    low, high = interval(values) or (0.0, 0.0)
    assert low == pytest.approx(0.5 - 1.96 * 0.025, abs=0.006)
    assert high == pytest.approx(0.5 + 1.96 * 0.025, abs=0.006)


def test_conversations_are_drawn_whole() -> None:
    # Two conversations, one all right and one all wrong: means can only be 0, 1/2 or 1, each drawn 1/4, 1/2, 1/4.
    means = resampled_means([1.0] * 10 + [0.0] * 10, ["a"] * 10 + ["b"] * 10)
    assert set(means.tolist()) == {0.0, 0.5, 1.0}
    assert (means == 0.5).mean() == pytest.approx(0.5, abs=0.05)


def test_conversations_weigh_by_their_questions() -> None:
    # three questions against one: both drawn once gives 3/4, not the mean 1/2 of the two means
    means = resampled_means([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"])
    assert set(means.tolist()) == {0.0, 0.75, 1.0}


def test_the_same_seed_gives_the_same_interval() -> None:
    values = [0.1, 0.9, 0.4, 0.7, 0.2]
    assert interval(values) == interval(values)
    assert resampled_means(values, seed=1).tolist() != resampled_means(values, seed=2).tolist()


def test_pairing_sees_a_small_gain_that_two_separate_intervals_hide() -> None:
    before = [0.0, 1.0] * 50
    after = [min(1.0, value + 0.02) for value in before]
    told = paired(before, after)
    assert told.difference == pytest.approx(0.01)
    assert told.established and told.above == 1.0
    apart, other = interval(before), interval(after)
    assert apart is not None and other is not None and apart[1] > other[0]


def test_nothing_is_established_between_equals() -> None:
    told = paired([0.2, 0.8], [0.2, 0.8])
    assert (told.difference, told.interval, told.above, told.established) == (0.0, (0.0, 0.0), 0.5, False)
    with pytest.raises(ValueError, match="3 scores against 1"):
        paired([1, 1, 1], [1])
