"""The jobs of every store: kept with what they follow from, in order, held by one worker at a time, never lost."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest

from engrams.errors import UsageError
from engrams.ports import Store
from engrams.records import Job, Progress, new_event_id
from tests.contracts.stores import NAMESPACE, add, at, commit_of, erase, from_event, said

Fresh = Callable[[], AbstractContextManager[Store]]
NOW = at(0)
SOON = NOW + timedelta(seconds=60)
LATER = NOW + timedelta(hours=1)


def job(key: str = "k", **fields: Any) -> Job:
    given: dict[str, Any] = {"kind": "derive", "namespace": NAMESPACE, "recipe": "engrams", **fields}
    due = given.pop("due_at", NOW)
    return Job(id=given.pop("id", None) or new_event_id(), key=key, created_at=NOW, due_at=due, **given)


def test_a_job_comes_back_as_it_was_put(store: Store) -> None:
    first = job(payload={"events": ["a", "b"]}, once="x", error="StepFailed: no \ud83d")
    assert store.jobs.put([first]) == [first.id]
    assert store.jobs.all() == [first]
    held = store.jobs.lease("me", NOW, SOON, ["derive"])
    assert held is not None
    assert (held.id, held.state, held.attempts, held.worker, held.leased_until) == (
        first.id,
        "running",
        1,
        "me",
        SOON,
    )
    assert held.payload == {"events": ["a", "b"]}
    assert store.jobs.finish(first.id, "me")
    assert store.jobs.all() == []


def test_jobs_of_one_key_go_in_order_and_others_pass_by(store: Store) -> None:
    a1, a2, b1 = job("a"), job("a"), job("b")
    store.jobs.put([a1, a2, b1])
    got = [store.jobs.lease(f"w{n}", NOW, SOON, ["derive"]) for n in range(3)]
    assert [g and g.id for g in got] == [a1.id, b1.id, None]
    store.jobs.finish(a1.id, "w0")
    second = store.jobs.lease("w3", NOW, SOON, ["derive"])
    assert second is not None
    assert second.id == a2.id


def test_a_job_that_waits_for_another_try_holds_its_key_up_and_a_dead_one_does_not(store: Store) -> None:
    first, second = job("a"), job("a")
    store.jobs.put([first, second])
    store.jobs.lease("w", NOW, SOON, ["derive"])
    assert store.jobs.fail(first.id, "w", "again", LATER)
    assert store.jobs.lease("w", NOW, SOON, ["derive"]) is None
    assert store.jobs.lease("w", LATER, LATER + timedelta(minutes=1), ["derive"]) is not None
    assert store.jobs.fail(first.id, "w", "no more", None)
    [dead] = store.jobs.all(["dead"])
    assert (dead.id, dead.attempts, dead.error, dead.worker) == (first.id, 2, "no more", None)
    assert store.jobs.lease("w", NOW, SOON, ["derive"]) is not None  # the second


def test_a_worker_that_gives_no_sign_of_life_loses_its_job(store: Store) -> None:
    only = job()
    store.jobs.put([only])
    store.jobs.lease("killed", NOW, SOON, ["derive"])
    assert store.jobs.lease("next", NOW, SOON, ["derive"]) is None
    assert store.jobs.renew(only.id, "killed", LATER)
    assert store.jobs.lease("next", SOON, LATER, ["derive"]) is None
    taken = store.jobs.lease("next", LATER, LATER + timedelta(minutes=1), ["derive"])
    assert taken is not None
    assert taken.attempts == 2
    assert not store.jobs.renew(only.id, "killed", LATER)
    assert not store.jobs.finish(only.id, "killed")
    assert not store.jobs.fail(only.id, "killed", "late", None)
    assert store.jobs.finish(only.id, "next")


def test_what_is_not_due_or_not_asked_for_is_not_given(store: Store) -> None:
    store.jobs.put([job("a", due_at=LATER), job("b", kind="rebuild")])
    assert store.jobs.lease("w", NOW, SOON, ["derive"]) is None
    assert store.jobs.lease("w", NOW, SOON, []) is None
    found = store.jobs.lease("w", NOW, SOON, ["derive", "rebuild"])
    assert found is not None
    assert found.kind == "rebuild"


def test_of_jobs_that_are_alike_one_waits(store: Store) -> None:
    one, two = job("a", once="same"), job("b", once="same")
    assert store.jobs.put([one, two]) == [one.id]
    store.jobs.lease("w", NOW, SOON, ["derive"])
    assert store.jobs.put([two]) == []
    store.jobs.finish(one.id, "w")
    assert store.jobs.put([two]) == [two.id]


def test_the_dead_can_be_tried_again_or_dropped(store: Store) -> None:
    only = job()
    store.jobs.put([only])
    store.jobs.lease("w", NOW, SOON, ["derive"])
    assert not store.jobs.retry(only.id, NOW)  # it runs
    store.jobs.fail(only.id, "w", "boom", None)
    assert store.jobs.retry(only.id, NOW)
    [waiting] = store.jobs.all()
    assert (waiting.state, waiting.attempts, waiting.error) == ("waiting", 0, "boom")
    assert store.jobs.drop(only.id)
    assert not store.jobs.drop(only.id)
    assert not store.jobs.retry(only.id, NOW)


def test_what_a_day_cost_is_counted(store: Store) -> None:
    store.jobs.put([job("a"), job("b")])
    store.jobs.lease("w", NOW, SOON, ["derive"])
    store.jobs.lease("w", NOW, SOON, ["derive"])
    store.jobs.spend(NOW.date(), "derive", 30)
    store.jobs.spend(NOW.date(), "consolidate", 12)
    spent = store.jobs.spent(NOW.date())
    assert (spent.jobs, spent.tokens) == (2, 42)
    assert store.jobs.spent((NOW + timedelta(days=1)).date()).jobs == 0


def test_a_job_is_kept_with_the_commit_it_follows_from_or_not_at_all(store: Store) -> None:
    event, first = said("hello"), job()
    store.commit(commit_of([event], jobs=(first,)))
    assert [j.id for j in store.jobs.all()] == [first.id]
    with pytest.raises(UsageError):
        store.commit(commit_of([event], jobs=(job(),)))
    assert [j.id for j in store.jobs.all()] == [first.id]


def test_a_writer_knows_how_far_it_has_come(store: Store) -> None:
    assert store.progress("one") == Progress(0, 0)
    events = [said("a"), said("b")]
    store.commit(commit_of(events, [from_event(e) for e in events], writer="one"))
    assert store.progress("one").behind == 0
    assert store.progress("one").looked > 0
    assert [e.id for _, e in store.behind("two")] == [e.id for e in events]
    third = said("c")
    store.commit(commit_of([third], writer="two"))
    assert [e.id for _, e in store.behind("one")] == [third.id]
    # The second writer looked at the last entry while the first two are still before it: they stay to be looked at.
    assert [e.id for _, e in store.behind("two")] == [e.id for e in (*events, third)]
    number = store.behind("two")[1][0]
    store.looked("two", NAMESPACE, number)
    assert [e.id for _, e in store.behind("two")] == [third.id]
    store.looked("two", NAMESPACE, 0)  # never back
    assert store.progress("two").behind == 1
    store.looked("two", NAMESPACE, store.behind("two")[0][0])
    assert store.progress("two").behind == 0


def test_progress_counts_the_jobs_that_will_derive(store: Store) -> None:
    store.jobs.put([job("a"), job("b"), job("c"), job("d", kind="rebuild")])
    held = store.jobs.lease("w", NOW, SOON, ["derive"])
    assert held is not None
    store.jobs.fail(held.id, "w", "boom", None)
    store.jobs.lease("w", NOW, SOON, ["derive"])
    assert store.progress("engrams") == Progress(0, 0, waiting=2, dead=1)


def test_versions_are_found_by_number(store: Store) -> None:
    [passage] = add(store, said("first"))
    assert store.version(passage.id, 1) == passage
    assert store.version(passage.id, 2) is None
    assert store.version("?", 1) is None


def test_an_erase_forgets_what_a_failure_quoted(store: Store) -> None:
    event = said("my secret")
    add(store, event)
    quoting = job(payload={"events": [event.id]}, error="ValueError: my secret")
    store.jobs.put([quoting, job("b", error="other")])
    erase(store, event)
    assert [j.error for j in store.jobs.all()] == [None, "other"]


def test_reset_leaves_no_job_and_no_writer_behind(store: Store) -> None:
    store.commit(commit_of([said("a")], writer="one"))
    store.jobs.put([job()])
    store.reset()
    assert store.jobs.all() == []
    assert store.progress("one") == Progress(0, 0)
    store.commit(commit_of([said("b")], writer="one"))
    assert store.progress("one").behind == 0
