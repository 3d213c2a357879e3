"""How sure it is, each part worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engrams.arithmetic import rarity
from engrams.dates import dates_in
from engrams.errors import BadSetting
from engrams.recall.by_meaning import piece_rarity
from engrams.recall.confidence import Confidence, by_whom, covered, similarity
from engrams.recall.found import Found, Signal
from engrams.recall.fuse import Summed
from tests.rooms.recall.views import HandView, Turn, found, run

PLAIN = Confidence(bias=0, covered=1, by_whom=1)


def summed(asked: Found, *scores: float) -> Summed:
    values = np.array(scores, dtype=np.float32)
    return Summed(asked.query, asked.view, asked.rows, ("x",), values[None, :], values, asked)


def sure(asked: Found, *scores: float, step: Confidence = PLAIN) -> float:
    value = step(summed(asked, *scores), run(asked.view))  # type: ignore[arg-type]
    assert value.confidence is not None
    return value.confidence


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_coverage_is_the_rarity_of_the_words_that_a_hit_and_its_neighbours_hold() -> None:
    view = HandView([Turn("tea"), Turn("milk"), Turn("oats"), Turn("tea", thread=1)])
    tea, milk, none = rarity(4, 2), rarity(4, 1), rarity(4, 0)
    asked = found(view, "tea milk whisky")
    assert covered(asked, np.array([1])) == pytest.approx((tea + milk) / (tea + milk + none))
    assert covered(asked, np.array([2])) == pytest.approx(milk / (tea + milk + none))
    assert covered(asked, np.array([2, 3])) == pytest.approx(max(tea, milk) / (tea + milk + none))
    assert covered(found(view, ""), np.array([0])) == 0


def test_similarity_is_a_share_of_the_greatest_possible() -> None:
    view = HandView([Turn(pieces=(0,)), Turn(pieces=(1,))])
    most = piece_rarity(view, 0) + piece_rarity(view, 3)
    asked = found(view, pieces=(0, 3)).with_signal("meaning", Signal(np.array([most, most / 4], np.float32)))
    assert similarity(asked).tolist() == pytest.approx([1, 0.25])
    assert similarity(found(view, pieces=(0,))).tolist() == [0, 0]


def test_what_another_person_said_makes_less_sure() -> None:
    view = HandView([Turn("tea", speaker="Anna"), Turn("tea", speaker="Ben", thread=1), Turn(thread=2)])
    similar = np.array([0.3, 0.8, 0.5], dtype=np.float32)
    assert by_whom(found(view, speaker=0), similar) == pytest.approx(-0.5)
    assert by_whom(found(view, speaker=1), similar) == pytest.approx(0.3)
    assert by_whom(found(view), similar) == 0
    assert by_whom(found(view, speaker=0), similar, np.array([True, False, False])) == 0
    most = piece_rarity(view, 0)
    asked = found(view, "tea", (0,), speaker=0).with_signal("meaning", Signal(similar * np.float32(most)))
    assert sure(asked, 3, 2, 1) == pytest.approx(logistic(1 - 0.5), abs=1e-6)


def test_only_the_first_hits_that_may_be_seen_count() -> None:
    view = HandView([Turn("tea"), Turn("milk", thread=1)], allowed=np.array([False, True]))
    one = replace(PLAIN, looked_at=1)
    assert sure(found(view, "milk"), 2, 1, step=one) == pytest.approx(logistic(1))
    assert sure(found(view, "tea"), 2, 1, step=one) == 0
    view.allowed = None
    assert sure(found(view, "tea"), 2, 1, step=one) == pytest.approx(logistic(1))
    assert sure(found(view, "milk"), 2, 1, step=one) == 0


def test_what_is_similar_beyond_what_any_two_texts_are() -> None:
    view = HandView([Turn(pieces=(0,))])
    most = np.float32(piece_rarity(view, 0))

    def at(similar: float) -> float:
        asked = found(view, "beer", (0,)).with_signal(
            "meaning", Signal(np.array([similar * most], np.float32))
        )
        return sure(asked, 1)

    assert at(0.7) == pytest.approx(logistic(0.5), abs=1e-6)
    assert at(0.4 - 1e-3) == 0


def test_the_cosine_counts_where_there_is_an_embedder() -> None:
    asked = found(HandView([Turn("tea")]), "beer")
    cosine = np.array([0.6], np.float32)
    assert sure(asked.with_signal("dense", Signal(cosine, 0.1, 0.2)), 1) == pytest.approx(logistic(0.5))
    assert sure(asked.with_signal("dense", Signal(cosine)), 1) == 0, "without a deviation it says nothing"


def test_a_date_that_fits_is_half_an_answer() -> None:
    view = HandView([Turn("tea")])
    asked = found(view, "milk", dates=dates_in("1 January 1970"))
    dated = asked.with_signal("date", Signal(np.array([3], np.float32)))
    assert sure(dated, 1) == pytest.approx(logistic(0.5))
    assert sure(asked.with_signal("date", Signal(np.array([1.5], np.float32))), 1) == 0


def test_an_empty_memory_is_sure_of_nothing() -> None:
    assert sure(found(HandView([]), "tea")) == 0


def test_a_sum_that_does_not_say_what_was_asked_stays_unsure() -> None:
    view = HandView([Turn("tea")])
    value = replace(summed(found(view, "tea"), 1), asked=None)
    assert PLAIN(value, run(view)).confidence is None


@pytest.mark.parametrize("wrong", [{"alike": 1.0}, {"alike_vectors": -0.1}, {"dated": 1.5}, {"looked_at": 0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadSetting, match="Confidence"):
        Confidence(**wrong)  # type: ignore[arg-type]
