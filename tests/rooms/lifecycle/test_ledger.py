"""The ledger of language models in both stores: nothing is lost between processes, and no limit is passed."""

from __future__ import annotations

import threading
from datetime import date
from typing import Any

import pytest

from engrams import Memory
from engrams.errors import OverBudget
from engrams.lifecycle.ledger import Ledger, Limits
from engrams.ports import Request, Usage
from engrams.store import open_store
from tests.rooms.lifecycle.failing import Ticking
from tests.rooms.models.chat_recipe import NOTES


def noting(request: Request) -> Any:
    return {"note": f"Noted: {request.ask.input['message']}", "keywords": []}


def test_memories_open_at_once_share_one_ledger(place: str) -> None:
    clock = Ticking("2024-03-01")
    with (
        Memory.open(place, NOTES, model=noting, clock=clock) as one,
        Memory.open(place, NOTES, model=noting, clock=clock) as two,
    ):
        one.add("one", user_id="ada")
        one.work()
        two.add("two", user_id="ada")
        two.add("three", user_id="ben")
        two.work()
        assert one.costs() == two.costs()
        found = [(line.namespace, line.usage.calls, line.usage.money) for line in one.costs()]
        assert found == [("ada", 2, None), ("ben", 1, None)]
    with Memory.open(place, NOTES, model=noting, clock=clock) as later:
        assert [(line.namespace, line.usage.calls) for line in later.costs()] == [("ada", 2), ("ben", 1)]


def test_processes_that_reach_the_limit_together_do_not_pass_it(place: str) -> None:
    clock = Ticking("2024-03-01")
    stores = [open_store(place) for _ in range(4)]
    ledgers = [Ledger(store, clock, {}, Limits(tokens=1000)) for store in stores]
    gate, let, refused = threading.Barrier(4, timeout=20), [], []

    def spend(ledger: Ledger) -> None:
        gate.wait()
        for _ in range(5):
            try:
                reserved = ledger.reserve("toy", "extract", 60, 40)
            except OverBudget:
                refused.append(1)
                continue
            ledger.settle(reserved, "default", "toy", "extract", Usage(1, 60, 40))
            let.append(1)

    threads = [threading.Thread(target=spend, args=(ledger,)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(let) <= 10
    assert len(let) + len(refused) == 20
    total = sum(line.usage.tokens for line in ledgers[0].spendings(date(2024, 3, 1), date(2024, 3, 1)))
    assert total == 100 * len(let)
    while (
        True
    ):  # what was set aside by those who were refused is free again: the rest of the limit can be used
        try:
            reserved = ledgers[0].reserve("toy", "extract", 60, 40)
        except OverBudget:
            break
        ledgers[0].settle(reserved, "default", "toy", "extract", Usage(1, 60, 40))
        let.append(1)
    assert len(let) == 10
    for store in stores:
        store.close()


def test_what_was_refused_is_not_kept_aside(place: str) -> None:
    store = open_store(place)
    ledger = Ledger(store, Ticking("2024-03-01"), {}, Limits(tokens=1000))
    with pytest.raises(OverBudget) as caught:
        ledger.reserve("toy", "extract", 1001, 0)
    assert (caught.value.limit, caught.value.spent) == (1000, 1001)
    under_way = ledger.reserve("toy", "extract", 900, 100)
    with pytest.raises(OverBudget):
        ledger.reserve("toy", "extract", 1, 0)
    ledger.settle(under_way, "default", "toy", "extract", Usage(1, 400, 50))  # less than it might have been
    ledger.reserve("toy", "extract", 500, 50)
    store.close()
