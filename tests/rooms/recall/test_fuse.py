"""Summing and shortlisting."""

from __future__ import annotations

import numpy as np
import pytest

from engrams.errors import BadSetting
from engrams.recall.by_words import WordScores
from engrams.recall.found import Found, Signal
from engrams.recall.fuse import Shortlist, SumStandardised, is_dialogue
from tests.rooms.recall.views import HandView, Turn, found, run

TALK = HandView([Turn(speaker="Anna"), Turn(speaker="Ben"), Turn(speaker="Anna")])
NOTES = HandView([Turn(), Turn(), Turn()])


def f(*values: float) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array(values, dtype=np.float32)


def with_signals(view: HandView) -> Found:
    made = found(view).with_signal("counted", Signal(f(1, 3, 5), mean=3, deviation=2))
    return made.with_signal("cue", Signal(f(0, 1, 0)))


def test_the_sum_is_weighted_in_deviations_and_cues_count_as_they_are() -> None:
    step = SumStandardised(dialogue=(("counted", 0.5), ("cue", 2.0)), notes=(("cue", 1.0),))
    summed = step(with_signals(TALK), run(TALK))
    assert summed.names == ("counted", "cue")
    assert summed.shares.tolist() == [[-0.5, 0, 0.5], [0, 2, 0]]
    assert summed.scores.tolist() == [-0.5, 2, 0.5]


def test_notes_have_weights_of_their_own() -> None:
    step = SumStandardised(dialogue=(("counted", 0.5), ("cue", 2.0)), notes=(("cue", 1.0),))
    assert step(with_signals(NOTES), run(NOTES)).scores.tolist() == [0, 1, 0]


def test_a_weight_without_a_signal_is_refused() -> None:
    step = SumStandardised(dialogue=(("moon", 1.0),), notes=())
    with pytest.raises(BadSetting, match="counted, cue"):
        step(with_signals(TALK), run(TALK))


def test_a_dialogue_is_where_people_take_turns() -> None:
    assert is_dialogue(TALK)
    assert is_dialogue(HandView([Turn(role="user"), Turn(role="assistant")]))
    assert not is_dialogue(NOTES)
    assert not is_dialogue(HandView([Turn(speaker="Anna", thread=0), Turn(speaker="Ben", thread=1)]))
    assert not is_dialogue(HandView([]))
    # Two changes among twenty-one neighbours are one guest in a diary, not a dialogue.
    diary = [Turn(speaker="Anna")] * 10 + [Turn(speaker="Ben")] + [Turn(speaker="Anna")] * 11
    assert not is_dialogue(HandView(diary))


BY = SumStandardised(dialogue=(("words", 1.0),), notes=(("words", 1.0), ("meaning", 1.0)))


def test_few_rows_are_all_kept() -> None:
    made = found(NOTES).with_scores("words", f(0, 1, 2))
    assert Shortlist(by=BY, exact=3, size=1)(made, run(NOTES)) is made


def test_many_rows_are_cut_to_the_most_promising() -> None:
    view = HandView([Turn("tea"), Turn("tea tea"), Turn(pieces=(1,)), Turn(pieces=(2,)), Turn()])
    asked = WordScores()(found(view, "tea", pieces=(0,)), run(view))
    kept = Shortlist(by=BY, exact=0, size=3, floor=0.5)(asked, run(view))
    # Rows 0 and 1 by words, row 2 since piece 1 is like piece 0 (0.8); piece 2 (0.4) is below the floor.
    assert kept.rows.tolist() == [0, 1, 2]
    assert not kept.whole
    assert kept.signals["words"].values.tolist() == asked.signals["words"].values[:3].tolist()
    assert kept.signals["words"].mean == asked.signals["words"].mean
    # Pieces 1 and 2 alone occur.
    assert kept.closeness is not None and kept.closeness[0].tolist() == pytest.approx([0.8, 0.4])


def test_rows_that_may_not_be_seen_take_no_place() -> None:
    view = HandView([Turn("tea"), Turn("tea tea"), Turn()], allowed=np.array([True, False, True]))
    asked = WordScores()(found(view, "tea"), run(view))
    assert Shortlist(by=BY, exact=0, size=1)(asked, run(view)).rows.tolist() == [0]
    assert Shortlist(by=BY, exact=0, size=9)(asked, run(view)).rows.tolist() == [0, 2]


def test_no_more_rows_are_touched_than_allowed() -> None:
    view = HandView([Turn(pieces=(1,)), Turn(pieces=(1,)), Turn(pieces=(4,))])
    asked = WordScores()(found(view, pieces=(3, 0)), run(view))
    # Piece 3 and 0 occur nowhere; piece 4 is touched for 3 (one row), piece 1 for 0 would be two more.
    kept = Shortlist(by=BY, exact=0, size=1, floor=0.5, touches=2)(asked, run(view))
    assert kept.rows.tolist() == [2]


def test_the_limit_of_the_query_widens_the_list() -> None:
    view = HandView([Turn("tea"), Turn("tea"), Turn("tea")])
    asked = WordScores()(found(view, "tea", limit=3), run(view))
    assert Shortlist(by=BY, exact=0, size=1)(asked, run(view)).rows.tolist() == [0, 1, 2]


@pytest.mark.parametrize(("setting", "value"), [("size", 0), ("exact", -1), ("floor", 1.1)])
def test_settings_out_of_range_are_refused(setting: str, value: float) -> None:
    with pytest.raises(BadSetting, match=setting):
        Shortlist(by=BY, **{setting: value})  # type: ignore[arg-type]
