"""What a context reads like, worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from engrams.compose.condense import condense, sentences
from engrams.compose.lines import NOTHING_FOUND, line, render
from engrams.compose.steps import FitBudget, OrderForReading, Render
from engrams.records import Context, Engram, EngramId, Query, Ranked, Scored
from engrams.step import Trace


def words(text: str) -> int:
    return len(text.split())


@dataclass
class WordCounter:
    estimated: bool = False

    def count(self, text: str) -> int:
        return words(text)


@dataclass
class Run:
    tokenizer: WordCounter = field(default_factory=WordCounter)
    trace: Trace = field(default_factory=Trace)


def engram(
    text: str, *, day: int = 1, hour: int = 9, speaker: str | None = "Anna", session: str | None = "s1"
) -> Engram:
    at = datetime(2024, 5, day, hour, 30, tzinfo=UTC)
    return Engram(
        EngramId(f"id-{day}-{hour}-{text[:5]}"),
        "n",
        "r",
        "passage",
        text,
        at,
        at,
        (f"e{day}{hour}",),
        speaker=speaker,
        session=session,
        role="user",
    )


def composed(ranked: list[tuple[Engram, float]], budget: int, **fit: Any) -> Context:
    value = Ranked(Query("where is the boat", budget=budget), tuple(Scored(e, s) for e, s in ranked))
    run: Any = Run()
    return Render()(OrderForReading()(FitBudget(**fit)(value, run), run), run)


def test_a_line_names_mark_time_and_speaker() -> None:
    assert line(engram("The boat is red."), 3) == "[3] 09:30 Anna: The boat is red."
    assert line(engram("two\nlines", speaker=None), 1) == "[1] 09:30 two\n    lines"
    assert line(replace(engram("Sure.", speaker=None), role="assistant"), 1) == "[1] 09:30 assistant: Sure."


def test_headings_stand_where_day_or_session_changes() -> None:
    text = render(
        [engram("a"), engram("b", hour=10), engram("c", day=2), engram("d", day=2, session=None)],
        list("abcd"),
    )
    assert text == (
        "## 2024-05-01 (Wed), session s1\n[1] 09:30 Anna: a\n[2] 10:30 Anna: b\n"
        "\n## 2024-05-02 (Thu), session s1\n[3] 09:30 Anna: c\n"
        "\n## 2024-05-02 (Thu)\n[4] 09:30 Anna: d"
    )


def test_hits_are_read_in_the_order_they_happened_and_cited() -> None:
    context = composed([(engram("later", day=3), 2.0), (engram("earlier", day=1), 1.0)], budget=100)
    assert context.text.index("earlier") < context.text.index("later")
    assert [c.mark for c in context.citations] == ["[1]", "[2]"]
    assert [c.event_ids for c in context.citations] == [("e19",), ("e39",)]
    assert context.price.tokens == words(context.text)


def test_the_best_ranked_hits_get_the_room() -> None:
    many = [(engram(f"word{i} " * 10, day=i + 1), float(20 - i)) for i in range(20)]
    context = composed(many, budget=60)
    assert 0 < context.price.tokens <= 60
    assert "word0" in context.text
    assert "word19" not in context.text


def test_headings_are_part_of_the_price() -> None:
    for budget in range(20, 120, 7):
        many = [(engram("x " * 6, day=i + 1, session=f"a b c d e {i}"), float(i)) for i in range(20)]
        assert composed(many, budget=budget, shortest=4).price.tokens <= budget


def test_a_long_hit_is_condensed_to_what_speaks_to_the_question() -> None:
    long = "It rained all day. " * 30 + "The boat lies in the old harbour. " + "Nobody went out again. " * 30
    context = composed([(engram(long), 1.0)], budget=60)
    assert "The boat lies in the old harbour." in context.text
    assert context.price.tokens <= 60
    assert "…" in context.text


def test_nothing_is_said_plainly() -> None:
    context = composed([], budget=100)
    assert (context.found, context.text, context.citations) == (False, NOTHING_FOUND, ())


def test_condensing_keeps_whole_sentences_in_their_order() -> None:
    text = "The cat sleeps. Rain fell. The boat sank. We cried."
    assert condense(text, "boat cat", 8, words) == "The cat sleeps. … The boat sank. …"
    assert condense(text, "boat", 4, words) == "… The boat sank. …"
    assert condense(text, "anything", 100, words) == text
    assert condense("one two three four five six.", "one", 3, words) == "one two …"
    assert condense("one two three", "one", 0, words) == ""
    assert condense("一二三四五六七八九十", "三", 4, len) == "一二 …"


@pytest.mark.parametrize(
    "text", ["", "a", "One. Two! Three?\nFour", "你好。我叫小明！再见", "no end", "Dr. Who... is it?\n\n"]
)
def test_sentences_joined_are_the_text(text: str) -> None:
    assert "".join(sentences(text)) == text
