"""SCM on traces worked out by hand: what is needed, of what, and in what form."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engrams import Memory
from engrams.compose.control import AskRawOrSummary, RawOrSummary
from engrams.errors import BadSetting
from engrams.organise.long_ones import SummariseLong, TakeCentralOfLong
from engrams.prompts import Prompt
from engrams.recall.always import Preface
from engrams.recall.gate import AskNeeded
from engrams.recall.weigh import WeighUse
from engrams.recipes.scm import SCM
from tests.papers.talks import START, Drawn, Reply, opened, tell

SUMMARY, NEEDED = Prompt("turn_summary"), Prompt("memory_needed", "engrams.recall")
ENOUGH = Prompt("enough_to_answer", "engrams.compose")
WORDS = {"boat": (1, 0, 0), "sail": (0.8, 0.6, 0), "garden": (0, 1, 0), "song": (0, 0, 1)}


def sums(blocks: dict[str, str]) -> dict[str, object]:
    return {"text": f"In short: {blocks['turn'].split()[0]}."}


def helps(blocks: dict[str, str]) -> dict[str, object]:
    """What speaks of a boat or of sailing helps; the summary of the boat, which says neither, does not."""
    return {"enough": any(w in blocks["memory"] for w in ("boat", "sail", "Sailing"))}


REPLIES: dict[Prompt, Reply] = {SUMMARY: sums, NEEDED: {"needed": True}, ENOUGH: helps}
#: Turns above 12 tokens have a summary, contexts have 40 tokens.
SMALL = (
    SCM.replace("write.SummariseLong.tokens", 12)
    .replace("read.AskRawOrSummary.tokens", 40)
    .replace("read.Preface.newest", 0)
    .replace("read.Preface.kinds", ())
    .replace("read.WeighUse.recency", 0.0)
)
TURNS = (
    "user: Boating is new to me, the boat lies far out in the old harbour, they said to us then.",
    "user: Sailing is fun, we sail each day from dawn to dusk, and then again in the next week.",
    "user: Gardens are green, our garden is full of roses and of many a tall tree, as you know.",
    "user: A song.",
)


def test_only_long_turns_are_summed_up_and_the_turn_itself_is_found() -> None:
    with opened(SMALL, REPLIES, WORDS) as (memory, talk):
        tell(memory, *TURNS)
        summaries = [e.metadata.get("summary") for e in memory.get_all()]
        assert summaries == ["In short: Boating.", "In short: Sailing.", "In short: Gardens.", None]
        assert len(talk.shown("turn_summary")) == 3
        assert memory.search("boat?", k=1)[0].text.startswith("Boating is new")


def test_a_turn_that_is_answered_later_is_summed_up_anew() -> None:
    with opened(SMALL.replace("write.SummariseLong.tokens", 20), REPLIES, WORDS) as (memory, talk):
        memory.add("Boating is new.", session="s")
        memory.work()
        memory.add({"role": "assistant", "content": TURNS[1]}, session="s")
        memory.work()
        [turn] = memory.get_all()
        assert turn.metadata["summary"] == "In short: Boating."
        assert [b["turn"].splitlines()[0] for b in talk.shown("turn_summary")] == ["Boating is new."]


def test_raw_summary_or_nothing() -> None:
    with opened(SMALL.replace("read.AskRawOrSummary.tokens", 55), REPLIES, WORDS) as (memory, talk):
        tell(memory, *TURNS)
        text = memory.context("boat?").text
        # The best stays raw unasked; of the others sailing helps, raw and summed up; garden and song do not.
        assert TURNS[0].removeprefix("user: ") in text
        assert "In short: Sailing." in text
        assert not any(w in text for w in ("garden", "Garden", "song"))
        shown = sorted(b["memory"].split()[0] for b in talk.shown("enough_to_answer"))
        assert shown == ["A", "Gardens", "In", "Sailing"]


def test_what_a_summary_does_not_say_stays_raw() -> None:
    with opened(SMALL.replace("read.AskRawOrSummary.tokens", 55), REPLIES, WORDS) as (memory, _):
        tell(memory, *TURNS)
        # Asked of sailing, the boat comes second: its text helps, "In short: Boating." does not.
        text = memory.context("sail?").text
        assert TURNS[0].removeprefix("user: ") in text
        assert TURNS[1].removeprefix("user: ") in text


def test_where_all_fits_nothing_is_asked() -> None:
    with opened(SMALL.replace("read.AskRawOrSummary.tokens", 500), REPLIES, WORDS) as (memory, talk):
        tell(memory, *TURNS)
        assert "garden" in memory.context("boat?").text
        assert talk.shown("enough_to_answer") == []


def test_what_is_still_too_long_is_given_summed_up_the_least_alike_first() -> None:
    with opened(SMALL, {**REPLIES, ENOUGH: {"enough": True}}, WORDS) as (memory, _):
        tell(memory, *TURNS[:2])
        # Raw they are 43 tokens of 40; the judge makes the second a summary, and that is enough.
        text = memory.context("boat?", budget=60).text
        assert TURNS[0].removeprefix("user: ") in text
        assert "In short: Sailing." in text
    tight = SMALL.replace("read.AskRawOrSummary.tokens", 15)
    with opened(tight, {**REPLIES, ENOUGH: {"enough": True}}, WORDS) as (memory, _):
        tell(memory, *TURNS[:2])
        assert {h.text for h in memory.context("boat?").hits} == {"In short: Boating.", "In short: Sailing."}


def test_the_controller_says_whether_memory_is_needed_and_a_search_does_not_ask() -> None:
    alone = SCM.replace("read.Preface.newest", 0).replace("read.Preface.kinds", ())
    with opened(alone, {**REPLIES, NEEDED: {"needed": False}}, WORDS) as (memory, talk):
        tell(memory, *TURNS)
        assert len(memory.search("boat?", k=2)) == 2
        assert talk.shown("memory_needed") == []
        assert not memory.context("boat?").found
        assert talk.shown("memory_needed") == [{"question": "boat?"}]
    with opened(alone.replace("read.AskNeeded.controller", "released"), REPLIES, WORDS) as (memory, talk):
        tell(memory, *TURNS)
        assert memory.context("boat?").found
        assert talk.shown("memory_needed") == []


def test_the_turn_before_is_always_there_summed_up_where_it_is_long() -> None:
    flash = SCM.replace("write.SummariseLong.tokens", 12).replace("read.WeighUse.keep", 1)
    with opened(flash.replace("read.Preface.whole_until", 12), REPLIES, WORDS) as (memory, _):
        tell(memory, *TURNS[:3])
        hits = [h.text for h in memory.context("boat?").hits]
        assert hits == [TURNS[0].removeprefix("user: "), "In short: Gardens."]
    with opened(flash, {**REPLIES, NEEDED: {"needed": False}}, WORDS) as (memory, _):
        tell(memory, *TURNS[:3])
        assert [h.text for h in memory.context("boat?").hits] == [TURNS[2].removeprefix("user: ")]
    without = flash.replace("read.Preface.kinds", ("none",))
    with opened(without, REPLIES, WORDS) as (memory, _):
        tell(memory, *TURNS[:3])
        assert [h.text for h in memory.context("boat?").hits] == [TURNS[0].removeprefix("user: ")]


def test_recency_is_added_to_relevance_as_in_the_paper() -> None:
    said = ("user: The boat is old.", "user: We sail on.")
    for recency, first in ((1.0, "We sail on."), (0.0, "The boat is old.")):
        with opened(SCM.replace("read.WeighUse.recency", recency), REPLIES, WORDS) as (memory, _):
            memory.add(said[0].removeprefix("user: "), occurred_at=START)
            memory.add(said[1].removeprefix("user: "), occurred_at=START + timedelta(hours=100))
            memory.work()
            hits = memory.search("boat?", k=2, explain=True)
            assert hits[0].text == first
            if recency:
                # Cosines 1 and 0.8; 0.995 to the power of 100 hours, and of none.
                assert [h.score for h in hits] == pytest.approx([1.8, 1 + 0.995**100])
                assert hits[1].signals["recency"] == pytest.approx(0.995**100)


def test_a_form_without_a_model() -> None:
    with Memory.open(":memory:", SMALL, embedder=Drawn(WORDS), models="none") as memory:
        tell(memory, *TURNS)
        first = memory.get_all()[0]
        assert first.metadata["summary"] == TURNS[0].removeprefix("user: ").rstrip(".")
        assert memory.context("boat?").found
        swapped = [d for d in memory.recipe.differs if "without a model" in d]
        assert [d.split()[3] for d in swapped] == ["TakeCentralOfLong", "KeepAll", "RawOrSummary"]


def test_settings_that_make_no_sense_are_refused() -> None:
    for make, key in (
        (lambda: AskNeeded(controller="mine"), "controller"),  # type: ignore[arg-type]
        (lambda: WeighUse(recency=-1), "recency"),
        (lambda: WeighUse(decay=0), "decay"),
        (lambda: WeighUse(keep=0), "keep"),
        (lambda: Preface(kinds=(), newest=-1), "newest"),
        (lambda: AskRawOrSummary(tokens=0), "tokens"),
        (lambda: RawOrSummary(tokens=0), "tokens"),
        (lambda: SummariseLong(tokens=0), "tokens"),
        (lambda: TakeCentralOfLong(most=0), "most"),
    ):
        with pytest.raises(BadSetting, match=key):
            make()
