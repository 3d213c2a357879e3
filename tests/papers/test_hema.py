"""HEMA on traces worked out by hand: a running summary on two levels, what is worth least pruned, a budget of 3,500 tokens."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from engrams import Memory
from engrams.errors import BadSetting
from engrams.organise.prune import Prune, pruned_after
from engrams.organise.rolling import RollCentral, RollSummary
from engrams.prompts import Prompt
from engrams.recipe import Recipe
from engrams.recipes.hema import HEMA
from engrams.records import Engram, EngramId
from engrams.step import Chain, Step, steps_of
from tests.papers.talks import START, Drawn, Reply, opened, tell, texts

ROLL, WHOLE = Prompt("rolling_summary"), Prompt("summary_of_summaries")
WORDS = {"tulip": (1, 0, 0), "flower": (0.9, 0.44, 0), "boat": (0, 0, 1)}


def rolled(blocks: dict[str, str]) -> dict[str, object]:
    """The summary so far and the new turn's words."""
    return {"text": f"{blocks['summary']} {blocks['turn'].split(': ')[1]}".strip()}


def counted(blocks: dict[str, str]) -> dict[str, object]:
    return {"text": f"{len(blocks['memories'].splitlines())} parts"}


REPLIES: dict[Prompt, Reply] = {ROLL: rolled, WHOLE: counted}
THREE = HEMA.replace("consolidate.RollSummary.every", 3)


def summaries(memory: Memory, grain: str) -> list[str]:
    return [e.content for e in memory.get_all() if isinstance(e, Engram) and e.metadata.get("grain") == grain]


def only(*names: str, of: Recipe = HEMA) -> Recipe:
    """HEMA with some of its consolidating steps alone."""
    assert of.consolidate is not None
    kept = tuple(s for s in steps_of(of.consolidate) if s.name in names)
    chain: Step[Any, Any] = Chain(kept)
    return replace(of, consolidate=chain)


def test_every_turn_is_told_to_the_summary_so_far() -> None:
    with opened(HEMA, REPLIES, WORDS) as (memory, talk):
        tell(memory, "user: a", "user: b")
        memory.consolidate()
        assert talk.shown("rolling_summary") == [
            {"summary": "", "turn": "[2024-03-01] user: a"},
            {"summary": "a", "turn": "[2024-03-01] user: b"},
        ]
        assert (summaries(memory, "block"), summaries(memory, "all")) == (["a b"], ["1 parts"])
        memory.consolidate()
        assert len(talk.asked) == 3
        tell(memory, "user: c", day=1)
        memory.consolidate()
        # One turn is told, to what stood; then the second level again.
        assert talk.asked[3:][0][1] == {"summary": "a b", "turn": "[2024-03-02] user: c"}
        assert [name for name, _ in talk.asked[3:]] == ["rolling_summary", "summary_of_summaries"]
        assert summaries(memory, "block") == ["a b c"]


def test_a_summary_is_closed_after_so_many_turns_and_the_second_level_tells_all() -> None:
    with opened(THREE, REPLIES, WORDS) as (memory, _):
        tell(memory, "user: a", "user: b")
        memory.consolidate()
        tell(memory, *(f"user: {letter}" for letter in "cdefg"), day=1)
        memory.consolidate()
        assert sorted(summaries(memory, "block")) == ["a b c", "d e f", "g"]
        assert summaries(memory, "all") == ["3 parts"]
        whole = next(e for e in memory.get_all() if isinstance(e, Engram) and e.content == "3 parts")
        assert len(whole.sources) == 7
        assert memory.context("boat?").hits[0].kind == "passage"
        assert {h.text for h in memory.context("boat?").hits if h.kind == "summary"} == {"3 parts"}
        assert {h.kind for h in memory.search("boat?", k=9)} == {"passage"}
    with opened(only("RollSummary", of=THREE), REPLIES, WORDS) as (memory, _):
        tell(memory, "user: a")
        memory.consolidate()
        assert [h.kind for h in memory.context("boat?").hits] == ["passage"]


def test_an_erased_turn_takes_its_summary_and_the_rest_is_told_anew() -> None:
    with opened(THREE, REPLIES, WORDS) as (memory, _):
        [a, *_rest] = tell(memory, *(f"user: {letter}" for letter in "abcd"))
        memory.consolidate()
        memory.delete(a)
        memory.work()
        assert summaries(memory, "block") == ["d"]
        memory.consolidate()
        assert sorted(" ".join(summaries(memory, "block")).split()) == ["b", "c", "d"]


def turn(number: int, recalled: int | None = None, pinned: bool = False) -> Engram:
    at = START + timedelta(minutes=number)
    last = None if recalled is None else START + timedelta(minutes=recalled)
    return Engram(
        EngramId(f"e{number}"),
        "default",
        "hema",
        "passage",
        "x",
        at,
        at,
        (f"ev{number}",),
        last_recalled_at=last,
        pinned=pinned,
    )


def test_a_turn_is_worth_its_age_and_whether_it_was_asked_for_lately() -> None:
    step = Prune(every=3, decay=math.log(2), bonus=0.5)
    turns = [turn(0), turn(1, recalled=1), turn(2, recalled=2), turn(3, recalled=9), turn(4)]
    # Ages 4 to 0 halve it each; lately is since the third last turn, recorded at minute 2.
    assert step.worth(turns) == pytest.approx([1 / 16, 1 / 8, 1 / 4 + 0.5, 1 / 2 + 0.5, 1])
    assert Prune().worth([turn(n) for n in range(101)])[0] == pytest.approx(0.5)
    # Asked for lately, the oldest of a thousand is worth more than any that was not.
    worth = Prune().worth([turn(0, recalled=2000), *(turn(n) for n in range(1, 1000))])
    assert worth[0] > max(worth[1:-1])


@pytest.mark.parametrize(
    ("turns", "expected"),
    # 0.5 % of 100 is none; of 200, 299 ... 399 one each; of 497, 596 two.
    [(0, 0), (100, 0), (199, 0), (200, 1), (300, 2), (399, 2), (400, 3), (500, 5), (600, 7)],
)
def test_how_many_are_pruned_after_so_many_turns(turns: int, expected: int) -> None:
    assert pruned_after(turns, 100, 0.005) == expected


def test_what_is_worth_least_is_pruned_once_and_kept_in_the_journal() -> None:
    quarter = only("Prune").replace("consolidate.Prune.every", 4).replace("consolidate.Prune.share", 0.25)
    with opened(quarter.replace("read.Nearest.k", 1), REPLIES, WORDS) as (memory, _):
        said = tell(memory, "user: tulip", "user: boat one", "user: boat two")
        memory.consolidate()
        assert len(texts(memory, "passage")) == 3
        tell(memory, "user: boat three", day=1)
        memory.search("Which tulip?", k=1)  # so the oldest was asked for lately
        memory.consolidate()
        assert texts(memory, "passage") == ["tulip", "boat two", "boat three"]
        memory.consolidate()
        assert len(texts(memory, "passage")) == 3
        gone = memory.get(said[1])
        assert gone is not None and gone.content == "boat one"
        tell(memory, *(f"user: boat {n}" for n in range(4, 8)), day=2)
        memory.pin(next(e.id for e in memory.get_all() if e.content == "boat two"))
        memory.consolidate()
        # Of the 7 of 8 that stand a quarter is 1: the oldest that is neither pinned nor asked for lately.
        left = sorted(["tulip", "boat two", *(f"boat {n}" for n in range(4, 8))])
        assert sorted(texts(memory, "passage")) == sorted(h.text for h in memory.search("boat?", k=9)) == left


def test_without_pruning_everything_stays() -> None:
    with opened(only("RollSummary"), REPLIES, WORDS) as (memory, _):
        tell(memory, "user: tulip", "user: boat one", "user: boat two", "user: boat three")
        memory.consolidate()
        assert len(texts(memory, "passage")) == 4


def test_five_turns_within_3500_tokens() -> None:
    with opened(HEMA, REPLIES, WORDS) as (memory, _):
        tell(memory, *(f"user: boat {n}" for n in range(7)))
        assert len(memory.context("boat?").hits) == 5
    [budget] = [s for s in steps_of(HEMA.read) if s.name == "FitBudget"]
    assert "tokens=3500" in repr(budget)


def test_without_a_model_the_sentence_in_the_middle_of_all_sums_up() -> None:
    with Memory.open(":memory:", "hema", embedder=Drawn(WORDS), models="none") as memory:
        memory.add("The boat is red. I like tea.", occurred_at="2024-03-01")
        memory.add("The boat has a red sail.", occurred_at="2024-03-02")
        memory.consolidate()
        assert summaries(memory, "block") == summaries(memory, "all") == ["The boat has a red sail"]
        memory.add("I like tea! We like tea, too. You like tea. They like tea.", occurred_at="2024-03-03")
        memory.consolidate()
        assert summaries(memory, "block") == ["I like tea"]
        assert "without a model: RollCentral in place of RollSummary" in memory.recipe.differs
        assert memory.recipe.needs == ("embedder",)


def test_settings_that_make_no_sense_are_refused() -> None:
    for made in (RollSummary, RollCentral, Prune):
        with pytest.raises(BadSetting, match="every"):
            made(every=0)
    with pytest.raises(BadSetting, match="tokens"):
        RollSummary(tokens=0)
    with pytest.raises(BadSetting, match="share"):
        Prune(share=2)
    with pytest.raises(BadSetting, match="decay"):
        Prune(decay=-1)
    with pytest.raises(BadSetting, match="bonus"):
        Prune(bonus=-1)
