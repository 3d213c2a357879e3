"""MemOS' textual memory on traces worked out by hand: tiers, capacities, conflicts, and what is activated."""

from __future__ import annotations

import math

import pytest

from engrams import Memory
from engrams.errors import BadSetting
from engrams.organise.schedule import Schedule, held, importance
from engrams.organise.tiers import ExtractTiers, KeepCapacities
from engrams.prompts import Prompt
from engrams.recall.nearest import Nearest
from engrams.recipe import Recipe
from engrams.recipes.memos_text import MEMOS_TEXT
from tests.papers.talks import Drawn, Reply, opened, tell

EXTRACT, RELATE = Prompt("memories_of_window"), Prompt("relation_of_pair")
RESOLVE, MISSING, ORDER = Prompt("resolve_pair"), Prompt("missing_evidence"), Prompt("order_by_need")
#: Tea and coffee are as alike as 0.8 allows; the lake is like nothing, the sea is like the lake by 0.7.
WORDS = {
    "tea": (1, 0, 0, 0),
    "coffee": (0.85, math.sqrt(1 - 0.85**2), 0, 0),
    "lake": (0, 0, 1, 0),
    "sea": (0, 0, 0.7, math.sqrt(1 - 0.7**2)),
}


def memories(blocks: dict[str, str]) -> dict[str, object]:
    """One memory for each message; what Ann drinks is of the tier "user"."""
    told = [line.partition(": ")[2] for line in blocks["messages"].splitlines()]
    return {
        "memories": [
            {"key": "k", "tier": "user" if "drink" in t else "long-term", "text": t, "tags": [t.split()[-1]]}
            for t in told
            if t != "Hm."
        ]
    }


def contrary(blocks: dict[str, str]) -> dict[str, object]:
    both = "drink" in blocks["standing"] and "drink" in blocks["new"]
    return {"relation": "contradictory" if both else "independent"}


REPLIES: dict[Prompt, Reply] = {
    EXTRACT: memories,
    RELATE: contrary,
    RESOLVE: {"text": "Ann drinks coffee now, no tea."},
    MISSING: {"missing": ["the lake"]},
    ORDER: {"numbers": [1]},
}
ONE: Recipe = MEMOS_TEXT.replace("consolidate.Schedule.shortest", 0)
TEA, COFFEE = "user: Ann drinks green tea in the morning.", "user: Ann drinks black coffee in the morning."
LAKE, SEA = "user: The cabin at the lake was sold.", "user: The boat by the sea was painted."


def said(text: str) -> str:
    return text.removeprefix("user: ")


def working(memory: Memory) -> dict[str, float]:
    return {e.content: e.metadata["working"] for e in memory.get_all() if "working" in e.metadata}


def test_a_window_becomes_memories_with_tier_key_and_tags() -> None:
    with opened(ONE, REPLIES, WORDS) as (memory, talk):
        memory.add([{"role": "user", "content": said(t)} for t in (TEA, LAKE)], session="s")
        memory.work()
        tea, lake = memory.get_all()
        assert (tea.metadata["tier"], lake.metadata["tier"]) == ("user", "long-term")
        assert (tea.kind, tea.metadata["key"], tea.metadata["tags"]) == ("fact", "k", ["morning."])
        assert len(talk.shown("memories_of_window")) == 1
        memory.add([{"role": "user", "content": said(SEA)}], session="s")
        memory.work()
        # Windows overlap by two messages.
        assert len(talk.shown("memories_of_window")[1]["earlier"].splitlines()) == 2


def test_what_contradicts_is_fused_and_its_history_stands() -> None:
    with opened(ONE, REPLIES, WORDS) as (memory, talk):
        first = tell(memory, TEA)
        second = tell(memory, COFFEE, day=1)
        [fused] = memory.get_all()
        assert fused.content == "Ann drinks coffee now, no tea."
        assert list(fused.sources) == [*first, *second]
        assert fused.metadata["tier"] == "user"
        assert [r.change for r in memory.history(fused.id)] == ["ADD", "MERGE"]
        assert len(talk.shown("relation_of_pair")) == 1


def test_only_what_is_alike_by_0_8_is_held_against_each_other() -> None:
    with opened(ONE, REPLIES, WORDS) as (memory, talk):
        tell(memory, LAKE, SEA)
        assert talk.shown("relation_of_pair") == []
    apart = ONE.replace("write.Reconcile.find", Nearest(kinds=("fact",), k=5, least=0.9))
    with opened(apart, REPLIES, WORDS) as (memory, talk):
        tell(memory, TEA, COFFEE)
        assert talk.shown("relation_of_pair") == []
        assert len(memory.get_all()) == 2


def test_where_it_cannot_be_told_the_older_goes() -> None:
    with opened(ONE, {**REPLIES, RESOLVE: {"text": ""}}, WORDS) as (memory, _):
        tell(memory, TEA)
        tell(memory, COFFEE, day=1)
        assert [e.content for e in memory.get_all()] == [said(COFFEE)]
    with opened(ONE, {**REPLIES, RESOLVE: {"text": ""}}, WORDS) as (memory, _):
        tell(memory, COFFEE, day=1)
        tell(memory, TEA)
        assert [e.content for e in memory.get_all()] == [said(COFFEE)]


def test_as_released_conflicts_stand() -> None:
    with opened(ONE.replace("write.AskConflicts.reorganise", False), REPLIES, WORDS) as (memory, talk):
        tell(memory, TEA, COFFEE)
        assert len(memory.get_all()) == 2
        assert talk.shown("relation_of_pair") == []


def test_the_oldest_of_a_tier_go_where_it_is_full() -> None:
    small = ONE.replace("consolidate.KeepCapacities.capacities", (("long-term", 1), ("user", 1)))
    with opened(small.replace("write.AskConflicts.reorganise", False), REPLIES, WORDS) as (memory, _):
        tell(memory, LAKE, TEA)
        tell(memory, SEA, COFFEE, day=1)
        memory.consolidate()
        assert {e.content for e in memory.get_all()} == {said(SEA), said(COFFEE)}
    with opened(ONE.replace("write.AskConflicts.reorganise", False), REPLIES, WORDS) as (memory, _):
        tell(memory, LAKE, TEA, SEA, COFFEE)
        memory.consolidate()
        assert len(memory.get_all()) == 4


def test_what_is_missing_is_looked_up_and_stands_in_every_context() -> None:
    with opened(ONE.replace("read.Nearest.k", 1), REPLIES, WORDS) as (memory, talk):
        tell(memory, LAKE, TEA)
        tell(memory, "user: Hm.")
        memory.consolidate()
        assert talk.shown("missing_evidence")[0]["said"].splitlines() == [said(LAKE), said(TEA), "Hm."]
        assert list(working(memory)) == [said(LAKE)]
        assert {h.text for h in memory.context("Which tea?").hits} == {said(LAKE), said(TEA)}
        assert {h.text for h in memory.search("Which tea?", k=1)} == {said(TEA)}
        [change] = [r for e in memory.get_all() for r in memory.history(e.id) if r.change == "EVOLVE"]
        assert change.reason == "brought into working memory"


def test_where_nothing_is_missing_or_new_nothing_happens() -> None:
    with opened(ONE, {**REPLIES, MISSING: {"missing": []}}, WORDS) as (memory, talk):
        tell(memory, LAKE)
        memory.consolidate()
        assert working(memory) == {}
        assert talk.shown("order_by_need") == []
    with opened(ONE, REPLIES, WORDS) as (memory, talk):
        tell(memory, LAKE)
        memory.consolidate()
        memory.consolidate()
        assert len(talk.shown("missing_evidence")) == 1


def test_importance_is_of_order_keywords_and_recordings() -> None:
    # 0.9 * 3 + 0.05 * (0.05 * 4) + 0.05 * (0.05 * 2)
    assert importance(3, 4, 2) == pytest.approx(2.7 + 0.01 + 0.005)
    assert importance(0, 1000, 1000) == pytest.approx(0.05 * 5 + 0.05 * 2)
    assert held("The lake, the lakes, a cabin.", {"lake": 2, "cabin": 1, "sea": 9}) == 5


def test_what_is_needed_no_longer_leaves_but_for_the_most_important() -> None:
    def needs(phrase: str) -> dict[Prompt, Reply]:
        return {**REPLIES, MISSING: {"missing": [phrase]}}

    changing = dict(needs("the lake"))
    keep_none = ONE.replace("consolidate.Schedule.retained", 0).replace("consolidate.Nearest.k", 1)
    for recipe, left in (
        (keep_none, {said(SEA)}),
        (keep_none.replace("consolidate.Schedule.retained", 1), {said(SEA), said(LAKE)}),
        (
            keep_none.replace("consolidate.Schedule.retained", 1).replace("consolidate.Schedule.capacity", 1),
            {said(SEA)},
        ),
    ):
        changing.update(needs("the lake"))
        with opened(recipe, changing, WORDS) as (memory, talk):
            tell(memory, LAKE, SEA)
            memory.consolidate()
            # 0.9 for the only place; its five keywords are said once each: "cabin", "lake", "sold" of its own message.
            assert working(memory) == {said(LAKE): pytest.approx(0.9 + 0.05 * 0.05 * 3 + 0.05 * 0.05)}
            talk.replies = {**needs("the sea"), ORDER: {"numbers": [2]}}
            tell(memory, "user: Hm.", day=1)
            memory.consolidate()
            assert set(working(memory)) == left
            if len(left) == 2:
                assert working(memory)[said(LAKE)] == pytest.approx(0.05 * 0.05)


def test_repeats_and_scraps_are_not_brought_in() -> None:
    once = ONE.replace("write.AskConflicts.reorganise", False)
    all_of_them: dict[Prompt, Reply] = {
        **REPLIES,
        MISSING: {"missing": ["tea", "the lake"]},
        ORDER: {"numbers": [1, 2, 3, 9]},
    }
    with opened(once, all_of_them, WORDS) as (memory, talk):
        tell(memory, TEA, COFFEE, LAKE)
        memory.consolidate()
        assert len(talk.shown("order_by_need")[0]["memories"].splitlines()) == 2
        assert set(working(memory)) == {said(TEA), said(LAKE)}
    with opened(once.replace("consolidate.Schedule.shortest", 8), all_of_them, WORDS) as (memory, _):
        tell(memory, TEA, f"{LAKE} Really.")  # seven words, and eight
        memory.consolidate()
        assert set(working(memory)) == {f"{said(LAKE)} Really."}


def test_without_a_model_sentences_are_sorted_by_who_speaks_of_themselves() -> None:
    with Memory.open(":memory:", ONE, embedder=Drawn(WORDS, dimensions=4), models="none") as memory:
        tell(memory, "user: I drink green tea. The lake is frozen over.", "assistant: I see the sea there.")
        memory.consolidate()
        tiers = {e.content: e.metadata["tier"] for e in memory.get_all()}
        assert tiers == {
            "I drink green tea": "user",
            "The lake is frozen over": "long-term",
            "I see the sea there": "long-term",
        }
        assert len(working(memory)) == 3
        swapped = [d.split()[3] for d in memory.recipe.differs if "without a model:" in d]
        assert swapped == ["TakeTiers", "RuleVerdicts", "SaidLast", "ByCloseness"]


def test_settings_that_make_no_sense_are_refused() -> None:
    find = Nearest(kinds=("fact",))
    for make, key in (
        (lambda: ExtractTiers(recent=-1), "recent"),
        (lambda: KeepCapacities(capacities=(("user", 0),)), "capacities"),
        (lambda: Schedule(find=find, capacity=0), "capacity"),
        (lambda: Schedule(find=find, alike=2), "alike"),
        (lambda: Nearest(least=-2), "least"),
    ):
        with pytest.raises(BadSetting, match=key):
            make()
