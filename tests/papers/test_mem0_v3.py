"""Mem0 as its code has it since 2026, on traces worked out by hand: facts beside facts, and three signals that add up."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from engrams import Memory
from engrams.arithmetic import logistic
from engrams.errors import BadSetting
from engrams.prompts import Prompt
from engrams.recall.additive import ScoreAdditively, crowd, curve
from engrams.recall.question_names import NamesHeld
from engrams.recipes.mem0_v3 import MEM0_V3
from engrams.records import Draft
from engrams.step import Chain, steps_of
from tests.papers.talks import Drawn, Reply, opened, tell, texts

FACTS = Prompt("facts_additive")
#: "Basle" lies at cosine 0.96 of Basel; what is not drawn lies in a direction of its own.
WORDS = {
    "sail": (1, 0, 0, 0),
    "boat": (0.6, 0.8, 0, 0),
    "bread": (0, 1, 0, 0),
    "basel": (0, 0, 1, 0),
    "basle": (0, 0, 0.96, 0.28),
}
SAID = ("user: Ada sails.", "user: Bread is warm.", "user: The boat lies in Basel.")


def word_by_word(blocks: dict[str, str]) -> dict[str, object]:
    """Takes every new message for a fact."""
    return {"facts": [line.split(": ", 1)[1] for line in blocks["messages"].splitlines()]}


REPLIES: dict[Prompt, Reply] = {FACTS: word_by_word}


def test_one_call_is_shown_ten_messages_and_ten_facts_and_adds_to_them() -> None:
    with opened(MEM0_V3, REPLIES, WORDS) as (memory, talk):
        memory.add([{"role": "user", "content": f"Number {n}."} for n in range(24)], session="one")
        memory.work()
        shown = talk.shown("facts_additive")
        assert len(shown) == len(talk.asked) == 12
        assert [len(b["messages"].splitlines()) for b in shown] == [2] * 12
        assert [len(b["memories"].splitlines()) for b in shown[:7]] == [0, 2, 4, 6, 8, 10, 10]
        assert [len(b["earlier"].splitlines()) for b in shown[:7]] == [0, 2, 4, 6, 8, 10, 10]
        assert len(texts(memory, "fact")) == 24


def test_repeats_are_left_out_and_nothing_ever_ends() -> None:
    with opened(MEM0_V3, REPLIES, WORDS) as (memory, _):
        tell(memory, "user: I live in Basel.", "user: I live in Basel.")
        tell(memory, "user: I moved to Oslo.", "user: I no longer live in Basel.", day=9)
        assert texts(memory, "fact") == ["I live in Basel.", "I moved to Oslo.", "I no longer live in Basel."]
        assert {e.state for e in memory.get_all()} == {"active"}
    twice: dict[Prompt, Reply] = {FACTS: {"facts": ["Ada sails.", "Ada sails."]}}
    with opened(MEM0_V3, twice, WORDS) as (memory, _):
        tell(memory, "user: I sail.")
        assert texts(memory, "fact") == ["Ada sails."]
    without: Chain[Draft, Draft] = Chain(tuple(s for s in steps_of(MEM0_V3.write) if s.name != "Reconcile"))
    with opened(replace(MEM0_V3, write=without), REPLIES, WORDS) as (memory, _):
        tell(memory, "user: I live in Basel.", "user: I live in Basel.")
        assert len(texts(memory, "fact")) == 2


def test_a_name_is_one_with_what_stands_from_0_95_on() -> None:
    for least, names in ((0.95, ["Ada", "Basel", "Basel"]), (0.97, ["Ada", "Basel", "Basle"])):
        with opened(MEM0_V3.replace("write.UnifyNames.min_cosine", least), REPLIES, WORDS) as (memory, _):
            tell(memory, "user: Ada is in Basel.", "user: It rains in Basle.")
            assert sorted(texts(memory, "entity")) == names
            assert "It rains in Basle." in texts(memory, "fact")  # what was told stays as it was


def test_what_meaning_words_and_names_say_adds_up() -> None:
    with opened(MEM0_V3, REPLIES, WORDS) as (memory, _):
        tell(memory, *SAID)
        hits = memory.search("Who sails to Basel?", k=9, explain=True)
        # The question's vector is (1, 0, 1, 0) / sqrt 2; bread lies at 0, below 0.1.
        assert [h.text for h in hits] == ["The boat lies in Basel.", "Ada sails."]
        # Each term in one of 3 facts, of 2, 2 and 3 terms; two terms: midpoint 5, steepness 0.7.
        rare, mean = math.log(1 + 2.5 / 1.5), 7 / 3

        def words(length: int) -> float:
            bm25 = rare * 2.2 / (1 + 1.2 * (0.25 + 0.75 * length / mean))
            return 1 / (1 + math.exp(-0.7 * (bm25 - 5)))

        # "Basel" is a name that one fact has: 0.5. What could be is 1 + 1 + 0.5.
        boat = {"dense": 0.8 / 2.5, "words": words(3) / 2.5, "names": 0.5 / 2.5}
        ada = {"dense": math.sqrt(0.5) / 2.5, "words": words(2) / 2.5, "names": 0.0}
        assert [h.signals for h in hits] == [pytest.approx(boat, rel=1e-5), pytest.approx(ada, rel=1e-5)]
        assert [h.score for h in hits] == pytest.approx([sum(boat.values()), sum(ada.values())], rel=1e-5)


def test_what_could_be_is_less_where_a_signal_says_nothing() -> None:
    with opened(MEM0_V3, REPLIES, WORDS) as (memory, _):
        tell(memory, "user: boat trips", "user: Basel")
        # "sailing" shares neither a word nor a name with them: the cosine alone.
        [hit] = memory.search("a sailboat?", k=9)
        assert hit.text == "boat trips"
        assert hit.score == pytest.approx(2 / math.sqrt(5), abs=1e-6)
        [named, *_] = memory.search("Basel?", k=9, explain=True)
        assert named.signals["names"] == pytest.approx(0.5 / 2.5)


def test_a_name_that_many_share_counts_less_and_an_unlike_one_not_at_all() -> None:
    assert crowd(0) == crowd(1) == 1
    assert crowd(11) == pytest.approx(1 / 1.1)
    with opened(MEM0_V3.replace("write.UnifyNames.min_cosine", 0.97), REPLIES, WORDS) as (memory, _):
        tell(memory, "user: There was sun in Basle.", "user: There was rain in Basle.")
        tell(memory, "user: There was snow in Basel.", day=1)
        by_text = {h.text: h.signals["names"] * 2.5 for h in memory.search("Basel?", k=9, explain=True)}
        assert by_text["There was snow in Basel."] == pytest.approx(0.5)
        assert by_text["There was rain in Basle."] == pytest.approx(0.5 * 0.96 / 1.001)
    # Basel is known as Basle here, and the question may call it either; below a least cosine names add nothing.
    for least, expected in ((0.5, [0.5 * 0.96 / 1.001] * 2), (0.97, [0.0, 0.0])):
        with opened(MEM0_V3.replace("read.ScoreAdditively.min_name", least), REPLIES, WORDS) as (memory, _):
            tell(memory, "user: There was rain in Basle.", "user: There was snow in Basel.")
            hits = memory.search("Basel?", k=9, explain=True)
            assert [h.signals["names"] * (2.5 if least < 0.96 else 1) for h in hits] == pytest.approx(
                expected
            )


def test_only_the_nearest_are_candidates_whatever_their_words() -> None:
    few = ScoreAdditively(names=NamesHeld(), k=1, over=1, pool=1)
    with opened(replace(MEM0_V3, read=few >> Chain(steps_of(MEM0_V3.read)[1:])), REPLIES, WORDS) as (
        memory,
        _,
    ):
        tell(memory, *SAID)
        assert [h.text for h in memory.search("Who sails to Basel?", k=1)] == ["The boat lies in Basel."]
        assert len(memory.search("Who sails to Basel?", k=2)) == 2


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, (5, 0.7)),
        (3, (5, 0.7)),
        (4, (7, 0.6)),
        (6, (7, 0.6)),
        (9, (9, 0.5)),
        (10, (10, 0.5)),
        (15, (10, 0.5)),
        (16, (12, 0.5)),
    ],
)
def test_the_curve_of_words_is_chosen_by_the_length_of_the_question(
    count: int, expected: tuple[float, float]
) -> None:
    assert curve(count) == expected


def test_the_curve() -> None:
    found = logistic(np.array([5.0, 5 + math.log(3) / 0.7, 0.0]), 5, 0.7)
    assert found.tolist() == pytest.approx([0.5, 0.75, 1 / (1 + math.exp(3.5))])


def test_without_a_model_sentences_are_facts() -> None:
    with Memory.open(":memory:", "mem0-v3", embedder=Drawn(WORDS, dimensions=4), models="none") as memory:
        memory.add("Ada sails well. What about you?")
        memory.add("Ada sails well.")
        memory.add("The boat lies in Basel.")
        assert texts(memory, "fact") == ["Ada sails well", "The boat lies in Basel"]
        assert memory.search("Who sails?", k=1)[0].text == "Ada sails well"
        assert "without a model: TakeSentences in place of ExtractFacts" in memory.recipe.differs
        assert memory.recipe.needs == ("embedder",)


def test_settings_that_make_no_sense_are_refused() -> None:
    for field, value in (
        ("k", 0),
        ("over", 0),
        ("pool", 0),
        ("most_names", 0),
        ("least", 2),
        ("min_name", -2),
    ):
        with pytest.raises(BadSetting, match=field):
            ScoreAdditively(names=NamesHeld(), **{field: value})  # type: ignore[arg-type]
