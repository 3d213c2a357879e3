"""ConvoMem's finding as a recipe: three stages by the number of conversations, each on a memory small enough to count."""

from __future__ import annotations

import pytest

from engrams import Memory
from engrams.errors import BadSetting
from engrams.recall.few import ByConversations
from engrams.recall.select import Everything, Nothing
from engrams.recipe import Recipe
from engrams.recipes.full_context_first import FULL_CONTEXT_FIRST
from tests.papers.talks import START, Drawn

WORDS = {"boat": (1, 0, 0), "sail": (0.9, 0.4, 0), "bread": (0, 1, 0)}
SAID = ("We sail at noon.", "The bread is done.", "The boat leaks.", "Nobody came.", "It rained.")
#: Everything for two conversations, the hybrid search for four.
SMALL = FULL_CONTEXT_FIRST.replace("read.ByConversations.full_until", 2).replace(
    "read.ByConversations.hybrid_until", 4
)


def filled(conversations: int, recipe: Recipe = SMALL, embedder: object = None) -> Memory:
    """A memory in which that many conversations have been held, the newest last, a message each."""
    memory = Memory.open(":memory:", recipe, embedder=embedder or Drawn(WORDS))
    for n, text in enumerate(SAID[:conversations]):
        memory.add(
            {"role": "document", "content": text}, session=f"s{n}", occurred_at=START.replace(day=1 + n)
        )
    return memory


def found(memory: Memory) -> tuple[list[str], set[str]]:
    """What is found for a question about the boat, and the names of the signals of the first."""
    hits = memory.search("Does the boat leak?", k=9, explain=True)
    return [h.text for h in hits], set(hits[0].signals) if hits else set()


def test_the_thresholds_are_those_of_the_paper() -> None:
    [stages] = [s for s in FULL_CONTEXT_FIRST.ranking() if isinstance(s, ByConversations)]  # type: ignore[attr-defined]
    assert (stages.full_until, stages.hybrid_until) == (30, 150)
    assert FULL_CONTEXT_FIRST.needs == ()


def test_a_small_memory_is_given_whole_the_newest_first() -> None:
    with filled(2) as memory:
        assert found(memory) == ([SAID[1], SAID[0]], set())
        assert all(text in memory.context("Anything?").text for text in SAID[:2])
    with filled(2, SMALL.replace("read.ByConversations.full", Nothing())) as memory:
        assert found(memory)[0] == []


def test_then_words_and_vectors_are_fused_by_rank() -> None:
    with filled(3) as memory:
        texts, signals = found(memory)
        assert (texts[0], signals) == (SAID[2], {"words", "dense"})
    with filled(4) as memory:
        texts, signals = found(memory)
        assert (texts[0], signals) == (SAID[2], {"words", "dense"})
    with filled(4, SMALL.replace("read.ByConversations.hybrid", Everything())) as memory:
        assert found(memory)[0][0] == SAID[3]


def test_beyond_that_the_recall_of_the_house_answers_as_it_does_alone() -> None:
    with filled(5) as memory, filled(5, Memory.catalogue()["engrams"]) as house:
        texts, signals = found(memory)
        assert (texts, signals) == found(house)
        assert texts[0] == SAID[2]
        assert "words nearby" in signals or "graph" in signals
    with filled(5, SMALL.replace("read.ByConversations.beyond", Everything())) as memory:
        assert found(memory)[0][0] == SAID[4]


def test_what_is_forgotten_by_filters_counts_still() -> None:
    with filled(3) as memory:
        hits = memory.search("boat?", session="s2", explain=True)
        assert [h.text for h in hits] == [SAID[2]]
        assert set(hits[0].signals) == {"words", "dense"}


@pytest.mark.parametrize("conversations", [2, 3, 5])
def test_no_stage_needs_an_embedder(conversations: int) -> None:
    with filled(conversations, embedder="none") as memory:
        texts, _ = found(memory)
        assert texts[0] == (SAID[1] if conversations == 2 else SAID[2])


def test_it_reads_what_the_house_has_written() -> None:
    with Memory.open(":memory:", "engrams", embedder="none") as memory:
        memory.add("The boat leaks.", session="s", occurred_at=START)
        assert FULL_CONTEXT_FIRST.writer == memory.recipe.writer
        assert FULL_CONTEXT_FIRST.write == memory.recipe.write


def test_it_asks_no_model_and_settings_that_make_no_sense_are_refused() -> None:
    assert FULL_CONTEXT_FIRST.without_models() is FULL_CONTEXT_FIRST
    for full, hybrid, key in ((-1, 5, "full_until"), (3, 2, "hybrid_until")):
        with pytest.raises(BadSetting, match=key):
            ByConversations(Nothing(), Nothing(), Nothing(), full_until=full, hybrid_until=hybrid)
