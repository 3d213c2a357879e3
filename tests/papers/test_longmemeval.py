"""LongMemEval's memory on a trace worked out by hand: rounds, keys widened with facts, the time asked for, notes of hits."""

from __future__ import annotations

from datetime import date

import pytest

from engrams import Memory
from engrams.errors import BadSetting
from engrams.ingest.rounds import GroupRounds
from engrams.organise.keys import AddFactKeys
from engrams.prompts import Prompt
from engrams.recall.time_range import MoveOutOfRange
from engrams.recipes.longmemeval import LONGMEMEVAL
from tests.papers.talks import START, Drawn, opened, tell

FACTS = Prompt("facts_of_turn")
TIME = Prompt("time_range", "engrams.recall")
NOTE = Prompt("note_of_hit", "engrams.compose")
WORDS = {"violin": (1, 0, 0), "instrument": (0.8, 0.6, 0), "garden": (0, 0, 1)}

NO_FACTS = {"facts": []}
NO_TIME: dict[str, object] = {}


def test_a_round_is_what_was_said_and_answered_found_by_what_was_said() -> None:
    with opened(LONGMEMEVAL, {FACTS: NO_FACTS}, WORDS) as (memory, talk):
        said = [
            {"role": "user", "content": "I play the violin."},
            {"role": "assistant", "content": "How long?"},
            {"role": "assistant", "content": "And which pieces?"},
            {"role": "user", "content": "Two years."},
        ]
        ids = memory.add(said, session="one").event_ids
        memory.work()
        first, second = memory.get_all()
        assert first.content == "I play the violin.\nassistant: How long?\nassistant: And which pieces?"
        assert (first.keys, first.sources) == (("I play the violin.",), ids[:3])
        assert (second.content, second.sources) == ("Two years.", ids[3:])
        # Both are asked at once: which comes first is not said.
        asked = {b["message"] for b in talk.shown("facts_of_turn")}
        assert asked == {"I play the violin.", "Two years."}


def test_an_answer_that_comes_later_is_added_to_its_round() -> None:
    with opened(LONGMEMEVAL, {FACTS: NO_FACTS}, WORDS) as (memory, _):
        asked = tell(memory, "user: I play the violin.")
        answered = tell(memory, "assistant: How long?")
        [round_] = memory.get_all()
        assert round_.content == "I play the violin.\nassistant: How long?"
        assert list(round_.sources) == asked + answered
        memory.work()
        assert memory.get_all()[0].version == 2


def test_facts_stand_before_the_words_in_the_key() -> None:
    facts = {"facts": ["The user owns an instrument."]}
    with opened(LONGMEMEVAL, {FACTS: facts}, WORDS) as (memory, _):
        tell(memory, "user: It is old.")
        assert memory.get_all()[0].keys == ("The user owns an instrument. It is old.",)
        assert memory.get_all()[0].content == "It is old."
    alone = LONGMEMEVAL.replace("write.AddFactKeys.join", "replace")
    with opened(alone, {FACTS: facts}, WORDS) as (memory, _):
        tell(memory, "user: It is old.")
        assert memory.get_all()[0].keys == ("The user owns an instrument.",)


def test_a_fact_finds_what_the_words_do_not() -> None:
    def facts(blocks: dict[str, str]) -> dict[str, object]:
        return {"facts": ["The user owns an instrument."] if "old" in blocks["message"] else []}

    said = ("user: It is from 1890, so very old.", "user: The garden is green.")
    with opened(LONGMEMEVAL, {FACTS: facts, TIME: NO_TIME}, WORDS) as (memory, _):
        tell(memory, *said)
        assert memory.search("Which violin?", k=1)[0].text.startswith("It is from 1890")
    with opened(LONGMEMEVAL, {FACTS: NO_FACTS, TIME: NO_TIME}, WORDS) as (memory, _):
        tell(memory, *said)
        assert memory.search("Which violin?", k=2)[0].score == memory.search("Which violin?", k=2)[1].score


def test_what_lies_outside_the_time_asked_for_goes_last_and_stays() -> None:
    asked = {"start": "2024-03-10", "end": "2024/03/12"}
    with opened(LONGMEMEVAL, {FACTS: NO_FACTS, TIME: asked}, WORDS) as (memory, talk):
        tell(memory, "user: I played the violin.", day=0)
        tell(memory, "user: I bought an instrument.", day=7)  # two days before the range
        found = memory.search("Which violin in the second week?", k=2)
        assert [h.text for h in found] == ["I bought an instrument.", "I played the violin."]
        assert found[0].score < found[1].score
        assert talk.asked[-1][0] == "time_range"
    with opened(LONGMEMEVAL, {FACTS: NO_FACTS, TIME: NO_TIME}, WORDS) as (memory, _):
        tell(memory, "user: I played the violin.", day=0)
        tell(memory, "user: I bought an instrument.", day=7)
        assert memory.search("Which violin in the second week?", k=1)[0].text == "I played the violin."


@pytest.mark.parametrize(
    "told",
    [
        {"start": "2024-03-31", "end": "2024-04-02"},  # begins on the day it is asked
        {"start": "N/A", "end": "N/A"},
        {"start": "2024-03-12", "end": "2024-03-10"},
    ],
)
def test_a_range_that_says_nothing_moves_nothing(told: dict[str, str]) -> None:
    with opened(LONGMEMEVAL, {FACTS: NO_FACTS, TIME: told}, WORDS) as (memory, _):
        tell(memory, "user: I played the violin.", day=0)
        tell(memory, "user: I bought an instrument.", day=9)
        assert (
            memory.search("Which violin?", k=1, asked_at=date(2024, 3, 31))[0].text == "I played the violin."
        )


def test_a_message_counts_on_the_days_it_speaks_of() -> None:
    asked = {"start": "2024-02-10", "end": "2024-02-10"}
    with opened(LONGMEMEVAL, {FACTS: NO_FACTS, TIME: asked}, WORDS) as (memory, _):
        tell(memory, "user: I played the violin.", day=0)
        tell(memory, "user: On 10 February 2024 I bought an instrument.", day=9)
        assert memory.search("Which violin?", k=1)[0].text.startswith("On 10 February")


def test_the_context_rests_on_notes_of_the_hits() -> None:
    def note(blocks: dict[str, str]) -> dict[str, object]:
        return {"note": "Plays the violin since 2022." if "violin" in blocks["memory"] else ""}

    with opened(LONGMEMEVAL, {FACTS: NO_FACTS, TIME: NO_TIME, NOTE: note}, WORDS) as (memory, talk):
        [violin, _] = tell(memory, "user: I play the violin, since 2022.", "user: The garden is green.")
        found = memory.context("How long has she played?")
        assert [h.text for h in found.hits] == ["Plays the violin since 2022."]
        assert found.citations[0].event_ids == (violin,)
        assert len(talk.shown("note_of_hit")) == 2
        assert found.price.model_calls == 3


def test_without_a_model_dates_in_the_question_are_read_by_rules() -> None:
    with Memory.open(":memory:", "longmemeval", embedder=Drawn(WORDS), models="none") as memory:
        memory.add("I played the violin.", occurred_at=START)
        memory.add("I bought an instrument.", occurred_at="2024-03-20")
        found = memory.search("Which violin was it on 20 March 2024?", k=2)
        assert [h.text for h in found] == ["I bought an instrument.", "I played the violin."]


def test_settings_that_make_no_sense_are_refused() -> None:
    for make, key in (
        (lambda: GroupRounds(key="none"), "GroupRounds.key"),
        (lambda: AddFactKeys(join="separate"), "AddFactKeys.join"),
        (lambda: MoveOutOfRange(days=-1), "MoveOutOfRange.days"),
    ):
        with pytest.raises(BadSetting, match=key):
            make()
