"""Cues, each on a handful of turns."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engrams.errors import BadSetting
from engrams.ports import IS_QUESTION
from engrams.recall.cues import LengthCue, QuestionCues, RoleMatch, SpeakerMatch
from tests.rooms.recall.views import HandView, Turn, found, run


def test_the_speaker_asked_about() -> None:
    view = HandView([Turn(speaker="Anna"), Turn(speaker="Ben"), Turn()])
    made = SpeakerMatch()(found(view, speaker=1), run(view))
    assert made.signals["speaker"].standard().tolist() == [-1, 1, -1]
    assert SpeakerMatch()(found(view), run(view)).signals["speaker"].values.tolist() == [0, 0, 0]


def test_the_user_beside_an_assistant() -> None:
    view = HandView([Turn(role="user"), Turn(role="assistant")])
    assert RoleMatch()(found(view), run(view)).signals["role"].values.tolist() == [1, 0]
    alone = HandView([Turn(role="user"), Turn(role="user")])
    assert RoleMatch()(found(alone), run(alone)).signals["role"].values.tolist() == [0, 0]


def test_questions_and_their_replies() -> None:
    view = HandView([Turn(flags=IS_QUESTION), Turn(), Turn(thread=1), Turn(thread=1, flags=IS_QUESTION)])
    made = QuestionCues()(found(view), run(view))
    assert made.signals["question"].values.tolist() == [1, 0, 0, 1]
    assert made.signals["reply"].values.tolist() == [0, 1, 0, 0]


def test_length_counts_beyond_the_usual() -> None:
    view = HandView([Turn(pieces=(1, 2, 3, 4)), Turn(pieces=(1, 2)), Turn(pieces=(1,)), Turn()])
    made = LengthCue(usual=2)(found(view), run(view))
    assert made.signals["length"].values.tolist() == pytest.approx([math.log(2), 0, 0, 0])


def test_cues_follow_the_candidates() -> None:
    view = HandView([Turn(speaker="Anna", flags=IS_QUESTION), Turn(speaker="Ben"), Turn(speaker="Anna")])
    some = found(view, speaker=0).narrowed(np.array([1, 2], dtype=np.int32))
    assert SpeakerMatch()(some, run(view)).signals["speaker"].values.tolist() == [-1, 1]
    assert QuestionCues()(some, run(view)).signals["reply"].values.tolist() == [1, 0]
    assert LengthCue()(some, run(view)).signals["length"].values.tolist() == [0, 0]


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(BadSetting, match="usual"):
        LengthCue(usual=0)
