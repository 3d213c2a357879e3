"""Selecting: ties, events, filters, what is gone."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from engrams.errors import BadSetting
from engrams.recall.fuse import Summed
from engrams.recall.select import Everything, Nothing, Top
from engrams.records import Query
from tests.rooms.recall.views import HandStore, HandView, Turn, run


def summed(view: HandView, *scores: float, limit: int | None = None) -> Summed:
    shares = np.array([[s / 4 for s in scores], [3 * s / 4 for s in scores]], dtype=np.float32)
    return Summed(
        Query("?", limit=limit),
        view,
        np.arange(view.size, dtype=np.int32),
        ("quarter", "rest"),
        shares,
        shares.sum(axis=0),
    )


def texts(ranked: object) -> list[str]:
    return [s.item.content for s in ranked.items]  # type: ignore[attr-defined]


FOUR = HandView([Turn()] * 4)


def test_the_best_come_first_and_ties_as_written() -> None:
    ranked = Top(k=3)(summed(FOUR, 1, 2, 2, 0), run(FOUR))
    assert texts(ranked) == ["101", "102", "100"]


def test_every_hit_shows_the_share_of_each_signal() -> None:
    best = Top(k=1)(summed(FOUR, 1, 8, 2, 0), run(FOUR)).items[0]
    assert best.score == 8
    assert dict(best.parts) == {"quarter": 2, "rest": 6}
    assert sum(best.parts.values()) == best.score


def test_the_limit_of_the_query_goes_first() -> None:
    assert len(Top(k=1)(summed(FOUR, 1, 2, 3, 4, limit=2), run(FOUR))) == 2


def test_one_hit_per_event() -> None:
    view = HandView([Turn(event=0), Turn(event=0), Turn(event=0), Turn(event=1), Turn(event=2)])
    ranked = Top(k=2)(summed(view, 5, 9, 8, 1, 2), run(view))
    assert texts(ranked) == ["101", "104"]
    assert texts(Top(k=9)(summed(view, 5, 9, 8, 1, 2), run(view))) == ["101", "104", "103"]


def test_rows_that_may_not_be_seen_are_left_out() -> None:
    view = HandView([Turn()] * 3, allowed=np.array([True, False, False]))
    assert texts(Top()(summed(view, 1, 2, 3), run(view))) == ["100"]


def test_what_was_erased_meanwhile_is_left_out_and_nothing_shifts() -> None:
    store = HandStore(gone=frozenset({101}))
    ranked = Top(k=3)(summed(FOUR, 1, 9, 2, 0), run(FOUR, store))
    assert [(s.item.content, s.score) for s in ranked.items] == [("102", 2), ("100", 1)]


def test_everything_is_newest_first() -> None:
    days = (3, 1, 2, 3)
    view = HandView([Turn(at=datetime(2024, 1, d, tzinfo=UTC)) for d in days])
    assert texts(Everything()(Query("?"), run(view))) == ["103", "100", "102", "101"]
    assert texts(Everything()(Query("?", limit=1), run(view))) == ["103"]
    view.allowed = np.array([False, True, True, False])
    assert texts(Everything()(Query("?"), run(view))) == ["102", "101"]


def test_nothing_is_nothing() -> None:
    assert len(Nothing()(Query("?"), run(FOUR))) == 0


def test_an_empty_view_has_no_hits() -> None:
    empty = HandView([])
    assert len(Top()(summed(empty), run(empty))) == 0
    assert len(Everything()(Query("?"), run(empty))) == 0


@pytest.mark.parametrize("step", [Top, Everything])
def test_k_below_one_is_refused(step: type[Top]) -> None:
    with pytest.raises(BadSetting, match="at least 1"):
        step(k=0)
