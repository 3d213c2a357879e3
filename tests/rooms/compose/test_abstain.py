"""Whether a context is filled at all."""

from __future__ import annotations

from typing import Any, cast

import pytest

from engrams import Memory
from engrams.compose.abstain import NeedConfidence
from engrams.compose.lines import NOTHING_FOUND
from engrams.errors import BadSetting
from engrams.records import Query, Ranked, Scored

ITEMS: Any = (Scored("a hit", 1.0),)


@pytest.mark.parametrize(("confidence", "kept"), [(0.2, 1), (0.15, 1), (0.1, 0), (0.0, 0), (None, 1)])
def test_below_the_least_nothing_passes(confidence: float | None, kept: int) -> None:
    ranked = NeedConfidence(least=0.15)(Ranked(Query("?"), ITEMS, confidence), cast(Any, None))
    assert len(ranked) == kept
    assert ranked.confidence == confidence


def test_a_least_outside_zero_to_one_is_refused() -> None:
    with pytest.raises(BadSetting, match="least"):
        NeedConfidence(least=1.5)


def test_a_context_says_nothing_found_and_a_search_still_gives_hits() -> None:
    with Memory.open(":memory:") as memory:
        empty = memory.context("How do quantum computers work?")
        assert (empty.found, empty.confidence) == (False, 0.0)
        memory.add([{"role": "user", "name": "Anna", "content": "My dog Rex sleeps in the kitchen."}])
        assert memory.search("How do quantum computers work?")[0].confidence == 0.0
        nothing = memory.context("How do quantum computers work?")
        assert (nothing.found, nothing.text, nothing.hits) == (False, NOTHING_FOUND, ())
        found = memory.context("Where does the dog sleep?")
        assert found.found
        assert found.confidence is not None and found.confidence > 0.5
