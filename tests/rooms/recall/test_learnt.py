"""Learning from verdicts: one update worked out by hand, and the step that adds what was learnt to a score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np
import pytest

from engrams.errors import BadSetting
from engrams.recall.fuse import Summed
from engrams.recall.learnt import Learnt, Rerank, scorer_id
from engrams.records import Engram, Query, Revision, Scope
from engrams.step import Run
from tests.rooms.recall.views import HandView, Turn, run

VIEW = HandView([Turn(), Turn()])
EARLY, LATE = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC)


@dataclass
class OneScorer:
    """As much of a store as the step asks: the scorer of one namespace and its versions."""

    factors: Mapping[str, float]
    state: str = "active"
    namespace: str = "ada"
    asked: list[str] = field(default_factory=list)

    def engrams(self, ids: list[str]) -> dict[str, Engram]:
        self.asked += ids
        id = scorer_id(self.namespace)
        held = Engram(
            id, self.namespace, "feedback", "scorer", "", EARLY, EARLY, (),
            state=self.state, metadata={"factors": self.factors},
        )  # type: ignore[arg-type]  # fmt: skip
        return {id: held} if id in ids else {}

    def versions(self, id: str) -> list[Revision]:
        now = Revision("UPDATE", LATE, 2, "", "active", "", "", metadata={"factors": self.factors})
        before = replace(now, at=EARLY, version=1, metadata={"factors": {"a": 3.0}})
        return [before, now] if id == scorer_id(self.namespace) else []


def summed(query: Query) -> Summed:
    shares = np.array([[1.0, 2.0], [3.0, 1.0]], np.float32)
    return Summed(query, VIEW, np.arange(2, dtype=np.int32), ("a", "b"), shares, shares.sum(axis=0))


def reranked(store: OneScorer, query: Query) -> Summed:
    held: Run = replace(run(VIEW), store=cast(Any, store))
    return Rerank()(summed(query), held)


ADA = Query("?", Scope("ada"))


def test_a_good_verdict_moves_the_factors_towards_what_sets_the_hit_apart() -> None:
    learnt = Learnt(rate=0.5, pull=0.0)
    # Both score 1, so each has a chance of a half; 0.5 · (1 - 0.5) · ((1, 0) - (0, 1)) = (0.25, -0.25).
    moved = learnt.moved({}, {"a": 1.0, "b": 0.0}, [{"a": 0.0, "b": 1.0}], "cited")
    assert moved == pytest.approx({"a": 1.25, "b": 0.75})
    assert learnt.moved({}, {"a": 1.0, "b": 0.0}, [{"a": 0.0, "b": 1.0}], "chosen") == moved


def test_a_wrong_verdict_moves_them_away() -> None:
    # -0.5 · 0.5 · ((1, 0) - (0, 1)) = (-0.25, 0.25).
    moved = Learnt(rate=0.5, pull=0.0).moved({}, {"a": 1.0}, [{"b": 1.0}], "wrong")
    assert moved == pytest.approx({"a": 0.75, "b": 1.25})


def test_hits_beside_count_by_their_chance_and_every_step_goes_back_towards_one() -> None:
    learnt = Learnt(rate=0.1, pull=0.2, temperature=2.0)
    beside = [{"a": 0.0}, {"a": 2.0 * math.log(2)}]
    # Factor 2: scores / 2 are 0, 0 and 2 ln 2, so the chances are 1/6, 1/6 and 4/6.
    step = 0.1 / 2 * (5 / 6) * (0 - (1 * 0 + 4 * 2 * math.log(2)) / 5)
    moved = learnt.moved({"a": 2.0}, {"a": 0.0}, beside, "cited")
    assert moved["a"] == pytest.approx((2 + step) + 0.2 * (1 - (2 + step)))


def test_a_verdict_on_a_hit_that_stood_alone_tells_nothing() -> None:
    assert Learnt().moved({"a": 1.5}, {"a": 1.0}, [], "cited") == {"a": 1.5}


def test_repeating_a_verdict_brings_the_hit_before_the_other() -> None:
    hit, other = {"a": 1.0, "b": 0.2}, {"a": 0.2, "b": 1.1}
    factors: dict[str, float] = {}
    for _ in range(10):
        factors = Learnt().moved(factors, hit, [other], "cited")
    assert sum(factors[n] * hit[n] for n in hit) > sum(factors[n] * other[n] for n in other)


@pytest.mark.parametrize("field", ["rate", "temperature"])
def test_settings_out_of_range_are_refused(field: str) -> None:
    with pytest.raises(BadSetting, match=f"Learnt.{field}"):
        Learnt(**{field: 0.0})
    with pytest.raises(BadSetting, match=r"Learnt\.pull"):
        Learnt(pull=1.5)


def test_what_was_learnt_stands_beside_the_shares_and_they_add_up() -> None:
    made = reranked(OneScorer({"a": 2.0, "b": 0.5, "unknown": 9.0}), ADA)
    assert made.names == ("a", "b", "learnt")
    assert made.shares.tolist() == [[1, 2], [3, 1], [-0.5, 1.5]]  # 1·1 - 0.5·3, 1·2 - 0.5·1
    assert made.scores.tolist() == [3.5, 4.5]


def test_only_the_best_are_ordered_anew_and_the_others_stay_behind_them() -> None:
    rows = HandView([Turn(), Turn(), Turn()])
    shares = np.array([[1.0, 2.0, 1.0], [4.0, 2.5, 0.5]], np.float32)
    three = Summed(ADA, rows, np.arange(3, dtype=np.int32), ("a", "b"), shares, shares.sum(axis=0))
    held: Run = replace(run(rows), store=cast(Any, OneScorer({"a": 2.0, "b": 0.0})))
    # -4 + 1, -2.5 + 2, and for the third, which is not among two, the lesser of these and not -0.5 + 1.
    assert Rerank(among=2)(three, held).shares[-1].tolist() == [-3.0, -0.5, -3.0]
    rows.allowed = np.array([False, True, True])
    assert Rerank(among=2)(three, held).shares[-1].tolist() == [-0.5, -0.5, 0.5]
    with pytest.raises(BadSetting, match=r"Rerank\.among"):
        Rerank(among=0)


def test_a_factor_stays_between_nothing_and_twice() -> None:
    learnt = Learnt(rate=100.0)
    assert learnt.moved({}, {"a": 1.0, "b": 0.0}, [{"a": 0.0, "b": 1.0}], "cited") == {"a": 2.0, "b": 0.0}


def test_without_feedback_the_sum_passes_as_it_came() -> None:
    for store in (OneScorer({}), OneScorer({"a": 1.0}), OneScorer({"a": 2.0}, namespace="ben")):
        assert reranked(store, ADA).names == ("a", "b")


def test_a_rejected_scorer_is_not_used() -> None:
    assert reranked(OneScorer({"a": 2.0}, state="archived"), ADA).names == ("a", "b")


def test_a_path_with_all_below_it_has_no_scorer() -> None:
    store = OneScorer({"a": 2.0}, namespace="ada/*")
    assert reranked(store, Query("?", Scope("ada/*"))).names == ("a", "b")
    assert store.asked == []


def test_the_past_is_asked_with_what_was_learnt_then() -> None:
    store = OneScorer({"a": 2.0})
    assert reranked(store, replace(ADA, as_of=datetime(2023, 1, 1, tzinfo=UTC))).names == ("a", "b")
    assert reranked(store, replace(ADA, as_of=EARLY)).shares[-1].tolist() == [2, 4]
    assert reranked(store, replace(ADA, as_of=LATE)).shares[-1].tolist() == [1, 2]
