"""Long texts in passages: nothing lost, cut where the writing has a border."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engrams.errors import BadSetting
from engrams.ingest import SplitPassages, split_passages
from engrams.records import Draft, Event, EventId
from engrams.step import Run

TEXTS = st.text(st.sampled_from("ab .\n,。，é\u0301\u200d👩\ud83d\x00") | st.characters(), max_size=300)


@given(TEXTS, st.integers(1, 40))
def test_the_pieces_are_the_text_and_none_is_too_long(text: str, limit: int) -> None:
    pieces = split_passages(text, limit)
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= limit for piece in pieces)


def test_short_texts_are_one_piece_and_empty_ones_none() -> None:
    assert split_passages("short") == ["short"]
    assert split_passages("") == []
    assert [len(p) for p in split_passages("x" * 4001)] == [2000, 2000, 1]


def test_stronger_borders_go_first() -> None:
    #       0123456789012345678901234567890
    text = "One two. Three\n\nfour. Five six seven"
    assert split_passages(text, 24) == ["One two. Three\n\n", "four. Five six seven"]
    assert split_passages("One two three. Four five", 20) == ["One two three. ", "Four five"]
    assert split_passages("one two three four", 10) == ["one two ", "three four"]


def test_a_border_that_would_leave_the_passage_half_empty_is_passed_over() -> None:
    assert split_passages("A. bcdefgh ijkl", 12) == ["A. bcdefgh ", "ijkl"]


def test_scripts_without_spaces_are_cut_behind_their_own_marks() -> None:
    assert split_passages("我今天去公园。天气很好，有风。回家了", 10) == [
        "我今天去公园。",
        "天气很好，有风。",
        "回家了",
    ]


def test_no_cut_inside_one_sign() -> None:
    family = "👩\u200d👧"
    assert split_passages("ab" + family + "cd", 4) == ["ab", family + "c", "d"]
    assert split_passages("abce\u0301f", 4) == ["abc", "e\u0301f"]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    with pytest.raises(BadSetting, match="max_characters"):
        split_passages("x", limit)
    with pytest.raises(BadSetting, match="max_characters"):
        SplitPassages(limit)


class _Run:
    """All of a run that this step asks for."""

    recipe = "r"


def test_the_step_derives_passages_that_name_their_event() -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    long = Event(
        EventId("e1"), "default", "One two. Three four.", "user", at, at, speaker="Mara", session="s"
    )
    short = replace(long, id=EventId("e2"), content="Hi")
    correction = replace(long, id=EventId("e3"), kind="correction")
    run = cast(Run, _Run())
    draft = SplitPassages(max_characters=12)(Draft((long, short, correction)), run)
    assert [(p.content, p.sources, p.kind, p.speaker, p.session) for p in draft.engrams] == [
        ("One two. ", ("e1",), "passage", "Mara", "s"),
        ("Three four.", ("e1",), "passage", "Mara", "s"),
        ("Hi", ("e2",), "passage", "Mara", "s"),
    ]
    assert len({p.id for p in draft.engrams}) == 3
    assert SplitPassages(max_characters=12)(Draft((long, short)), run).engrams == draft.engrams
