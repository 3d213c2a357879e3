"""Mem0 on a trace worked out by hand: what is extracted, held against what stands, and what becomes of it."""

from __future__ import annotations

from engrams import Memory
from engrams.organise.judge import AskVerdicts
from engrams.prompts import Prompt
from engrams.recipes.mem0 import MEM0
from tests.papers.talks import Drawn, opened, tell, texts

FACTS, RECONCILE = Prompt("facts"), Prompt("reconcile")
WORDS = {"porto": (1, 0, 0), "work": (1, 0, 0), "harbour": (1, 0, 0), "cat": (0, 1, 0), "momo": (0, 1, 0)}


def told(blocks: dict[str, str]) -> dict[str, object]:
    """Extracts by words in the new messages."""
    new = blocks["messages"]
    found = {
        "harbour": "Ada works at the harbour.",
        "airport": "Ada works at the airport.",
        "cat": "Ada has a cat.",
        "Momo": "Ada's cat is called Momo.",
        "sold": "Ada no longer has a cat.",
    }
    return {"facts": [fact for word, fact in found.items() if word in new]}


def judged(blocks: dict[str, str]) -> dict[str, object]:
    """Decides as the paper's example does: newer replaces, richer updates, a contradiction deletes."""
    old, new = blocks["memories"].splitlines(), blocks["facts"].splitlines()
    made: list[dict[str, object]] = []
    for n, fact in enumerate(new, start=1):
        for m, memory in enumerate(old, start=1):
            if "airport" in fact and "harbour" in memory:
                made.append(
                    {
                        "fact": n,
                        "operation": "UPDATE",
                        "memory": m,
                        "text": "Ada works at the airport, before at the harbour.",
                    }
                )
            elif "Momo" in fact and "has a cat" in memory:
                made.append(
                    {"fact": n, "operation": "UPDATE", "memory": m, "text": "Ada has a cat called Momo."}
                )
            elif "no longer" in fact and "cat" in memory:
                made.append({"fact": n, "operation": "DELETE", "memory": m})
            elif fact.split("] ")[1] == memory.split("] ")[1]:
                made.append({"fact": n, "operation": "NOOP", "memory": m})
    return {"decisions": made}


def test_facts_are_added_updated_deleted_and_left() -> None:
    with opened(MEM0, {FACTS: told, RECONCILE: judged}, WORDS) as (memory, talk):
        first = tell(memory, "user: I work at the harbour in Porto.", day=0)
        assert texts(memory, "fact") == ["Ada works at the harbour."]
        assert talk.shown("reconcile") == []  # nothing stood: nothing to decide
        second = tell(memory, "user: I work at the airport now.", day=10)
        assert texts(memory, "fact") == ["Ada works at the airport, before at the harbour."]
        [fact] = [e for e in memory.get_all() if e.kind == "fact"]
        assert list(fact.sources) == [*first, *second]
        assert [r.change for r in memory.history(fact.id)] == ["ADD", "UPDATE"]
        tell(memory, "user: I have a cat.", day=11)
        tell(memory, "user: She is called Momo.", day=12)
        assert "Ada has a cat called Momo." in texts(memory, "fact")
        tell(memory, "user: I have a cat, as you know: called Momo.", day=13)
        assert len(texts(memory, "fact")) == 3  # "Ada has a cat." was not word for word there
        tell(memory, "user: I sold the cat.", day=14)
        assert not [t for t in texts(memory, "fact") if "Momo" in t]


def test_a_repeated_fact_is_kept_once() -> None:
    with opened(MEM0, {FACTS: told, RECONCILE: judged}, WORDS) as (memory, _):
        tell(memory, "user: I work at the harbour.")
        tell(memory, "user: As I said, the harbour.", day=1)
        assert texts(memory, "fact") == ["Ada works at the harbour."]


def test_the_extraction_sees_ten_messages_before_and_takes_facts_of_two_new_ones() -> None:
    with opened(MEM0, {FACTS: {"facts": []}, RECONCILE: judged}, WORDS) as (memory, talk):
        said = [{"role": "user", "content": f"message {n}"} for n in range(15)]
        memory.add(said, session="one")
        memory.work()
        shown = talk.shown("facts")
        assert [len(blocks["messages"].splitlines()) for blocks in shown] == [2] * 7 + [1]
        assert [len(blocks["earlier"].splitlines()) for blocks in shown] == [0, 2, 4, 6, 8, 10, 10, 10]
        assert shown[-1]["earlier"].splitlines()[0].endswith("message 4")


def test_without_reconciling_what_is_over_stays() -> None:
    recipe = MEM0.replace("write.Reconcile.judge", AskVerdicts(operations=("ADD",)))
    only = {"decisions": [{"fact": 1, "operation": "ADD"}]}
    with opened(recipe, {FACTS: told, RECONCILE: only}, WORDS) as (memory, _):
        tell(memory, "user: I work at the harbour in Porto.")
        tell(memory, "user: I work at the airport now.", day=10)
        assert len(texts(memory, "fact")) == 2


def test_numbers_a_model_makes_up_change_nothing() -> None:
    wild = {"decisions": [{"fact": 9, "operation": "NOOP"}, {"fact": 1, "operation": "DELETE", "memory": 77}]}
    with opened(MEM0, {FACTS: told, RECONCILE: wild}, WORDS) as (memory, _):
        tell(memory, "user: I work at the harbour in Porto.")
        tell(memory, "user: I work at the airport now.", day=10)
        assert texts(memory, "fact") == ["Ada works at the harbour.", "Ada works at the airport."]


def test_without_a_model_sentences_are_facts_and_repeats_are_dropped() -> None:
    with Memory.open(":memory:", "mem0", embedder=Drawn(WORDS), models="none") as memory:
        memory.add("I work at the harbour. What about you?")
        memory.add("I work at the harbour.")
        memory.add("I have a grey cat.")
        assert texts(memory, "fact") == ["I work at the harbour", "I have a grey cat"]
        assert "without a model: TakeSentences in place of ExtractFacts" in memory.recipe.differs
        assert "chat" not in memory.recipe.needs
