"""Erasing one of several messages that an engram rests on: its words go, and what the others say comes back."""

from __future__ import annotations

from engrams import Memory
from tests.papers.talks import START, Drawn

WORDS = {"violin": (1, 0, 0), "garden": (0, 0, 1)}


def test_a_round_is_derived_anew_from_what_is_left() -> None:
    with Memory.open(":memory:", "longmemeval", embedder=Drawn(WORDS), models="none") as memory:
        [asked] = memory.add("I play the violin.", session="one", occurred_at=START).event_ids
        [answered] = memory.add(
            [{"role": "assistant", "content": "Since the secret party?"}], session="one", occurred_at=START
        ).event_ids
        assert "secret" in memory.get_all()[0].content
        memory.delete(answered)
        memory.work()
        [left] = memory.get_all()
        assert (left.content, left.sources) == ("I play the violin.", (asked,))
        assert "secret" not in str(memory.history(left.id))


def test_a_round_whose_question_is_erased_leaves_its_answer_to_be_derived() -> None:
    with Memory.open(":memory:", "longmemeval", embedder=Drawn(WORDS), models="none") as memory:
        said = [
            {"role": "user", "content": "I play the violin, secretly."},
            {"role": "assistant", "content": "The garden is quiet."},
        ]
        asked, answered = memory.add(said, session="one", occurred_at=START).event_ids
        memory.delete(asked)
        assert memory.get_all().items == ()
        memory.work()
        [left] = memory.get_all()
        assert left.sources == (answered,)
        assert "secretly" not in left.content


def test_a_summary_comes_back_without_what_was_erased() -> None:
    with Memory.open(":memory:", "memgas", embedder=Drawn(WORDS), models="none") as memory:
        memory.add("I play the violin.", session="one", occurred_at=START)
        [gone] = memory.add("It was stolen in Prague.", session="one", occurred_at=START).event_ids
        memory.consolidate()
        assert any("Prague" in e.content for e in memory.get_all() if e.kind == "session")
        memory.delete(gone)
        assert {e.kind for e in memory.get_all()} == {"passage"}
        memory.consolidate()
        assert {e.kind for e in memory.get_all()} == {"passage", "session", "summary", "keywords"}
        assert not any("Prague" in e.content for e in memory.get_all())
