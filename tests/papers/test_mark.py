"""MARK on traces worked out by hand: three kinds of memories, trust by what agrees, persistence, and a score of use."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from engrams import Memory
from engrams.errors import BadSetting
from engrams.organise.refine import Refine
from engrams.organise.trust import Persist, trust
from engrams.prompts import Prompt
from engrams.recall.weigh import WeighUse
from engrams.recipes.mark import MARK
from engrams.records import Engram, EngramId
from tests.papers.talks import START, Drawn, Reply, opened, tell, texts

RESIDUAL, QUESTION = Prompt("residual_memory"), Prompt("user_question_memory")
RESPONSE, JUDGE = Prompt("llm_response_memory"), Prompt("agree_or_disagree")
WORDS = {"valve": (1, 0, 0), "pump": (0.8, 0.6, 0), "lens": (0, 1, 0), "cornea": (0, 0, 1)}


def told(by: str) -> Reply:
    """The words behind "by:" of each new message."""

    def reply(blocks: dict[str, str]) -> dict[str, object]:
        lines = [line.partition(": ")[2] for line in blocks["messages"].splitlines()]
        return {"facts": [t.partition("=")[2] for t in lines if t.startswith(f"{by}=")]}

    return reply


def judged(operation: str) -> Reply:
    """That of the memory that says blue, or of the first."""

    def reply(blocks: dict[str, str]) -> dict[str, object]:
        held = blocks["memories"].splitlines()
        number = next((n for n, line in enumerate(held, start=1) if "is blue" in line), 1)
        return {"decisions": [{"fact": 1, "operation": operation, "memory": number}]}

    return reply


def replies(operation: str = "ADD") -> dict[Prompt, Reply]:
    return {RESIDUAL: told("r"), QUESTION: told("q"), RESPONSE: told("a"), JUDGE: judged(operation)}


def test_three_questions_over_one_conversation() -> None:
    with opened(MARK, replies(), WORDS) as (memory, talk):
        memory.add(
            [
                {"role": "user", "content": "q=PV is the pressure valve."},
                {"role": "assistant", "content": "a=A table is liked."},
                {"role": "user", "content": "r=The pump is no lens."},
            ],
            session="s",
            occurred_at=START,
        )
        memory.work()
        kinds = {e.content: e.metadata["refined"] for e in memory.get_all()}
        assert kinds == {
            "PV is the pressure valve.": "user-question",
            "A table is liked.": "llm-response",
            "The pump is no lens.": "residual",
        }
        assert sorted(n for n, _ in talk.asked) == sorted(p.name for p in (RESIDUAL, QUESTION, RESPONSE))
        assert {e.kind for e in memory.get_all()} == {"fact"}
        assert all(len(e.sources) == 3 for e in memory.get_all())


def test_what_is_told_again_is_trusted_more_and_rests_on_both() -> None:
    with opened(MARK, replies("AGREE"), WORDS) as (memory, _):
        first = tell(memory, "user: q=The valve is blue.")
        second = tell(memory, "user: q=Blue is the valve.", day=1)
        [valve] = memory.get_all()
        assert (valve.content, valve.metadata["agreed"]) == ("The valve is blue.", 1)
        assert list(valve.sources) == [*first, *second]
        assert [r.change for r in memory.history(valve.id)] == ["ADD", "AGREE"]
        # What agreed is erased, and with it the agreement.
        memory.delete(second[0])
        [valve] = memory.get_all()
        assert "agreed" not in valve.metadata


def test_what_is_contradicted_is_closed_unless_more_agreed() -> None:
    with opened(MARK, replies("DISAGREE"), WORDS) as (memory, _):
        tell(memory, "user: q=The valve is blue.")
        tell(memory, "user: q=The valve is red.", day=1)
        assert texts(memory, "fact") == ["The valve is red."]
    with opened(MARK, replies("AGREE"), WORDS) as (memory, talk):
        tell(memory, "user: q=The valve is blue.", "user: q=Yes, the valve is blue.")
        talk.replies = replies("DISAGREE")
        tell(memory, "user: q=The valve is red.", day=1)
        # (1 + 1) / (1 + 1 + 2): as likely right as wrong, so both stand; the next word against it closes it.
        assert sorted(texts(memory, "fact")) == ["The valve is blue.", "The valve is red."]
        tell(memory, "user: q=The valve is red, not blue.", day=2)
        assert "The valve is blue." not in texts(memory, "fact")


def memory_of(**more: object) -> Engram:
    at = START
    return replace(Engram(EngramId("e"), "default", "mark", "fact", "x", at, at, ("ev",)), **more)  # type: ignore[arg-type]


def test_trust_is_what_speaks_for_it_of_all() -> None:
    assert trust(memory_of()) == 1 / 2
    assert trust(memory_of(metadata={"agreed": 2, "disagreed": 1})) == 3 / 5
    assert trust(memory_of(), good=3, bad=1) == 4 / 6


def test_what_is_unused_and_not_trusted_goes_and_what_is_pinned_stays() -> None:
    # 1/2 e^(-t/365) is below 0.1 from t = 365 ln 5 on, 587.4 days.
    for days, left in ((587, 2), (588, 1)):
        with opened(MARK, replies(), WORDS) as (memory, _):
            tell(memory, "user: q=The valve is blue.")
            tell(memory, "user: q=The lens is clear.", day=days)
            memory.consolidate()
            assert len(memory.get_all()) == left
    assert math.log(5) * 365 == pytest.approx(587.4, abs=0.1)
    with opened(MARK, replies(), WORDS) as (memory, _):
        tell(memory, "user: q=The valve is blue.")
        memory.pin(memory.get_all()[0].id)
        tell(memory, "user: q=The lens is clear.", day=9000)
        memory.consolidate()
        assert len(memory.get_all()) == 2


def test_a_verdict_counts_for_the_order_and_for_trust() -> None:
    with opened(MARK.replace("read.WeighUse.recency", 0.0), replies(), WORDS) as (memory, _):
        tell(memory, "user: q=The valve is blue.", "user: q=A valve it is.")
        before = memory.search("valve?", k=2, explain=True)
        assert before[0].score == pytest.approx(1.0)
        memory.feedback("valve?", cited=[before[1].id], wrong=[before[0].id], k=2)
        after = memory.search("valve?", k=2, explain=True)
        assert [h.id for h in after] == [before[1].id, before[0].id]
        # One verdict for it, one against it: 0.1 / 2, and -0.1 / 2.
        assert after[0].signals["feedback"] == pytest.approx(0.1 / 2)
        assert after[1].signals["feedback"] == pytest.approx(-0.1 / 2)
        assert {e.kind for e in memory.get_all()} == {"fact"}


def test_a_verdict_on_a_memory_lets_it_go_or_stay() -> None:
    quick = MARK.replace("consolidate.Persist.least", 0.4).replace("read.Nearest.reinforce", False)
    for verdict, left in (("wrong", 1), ("cited", 2)):
        with opened(quick, replies(), WORDS) as (memory, _):
            tell(memory, "user: q=The valve is blue.", "user: q=The lens is clear.")
            [hit] = memory.search("valve?", k=1)
            if verdict == "wrong":
                memory.feedback("valve?", wrong=[hit.id], k=1)
            else:
                memory.feedback("valve?", cited=[hit.id], k=1)
            memory.consolidate()
            # Trust 1/3 is below 0.4, 1/2 and 2/3 are not.
            assert len(memory.get_all()) == left


def test_recency_and_recalls_weigh_among_what_is_alike() -> None:
    with opened(MARK, replies(), WORDS) as (memory, _):
        for text, hours in (("q=The valve is blue.", 0), ("q=A valve it is.", 100)):
            memory.add(text, occurred_at=START + timedelta(hours=hours))
        memory.work()
        [late, early] = memory.search("valve?", k=2, explain=True)
        assert early.signals == pytest.approx(
            {"dense": 1.0, "recency": 0.1 * 0.995**100, "recalls": 0.0, "feedback": 0.0}
        )
        assert late.signals["recency"] == pytest.approx(0.1)
        [again, _] = memory.search("valve?", k=2, explain=True)
        assert again.signals["recalls"] == pytest.approx(0.1 * 1 / 2)
    alone = MARK.replace("read.WeighUse.similarity", 0.0)
    with opened(alone, replies(), WORDS) as (memory, _):
        tell(memory, "user: q=The valve is blue.", "user: q=The lens is clear.")
        assert memory.search("valve?", k=1)[0].text == "The lens is clear."


def test_without_a_model_sentences_are_sorted_by_who_says_them() -> None:
    with Memory.open(":memory:", "mark", embedder=Drawn(WORDS), models="none") as memory:
        tell(memory, "user: I live in Bern.", "assistant: The pump is old.", "user: I moved to Porto.")
        kinds = {e.content: e.metadata["refined"] for e in memory.get_all()}
        assert kinds == {"The pump is old": "llm-response", "I moved to Porto": "residual"}
        swapped = [d for d in memory.recipe.differs if "without a model:" in d]
        assert [d.split()[3] for d in swapped] == ["TakeRefined", "RuleVerdicts"]
        tell(memory, "user: I moved to Porto.", day=1)
        assert [e.metadata.get("agreed") for e in memory.get_all()] == [None, 1]


def test_settings_that_make_no_sense_are_refused() -> None:
    for make, key in (
        (lambda: Refine(recent=-1), "recent"),
        (lambda: Persist(least=2), "least"),
        (lambda: Persist(days=0), "days"),
        (lambda: WeighUse(feedback=-1), "feedback"),
    ):
        with pytest.raises(BadSetting, match=key):
            make()
