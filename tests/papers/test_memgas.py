"""MemGAS on traces worked out by hand: four grains of a session, what joins them, how much each counts."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engrams import Memory
from engrams.errors import BadSetting
from engrams.organise.groups import TakeCentral, TakeKeywords
from engrams.prompts import Prompt
from engrams.recall.grains import RouteGrains, _joined
from engrams.recipes.memgas import MEMGAS
from tests.papers.talks import START, Drawn, opened, tell, texts

SUMMARY, KEYS = Prompt("session_summary"), Prompt("session_keywords")
SPANS = Prompt("spans_of_hit", "engrams.compose")
WORDS = {"sail": (1, 0, 0), "harbour": (0.8, 0.6, 0), "bread": (0, 1, 0), "oven": (0, 0.8, 0.6)}

REPLIES = {
    SUMMARY: lambda blocks: {"text": f"summary: {blocks['memories'].split(': ', 1)[1]}"},
    KEYS: lambda blocks: {"text": "; ".join(w for w in WORDS if w in blocks["memories"])},
}


def test_a_session_is_kept_whole_summed_up_and_by_its_keywords_once() -> None:
    with opened(MEMGAS, REPLIES, WORDS) as (memory, talk):
        tell(memory, "user: We sail.", "assistant: To the harbour?", session="a")
        tell(memory, "user: The bread is done.", session="b", day=1)
        memory.consolidate()
        assert texts(memory, "session") == [
            "[2024-03-01] user: We sail.\n[2024-03-01] assistant: To the harbour?",
            "[2024-03-02] user: The bread is done.",
        ]
        assert texts(memory, "keywords") == ["sail; harbour", "bread"]
        assert len(talk.asked) == 4
        memory.consolidate()
        assert len(talk.asked) == 4
        tell(memory, "user: The oven is hot.", session="b", day=1)
        memory.consolidate()
        assert len(talk.asked) == 6
        assert sorted(texts(memory, "keywords")) == ["bread; oven", "sail; harbour"]


def test_sessions_are_ranked_by_all_grains_and_read_for_spans() -> None:
    spans = {"note": "We sail."}
    with opened(MEMGAS, {**REPLIES, SPANS: spans}, WORDS) as (memory, talk):
        tell(memory, "user: We sail.", session="a")
        tell(memory, "user: The bread is done.", session="b", day=1)
        memory.consolidate()
        hits = memory.search("When do we sail?", k=2)
        assert [h.session for h in hits] == ["a", "b"]
        assert [h.text for h in memory.context("When do we sail?", k=1).hits] == ["We sail."]
        assert talk.shown("spans_of_hit")[0]["memory"].endswith("user: We sail.")


def test_how_much_a_grain_counts() -> None:
    # Two sessions. The first grain is sure (its chances e^5 : 1), the other three know nothing.
    close = np.array([[1.0, 0.5, 0.5, 0.5], [0.0, 0.5, 0.5, 0.5]])
    sure = 1 / (1 + math.exp(-5))
    bits = -(sure * math.log(sure) + (1 - sure) * math.log(1 - sure))
    intended = RouteGrains(temperature=0.2).weights(close)
    assert intended.tolist() == pytest.approx([1, 0, 0, 0], abs=1e-9)
    released = RouteGrains(temperature=0.2, router="released").weights(close)
    total = (1 - bits) + 3 * (1 - math.log(2))
    assert released.tolist() == pytest.approx([(1 - bits) / total, *[(1 - math.log(2)) / total] * 3])


def test_the_released_router_trusts_the_unsure_where_there_are_many_sessions() -> None:
    close = np.zeros((20, 4))
    close[0, 0] = 1.0  # only the first grain says anything
    intended, released = RouteGrains().weights(close), RouteGrains(router="released").weights(close)
    assert intended[0] > intended[1] >= 0
    assert released[0] < released[1]


def test_only_later_sessions_are_joined_and_only_to_what_is_alike() -> None:
    nodes = np.zeros((24, 2), np.float32)
    nodes[:, 1] = 1  # six sessions of four nodes, all alike but
    nodes[8] = (1, 0)  # one of the third session,
    nodes[20] = (1, 0)  # and the first of the sixth
    ends, others = _joined(nodes, candidates=30)
    edges = set(zip(ends.tolist(), others.tolist(), strict=True))
    assert {later for later, _ in edges} == {20, 21, 22, 23}
    assert [other for later, other in edges if later == 20] == [8]
    assert {other for later, other in edges if later == 21} == set(range(20)) - {8}


def test_an_edge_leads_to_a_session_that_is_not_like_the_question() -> None:
    with opened(MEMGAS, REPLIES, WORDS) as (memory, _):
        for number in range(5):
            tell(memory, f"user: The bread is done, number {number}.", session=f"s{number}", day=number)
        tell(memory, "user: We sail.", session="late", day=9)
        memory.consolidate()
        walked = memory.search("The harbour?", k=6, explain=True)
    assert walked[0].session == "late"
    assert sum(h.score for h in walked) == pytest.approx(1, abs=1e-6)


def test_without_a_model_sentences_and_words_stand_for_a_session() -> None:
    with Memory.open(":memory:", "memgas", embedder=Drawn(WORDS), models="none") as memory:
        memory.add("We sail to the harbour.", session="a", occurred_at=START)
        memory.consolidate()
        assert texts(memory, "summary") == ["We sail to the harbour"]
        assert texts(memory, "keywords") == ["harbour; sail"]
        assert memory.search("sail?")[0].kind == "session"


def test_before_it_consolidated_it_finds_nothing() -> None:
    with opened(MEMGAS, REPLIES, WORDS) as (memory, _):
        tell(memory, "user: We sail.", session="a")
        assert memory.search("sail?") == []
        assert not memory.context("sail?").found


def test_settings_that_make_no_sense_are_refused() -> None:
    for make, key in (
        (lambda: RouteGrains(temperature=0), "temperature"),
        (lambda: RouteGrains(router="other"), "router"),  # type: ignore[arg-type]
        (lambda: RouteGrains(damping=1), "damping"),
        (lambda: RouteGrains(seeds=0), "seeds"),
        (lambda: TakeCentral(by="year", of="passage"), "by"),  # type: ignore[arg-type]
        (lambda: TakeKeywords(by="day", of="passage", most=0), "most"),
    ):
        with pytest.raises(BadSetting, match=key):
            make()
