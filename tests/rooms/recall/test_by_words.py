"""Scores by words, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engrams.errors import BadSetting
from engrams.recall import by_words
from engrams.recall.by_words import SessionScores, WindowScores, WordScores
from tests.rooms.recall.views import HandView, Turn, found, run

VIEW = HandView(
    [
        Turn("tea tea milk", thread=0),
        Turn("bread", thread=0),
        Turn("jam", thread=0),
        Turn("tea", thread=1),
    ]
)
MEAN = 6 / 4


def scores(step: WordScores | WindowScores | SessionScores, name: str, terms: str) -> list[float]:
    values: list[float] = step(found(VIEW, terms), run(VIEW)).signals[name].values.tolist()
    return values


def test_words_are_bm25() -> None:
    # tea stands in 2 of 4 rows: ln(1 + 2.5 / 2.5); k1 = 1, b = 0.5
    rare = math.log(2)
    got = scores(WordScores(k1=1, b=0.5), "words", "tea")
    assert got == pytest.approx(
        [rare * 4 / (2 + 0.5 + 0.5 * 3 / MEAN), 0, 0, rare * 2 / (1 + 0.5 + 0.5 / MEAN)]
    )


def test_terms_add_up_and_unknown_ones_do_not_count() -> None:
    both = scores(WordScores(), "words", "tea milk nothing")
    assert both == pytest.approx(
        np.add(scores(WordScores(), "words", "tea"), scores(WordScores(), "words", "milk")).tolist()
    )


def test_a_window_reaches_its_neighbours_in_the_thread() -> None:
    # radius 1: windows are {0,1}, {0,1,2}, {1,2}, {3} with lengths 4, 5, 2, 1; milk is near rows 0 and 1.
    rare, mean = math.log(1 + 2.5 / 2.5), 12 / 4
    got = scores(WindowScores(radius=1, k1=1, b=0.5), "words nearby", "milk")
    assert got == pytest.approx(
        [rare * 2 / (1 + 0.5 + 0.5 * 4 / mean), rare * 2 / (1 + 0.5 + 0.5 * 5 / mean), 0, 0]
    )


def test_a_wide_window_covers_the_thread_but_never_another() -> None:
    got = scores(WindowScores(radius=2, k1=1, b=0), "words nearby", "bread")
    assert got == pytest.approx([math.log(1 + 1.5 / 3.5)] * 3 + [0])


def test_a_window_counts_what_repeats() -> None:
    # tea: 2 times around rows 0, 1, 2 (radius 2), once around row 3; it is near all four rows.
    rare = math.log(1 + 0.5 / 4.5)
    got = scores(WindowScores(radius=2, k1=1, b=0), "words nearby", "tea")
    assert got == pytest.approx([rare * 4 / 3] * 3 + [rare])


def test_a_session_is_one_text() -> None:
    # threads of 5 and 1 terms, mean 3; jam in one of two: ln(1 + 1.5 / 1.5)
    got = scores(SessionScores(k1=1, b=0.5), "session", "jam")
    assert got == pytest.approx([math.log(2) * 2 / (1 + 0.5 + 0.5 * 5 / 3)] * 3 + [0])


def test_statistics_are_those_of_all_rows() -> None:
    signal = WordScores()(found(VIEW, "jam"), run(VIEW)).signals["words"]
    value = signal.values[2]
    assert signal.mean == pytest.approx(value / 4)
    assert signal.standard().tolist() == pytest.approx(
        [-1 / math.sqrt(3)] * 2 + [math.sqrt(3), -1 / math.sqrt(3)]
    )


def test_an_empty_view_gives_empty_signals() -> None:
    empty = HandView([])
    for step in (WordScores(), WindowScores(), SessionScores()):
        made = step(found(empty, "tea"), run(empty))
        assert [len(s.values) for s in made.signals.values()] == [0]


@pytest.mark.parametrize("step", [WordScores, WindowScores, SessionScores])
def test_settings_out_of_range_are_refused(step: type[WordScores]) -> None:
    with pytest.raises(BadSetting, match="k1"):
        step(k1=-1)
    with pytest.raises(BadSetting, match="from 0 to 1"):
        step(b=1.5)


def test_a_window_has_a_radius() -> None:
    with pytest.raises(BadSetting, match="radius"):
        WindowScores(radius=0)


@pytest.mark.parametrize("woven", [False, True])
def test_common_terms_score_as_rare_ones_do(woven: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = "ab ac b cab bb a c bca ab d".split()
    view = HandView(
        [Turn(" ".join(letters[at % 10]), thread=at % 3 if woven else at // 7) for at in range(60)]
    )
    asked = found(view, "a c d")
    common = WindowScores(radius=2)(asked, run(view)).signals["words nearby"].values
    monkeypatch.setattr(by_words, "DENSE_SHARE", 0)  # no term counts as common
    rare = WindowScores(radius=2)(asked, run(view)).signals["words nearby"].values
    assert common == pytest.approx(rare, abs=1e-6)
    assert len(set(rare.tolist())) > 10
