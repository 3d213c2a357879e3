"""MemoryBank on a trace worked out by hand: summaries of days and of all, portraits, and Ebbinghaus' curve."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from engrams import Memory
from engrams.errors import BadSetting, UsageError
from engrams.organise.central import central_sentences
from engrams.organise.forget import Forget, days_since
from engrams.prompts import Prompt
from engrams.recipes.memorybank import MEMORYBANK
from engrams.records import Engram, EngramId
from tests.papers.talks import START, Drawn, opened, tell, texts

DAY, PORTRAIT = Prompt("day_summary"), Prompt("day_profile")
WHOLE, WHOLE_PORTRAIT = Prompt("whole_summary"), Prompt("whole_profile")
WORDS = {"tulip": (1, 0, 0), "flower": (0.9, 0.44, 0), "boat": (0, 0, 1)}


def counted(name: str):  # type: ignore[no-untyped-def]
    """A reply that says how many lines it was shown."""
    return lambda blocks: {"text": f"{name} of {len(blocks['memories'].splitlines())}"}


REPLIES = {
    DAY: counted("day"),
    PORTRAIT: counted("mood"),
    WHOLE: counted("all"),
    WHOLE_PORTRAIT: counted("person"),
}
KEEPING = MEMORYBANK.replace("consolidate.Forget.kinds", ())


def test_days_and_all_of_them_are_summed_up_once() -> None:
    with opened(KEEPING, REPLIES, WORDS) as (memory, talk):
        tell(memory, "user: I planted a tulip.", "assistant: Lovely.", "user: A red one.", day=0)
        tell(memory, "user: We took the boat.", day=1)
        memory.consolidate()
        assert sorted(texts(memory, "summary")) == ["all of 2", "day of 1", "day of 3"]
        assert sorted(texts(memory, "profile")) == ["mood of 1", "mood of 3", "person of 2"]
        assert len(talk.asked) == 6
        memory.consolidate()
        assert len(talk.asked) == 6
        tell(memory, "user: The boat leaked.", day=1)
        memory.consolidate()
        # Only what grew is asked about again: the second day, and all of both kinds.
        assert [name for name, _ in talk.asked[6:]] == [
            "day_summary",
            "day_profile",
            "whole_summary",
            "whole_profile",
        ]
        assert sorted(texts(memory, "summary")) == ["all of 2", "day of 2", "day of 3"]


def test_the_portrait_and_the_summary_of_all_stand_in_every_context() -> None:
    with opened(KEEPING, REPLIES, WORDS) as (memory, _):
        tell(memory, "user: I planted a tulip.", day=0)
        tell(memory, "user: We took the boat.", day=1)
        memory.consolidate()
        hits = memory.context("Which flower?").hits
        assert {"all of 2", "person of 2"} <= {h.text for h in hits}
        assert "person of 2" not in {h.text for h in memory.search("Which flower?", k=9)}


def test_a_recall_makes_a_memory_stronger() -> None:
    with opened(KEEPING.replace("read.Nearest.k", 1), REPLIES, WORDS) as (memory, _):
        tell(memory, "user: I planted a tulip.", "user: We took the boat.")
        memory.search("Which tulip?", k=1)
        by_text = {e.content: e for e in memory.get_all()}
        assert by_text["I planted a tulip."].recall_count == 1
        assert by_text["We took the boat."].recall_count == 0


def memory_of(days: int, recalls: int = 0) -> Engram:
    at = datetime(2024, 3, 1, 9, tzinfo=UTC)
    return Engram(
        EngramId(f"e{days}-{recalls}"),
        "default",
        "memorybank",
        "round",
        "x",
        at,
        at,
        ("ev",),
        recall_count=recalls,
    )


@pytest.mark.parametrize(
    ("form", "days", "recalls", "expected"),
    [
        ("paper", 0, 0, 1.0),
        ("paper", 3, 0, math.exp(-3)),
        ("paper", 3, 2, math.exp(-1)),
        ("released", 3, 0, math.exp(-3 / 5)),
        ("released", 3, 2, math.exp(-9 / 5)),
    ],
)
def test_the_chance_to_be_remembered(form: str, days: int, recalls: int, expected: float) -> None:
    now = datetime(2024, 3, 1, tzinfo=UTC) + timedelta(days=days)
    chance = Forget(forgetting=form).chance(memory_of(days, recalls), now)  # type: ignore[arg-type]
    assert chance == pytest.approx(expected)


def test_days_count_from_the_last_recall() -> None:
    recalled = replace(memory_of(9), last_recalled_at=datetime(2024, 3, 8, tzinfo=UTC))
    assert days_since(recalled, datetime(2024, 3, 10, tzinfo=UTC)) == 2
    assert days_since(memory_of(9), datetime(2024, 2, 1, tzinfo=UTC)) == 0


def test_what_is_long_past_is_forgotten_and_kept_in_the_journal() -> None:
    with opened(MEMORYBANK, REPLIES, WORDS) as (memory, _):
        [old] = tell(memory, "user: I planted a tulip.", day=0)
        tell(memory, "user: We took the boat.", day=60)
        memory.consolidate()
        # e^-60: nobody draws so low.
        assert texts(memory, "round") == ["We took the boat."]
        [gone] = [e for e in (memory.get(r.engram_id) for r in memory.history(old)) if e.kind == "round"][:1]
        assert gone.state == "archived"
        assert memory.get(old).content == "I planted a tulip."
        assert "day of 1" in texts(memory, "summary")
    with opened(KEEPING, REPLIES, WORDS) as (memory, _):
        tell(memory, "user: I planted a tulip.", day=0)
        tell(memory, "user: We took the boat.", day=60)
        memory.consolidate()
        assert len(texts(memory, "round")) == 2


def test_what_is_pinned_is_never_forgotten() -> None:
    with opened(MEMORYBANK, REPLIES, WORDS) as (memory, _):
        tell(memory, "user: I planted a tulip.", day=0)
        memory.pin(memory.get_all()[0].id)
        tell(memory, "user: We took the boat.", day=60)
        memory.consolidate()
        assert len(texts(memory, "round")) == 2


def test_as_many_are_forgotten_as_the_curve_says() -> None:
    step, now = Forget(), datetime(2024, 3, 2, 9, tzinfo=UTC)
    kept = sum(
        step._draw(replace(memory_of(1), content=f"n{n}"), now) <= step.chance(memory_of(1), now)
        for n in range(4000)
    )
    # 4000 draws at e^-1: five standard deviations are 153.
    assert abs(kept - 4000 / math.e) < 153


def test_a_memory_that_is_written_again_forgets_the_same() -> None:
    step, now = Forget(), datetime(2024, 3, 2, 9, tzinfo=UTC)
    drawn = step._draw(memory_of(1), now)
    assert step._draw(replace(memory_of(1), id=EngramId("another")), now) == drawn
    assert step._draw(replace(memory_of(1), content="y"), now) != drawn
    assert step._draw(memory_of(1), now + timedelta(days=1)) != drawn
    assert Forget(seed=1)._draw(memory_of(1), now) != drawn


def test_without_a_model_sentences_sum_up_and_there_is_no_portrait() -> None:
    with Memory.open(":memory:", "memorybank", embedder=Drawn(WORDS), models="none") as memory:
        memory.add("I planted a tulip. The tulip is red.", occurred_at=START)
        memory.consolidate()
        assert texts(memory, "profile") == []
        assert "tulip" in texts(memory, "summary")[0]
        assert "without a model: LeaveOut in place of SummariseGroups" in memory.recipe.differs


def test_the_sentences_in_the_middle_of_all() -> None:
    said = ["The boat is red. The boat has a red sail.", "I like tea.", "Is the boat red?"]
    assert central_sentences(said, 1) == ["The boat has a red sail"]
    assert len(central_sentences(said, 9)) == 3
    assert central_sentences([], 3) == []


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadSetting, match="forgetting"):
        Forget(forgetting="never")  # type: ignore[arg-type]
    with Memory.open(":memory:") as memory, pytest.raises(UsageError, match="does not consolidate"):
        memory.consolidate()
