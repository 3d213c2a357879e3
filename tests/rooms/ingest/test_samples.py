"""The sample histories: whole, in order, and every question answered by turns that exist."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import pytest

from engrams.errors import UnknownName
from engrams.ingest.samples import SAMPLES, history, questions


@pytest.mark.parametrize(("name", "turns", "sessions"), [("demo", 440, 34), ("demo_zh", 60, 6)])
def test_a_history_is_whole_and_in_order(name: str, turns: int, sessions: int) -> None:
    told = history(name)
    assert len(told) == turns and len({m.session for m in told}) == sessions
    assert len({m.speaker for m in told}) == 2
    for message in told:
        session, turn = str(message.metadata["source_id"]).split(":")
        assert session == message.session and int(turn) >= 1
    times = [m.occurred_at for m in told if m.occurred_at]
    assert len(times) == turns and all(a < b for a, b in pairwise(times))


def test_some_turns_share_a_photo_and_name_it() -> None:
    shared = [m for m in history() if m.attachments]
    assert len(shared) == 7
    assert all(m.content.endswith(f"[image: {m.attachments[0].name}]") for m in shared)


@pytest.mark.parametrize(("name", "count"), [("demo", 60), ("demo_zh", 15)])
def test_every_question_names_turns_that_exist(name: str, count: int) -> None:
    asked, ids = questions(name), {m.metadata["source_id"] for m in history(name)}
    assert len({q.id for q in asked}) == len({q.question for q in asked}) == len(asked) == count
    for question in asked:
        assert set(question.gold) <= ids and len(set(question.gold)) == len(question.gold)
        assert (question.category == "unanswerable") == (not question.gold)
        assert question.answer and question.question[-1] in "?？"
    kinds = Counter(q.category for q in asked)
    assert set(kinds) == {"single", "multi", "temporal", "update", "preference", "unanswerable"}


def test_names_in_an_answer_stand_in_the_turns_that_give_it() -> None:
    """A gold turn that lacks the names of the answer would be a slip of the pen; categories that quote are checked."""
    said = {m.metadata["source_id"]: m.content for m in history()}
    for question in questions():
        if question.category not in ("single", "update", "preference"):
            continue
        given = " ".join(said[g] for g in question.gold)
        plain = re.sub(r"\(.*\)", "", question.answer)
        for name in re.findall(r"(?<!^)(?<![.:] )\b[A-Z][a-z]{3,}\b", plain):
            if not re.fullmatch(
                r"(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|January|May|February|Nadia|Oskar", name
            ):
                assert name in given, question.id


def test_an_unknown_sample_is_refused_by_name() -> None:
    with pytest.raises(UnknownName, match="demo"):
        history("dmeo")
    with pytest.raises(UnknownName):
        questions("../secrets")
    assert all(history(name) for name in SAMPLES)
