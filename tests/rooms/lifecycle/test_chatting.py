"""A memory's language model for whoever answers from its contexts: counted, limited, and not for every key."""

from __future__ import annotations

import pytest

from engrams import Memory
from engrams.errors import CannotJoin, Denied, OverBudget
from engrams.ports import Ask
from engrams.prompts import Prompt

ASK = Ask("answer", Prompt("answer", inline="Answer briefly."), {"question": "Where?"})


def test_it_answers_and_stands_in_the_ledger_of_the_namespace() -> None:
    with Memory.open(":memory:", "bm25", model=lambda request: "in Porto") as memory:
        chat = memory.chat("bench")
        assert [answer.text for answer in chat.ask_many([ASK, ASK])] == ["in Porto", "in Porto"]
        assert chat.ask(ASK).text == "in Porto"
        (line,) = memory.costs()
        # one question three times: asked once at the least, and else remembered
        assert (line.namespace, line.operation, line.usage.calls + line.remembered) == ("bench", "answer", 3)


def test_the_limits_of_a_day_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGRAMS_MODEL_TOKENS_PER_DAY", "10")
    with Memory.open(":memory:", "bm25", model=lambda request: "in Porto") as memory:
        with pytest.raises(OverBudget):
            memory.chat().ask(ASK)
        assert [line.usage.calls for line in memory.costs()] == []


def test_it_counts_on_in_a_memory_that_it_is_given_to() -> None:
    """One ledger over several memories: each counts by itself, and the lender counts all."""
    with Memory.open(":memory:", "bm25", model=lambda request: "yes") as lender:
        for name in ("one", "two"):
            with Memory.open(":memory:", "bm25", model=lender.chat(name)) as memory:
                memory.chat().ask(Ask("answer", Prompt("answer", inline=name)))
                assert [line.usage.calls for line in memory.costs()] == [1]
        assert [(line.namespace, line.usage.calls) for line in lender.costs()] == [("one", 1), ("two", 1)]


def test_a_memory_without_a_model_has_none_to_lend() -> None:
    with Memory.open(":memory:", "bm25", embedder="none") as memory, pytest.raises(CannotJoin):
        memory.chat()


def test_a_key_asks_only_where_it_may_write() -> None:
    with Memory.open(":memory:", "bm25", model=lambda request: "yes") as memory:
        reader = memory.create_key("reader", {"acme": "read"})
        writer = memory.create_key("writer", {"acme": "write"})
        with pytest.raises(Denied):
            memory.held_by(str(reader.secret)).chat("acme")
        assert memory.held_by(str(writer.secret)).chat("acme").ask(ASK).text == "yes"
