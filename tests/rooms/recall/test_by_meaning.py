"""MaxSim over a table of six pieces: 0 is like 1 (0.8) and 2 (0.4), 3 is like 4 (0.5)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engrams.errors import BadSetting
from engrams.recall import by_meaning
from engrams.recall.by_meaning import StaticMaxSim, in_threes
from tests.rooms.recall.views import HandView, Turn, found, run

VIEW = HandView(
    [
        Turn(pieces=(1, 2), thread=0),
        Turn(pieces=(), thread=0),
        Turn(pieces=(3,), thread=0),
        Turn(pieces=(0, 4), thread=1),
    ]
)
RARE_0 = math.log1p(4 / 2)  # piece 0 stands in one of four rows
RARE_3 = math.log1p(4 / 2)


def test_the_closest_piece_counts_for_each_piece_asked() -> None:
    made = StaticMaxSim()(found(VIEW, pieces=(0, 3)), run(VIEW))
    assert made.signals["meaning"].values.tolist() == pytest.approx(
        [0.8 * RARE_0, 0, RARE_3, RARE_0 + 0.5 * RARE_3]
    )


def test_neighbours_lend_their_share() -> None:
    made = StaticMaxSim(before=0.5, after=0.25)(found(VIEW, pieces=(0, 3)), run(VIEW))
    assert made.signals["meaning nearby"].values.tolist() == pytest.approx(
        [0.8 * RARE_0, 0.5 * 0.8 * RARE_0 + 0.25 * RARE_3, RARE_3, RARE_0 + 0.5 * RARE_3]
    )


def test_fewer_candidates_get_the_same_values(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = StaticMaxSim()(found(VIEW, pieces=(0, 3)), run(VIEW))
    monkeypatch.setattr(by_meaning, "SAMPLE", 2)
    rows = np.array([1, 3], dtype=np.int32)
    some = StaticMaxSim()(found(VIEW, pieces=(0, 3)).narrowed(rows), run(VIEW))
    for name in ("meaning", "meaning nearby"):
        assert some.signals[name].values.tolist() == whole.signals[name].values[rows].tolist()
    # Mean and deviation come from the sample, rows 0, 1 and 2.
    assert some.signals["meaning"].mean == pytest.approx((0.8 * RARE_0 + 0 + RARE_3) / 3)


def test_a_sample_is_threes_of_neighbours_at_even_distances() -> None:
    view = HandView([Turn()] * 20)
    assert in_threes(view, 6).tolist() == [0, 1, 2, 10, 11, 12]
    assert in_threes(view, 20).tolist() == list(range(20))
    assert in_threes(HandView([Turn()] * 3), 1).tolist() == [0, 1, 2]
    assert in_threes(HandView([]), 5).tolist() == []


def test_a_question_without_pieces_says_nothing() -> None:
    made = StaticMaxSim()(found(VIEW), run(VIEW))
    assert made.signals["meaning"].standard().tolist() == [0, 0, 0, 0]


def test_an_empty_view_gives_empty_signals() -> None:
    empty = HandView([])
    made = StaticMaxSim()(found(empty, pieces=(1,)), run(empty))
    assert made.signals["meaning nearby"].values.shape == (0,)


def test_shares_out_of_range_are_refused() -> None:
    with pytest.raises(BadSetting, match="after"):
        StaticMaxSim(after=1.2)
