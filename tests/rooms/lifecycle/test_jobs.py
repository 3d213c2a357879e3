"""Never lose a turn: what cannot be derived from now is journalled all the same, and a job derives from it later."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from engrams import Memory
from engrams.errors import BadSetting, NotFound, UnknownName, UsageError
from engrams.lifecycle import jobs
from engrams.lifecycle.jobs import MOST_ATTEMPTS
from engrams.recipes.reference import BM25
from engrams.store.postgres import care as postgres_care
from engrams.store.sqlite import care as sqlite_care
from tests.rooms.lifecycle.failing import FAULTS, FRAGILE, TIDY, Ticking


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def memory(place: str, clock: Ticking) -> Iterator[Memory]:
    FAULTS.clear()
    with Memory.open(place, FRAGILE, clock=clock) as opened:
        yield opened
    FAULTS.clear()


def test_a_turn_whose_derivation_fails_is_kept_and_derived_later(memory: Memory, clock: Ticking) -> None:
    FAULTS["quince"] = 1
    receipt = memory.add("The quince jam is in the cellar.")
    assert (receipt.pending, receipt.derived, len(receipt.event_ids)) == (1, (), 1)
    assert [e.content for e in memory.log()] == ["The quince jam is in the cellar."]
    assert memory.stats().pending == 1
    assert memory.context("quince jam").pending == 1
    [job] = memory.jobs("waiting")
    assert job.error == "StepFailed: fragile.write.Fragile failed: ValueError: cannot read quince"
    assert memory.work().done == 1
    assert [h.text for h in memory.search("quince jam")] == ["The quince jam is in the cellar."]
    assert (memory.stats().pending, memory.jobs()) == (0, [])


def test_a_repeated_call_of_a_turn_that_waits_gives_the_first_receipt(memory: Memory) -> None:
    FAULTS["plum"] = 1
    first = memory.add("A plum.", idempotency_key="one")
    again = memory.add("A plum.", idempotency_key="one")
    assert (again.event_ids, again.repeated) == (first.event_ids, True)
    assert len(memory.jobs()) == 1


def test_the_wait_between_attempts_doubles_until_the_job_is_given_up(memory: Memory, clock: Ticking) -> None:
    FAULTS["fig"] = 99
    memory.add("A fig.")
    waits = []
    for _ in range(MOST_ATTEMPTS - 1):
        assert memory.work().again == 1
        [job] = memory.jobs("waiting")
        waits.append((job.due_at - clock.now()).total_seconds())
        assert memory.work() == jobs.Worked()  # not due yet
        clock.at = job.due_at
    longest = [15.0 * 2**n for n in range(MOST_ATTEMPTS - 1)]
    assert all(most / 2 - 1 <= wait <= most for wait, most in zip(waits, longest, strict=True))
    assert memory.work().dead == 1
    [dead] = memory.jobs("dead")
    assert (dead.attempts, memory.stats().dead) == (MOST_ATTEMPTS, 1)
    assert any("given up" in p.what for p in memory.check())
    FAULTS.clear()
    memory.retry_job(dead.id)
    assert memory.work().done == 1
    assert len(memory.search("fig")) == 1


def test_a_dropped_job_leaves_the_turn_in_the_journal_and_a_rebuild_derives_it(memory: Memory) -> None:
    FAULTS["pear"] = 1
    memory.add("A pear.")
    [job] = memory.jobs()
    memory.drop_job(job.id)
    with pytest.raises(NotFound, match="engrams jobs"):
        memory.drop_job(job.id)
    with pytest.raises(NotFound, match="engrams jobs"):
        memory.retry_job(job.id)
    assert memory.search("pear") == []
    assert memory.rebuild().made == 1
    assert len(memory.search("pear")) == 1


def test_one_message_that_cannot_be_derived_from_holds_up_no_other(memory: Memory, clock: Ticking) -> None:
    FAULTS["sloe"] = 99
    memory.add([{"role": "user", "content": c} for c in ("one apple", "one sloe", "one cherry", "one date")])
    assert memory.search("one") == []
    assert memory.work().again == 1
    assert {h.text for h in memory.search("one")} == {"one apple", "one cherry", "one date"}
    FAULTS.clear()
    clock.move(hours=1)
    assert memory.work().done == 1
    assert len(memory.search("one")) == 4


def test_a_bulk_load_makes_jobs_of_a_few_events_each(memory: Memory) -> None:
    FAULTS["message"] = 1
    memory.add_many([{"role": "user", "content": f"message {n}"} for n in range(120)], session="s")
    assert [len(j.payload["events"]) for j in memory.jobs()] == [50, 50, 20]
    assert len({j.key for j in memory.jobs()}) == 1
    assert memory.work().done == 3
    assert memory.stats().engrams == 120


def test_a_job_done_twice_has_the_effect_of_once(memory: Memory) -> None:
    FAULTS["kiwi"] = 1
    memory.add("A kiwi.")
    [job] = memory.jobs()
    memory.work()
    store = memory._house.store
    store.jobs.put([job])  # as if the worker had been killed after its work and before its last word
    assert memory.work().done == 1
    assert len(memory.search("kiwi")) == 1
    assert len(memory.history(job.payload["events"][0])) == 1


def test_an_event_erased_meanwhile_is_not_derived_from(memory: Memory) -> None:
    FAULTS["lime"] = 1
    receipt = memory.add("A lime.")
    memory.delete(receipt.event_ids[0])
    assert "lime" not in str(memory.jobs())
    assert memory.work().done == 1
    assert memory.get_all().items == ()


def test_a_correction_whose_derivation_fails_is_kept_and_followed_later(
    memory: Memory, clock: Ticking
) -> None:
    receipt = memory.add("A papaya from Peru.")
    FAULTS["Chile"] = 1
    fixed = memory.update(receipt.event_ids[0], "A papaya from Chile.", reason="misread")
    assert (fixed.pending, fixed.derived, len(fixed.event_ids)) == (1, (), 1)
    assert memory.get(receipt.event_ids[0]).content == "A papaya from Chile."
    assert [e.content for e in memory.get_all()] == [
        "A papaya from Peru."
    ]  # what stood, until it is followed
    [job] = memory.jobs("waiting")
    assert job.payload == {"events": [fixed.event_ids[0]]}
    assert str(job.error).endswith("cannot read Chile")
    assert (memory.stats().pending, memory.work().done, memory.stats().pending) == (1, 1, 0)
    assert [e.content for e in memory.get_all()] == ["A papaya from Chile."]
    last = memory.history(receipt.engram_ids[0])[-1]
    assert (last.version, last.change, last.event_id) == (2, "UPDATE", fixed.event_ids[0])
    memory.undo(receipt.event_ids[0])
    assert [e.content for e in memory.get_all()] == ["A papaya from Peru."]


def test_a_correction_made_while_the_turn_waited_holds(memory: Memory) -> None:
    FAULTS["guava"] = 1
    receipt = memory.add("A guava from Peru.")
    memory.update(receipt.event_ids[0], "A guava from Chile.")
    memory.work()
    assert [e.content for e in memory.get_all()] == ["A guava from Chile."]


def test_the_allowance_of_a_day_stops_the_work_until_the_next(memory: Memory, clock: Ticking) -> None:
    FAULTS["nut"] = 3
    for n in range(3):
        memory.add(f"nut {n}", session=str(n))
    FAULTS.clear()
    worked = memory.work(jobs_per_day=2)
    assert (worked.done, worked.stopped) == (2, True)
    clock.move(days=1)
    assert memory.work(jobs_per_day=2).done == 1
    assert memory.work(tokens_per_day=0).stopped
    with pytest.raises(BadSetting, match="jobs per day"):
        memory.work(jobs_per_day=-1)


def test_a_thread_of_the_memory_does_the_jobs(place: str) -> None:
    FAULTS["melon"] = 1
    with Memory.open(place, FRAGILE, background=True) as memory:
        memory.add("A melon.")
        found = threading.Event()
        for _ in range(600):
            if not memory.jobs():
                found.set()
                break
            threading.Event().wait(0.05)
        assert found.is_set()
        assert len(memory.search("melon")) == 1
    FAULTS.clear()
    assert "engrams-jobs" not in {t.name for t in threading.enumerate()}


def test_a_memory_with_a_thread_goes_on_with_the_recipe_that_a_job_rebuilt_it_with() -> None:
    with Memory.open(":memory:", background=True) as memory:
        memory.add("A melon.")
        memory.schedule("rebuild", recipe="bm25")
        for _ in range(600):
            if memory.recipe.name == "bm25":
                break
            threading.Event().wait(0.05)
        assert memory.recipe is BM25
        assert [hit.text for hit in memory.search("melon")] == ["A melon."]


def test_a_rebuild_through_the_view_of_a_key_is_a_rebuild_of_the_memory() -> None:
    with Memory.open(":memory:") as memory:
        memory.add("A melon.")
        view = memory.held_by(memory.create_key("chief", {"*": "admin"}).secret or "")
        view.rebuild("bm25")
        assert memory.recipe is view.recipe is BM25


def test_the_lease_is_renewed_while_a_job_runs(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    FAULTS["olive"] = 1
    memory.add("An olive.")
    monkeypatch.setattr(jobs, "LEASE_SECONDS", 0.03)
    seen: list[bool] = []
    store = memory._house.store
    renewed = threading.Event()

    def slow(house: object, job: object) -> int:
        before = store.jobs.all(["running"])[0].leased_until
        for _ in range(500):
            renewed.wait(0.01)
            if store.jobs.all(["running"])[0].leased_until != before:
                seen.append(True)
                break
        return 7

    monkeypatch.setattr(jobs, "KINDS", {"derive": slow})
    assert memory.work().done == 1
    assert seen == [True]
    assert store.jobs.spent(memory._house.clock.now().date()).tokens == 7


def test_scheduled_work_is_done_once_however_often_it_is_asked_for(clock: Ticking) -> None:
    with Memory.open(":memory:", TIDY, clock=clock) as memory:
        memory.add("short")
        memory.add("a sentence that is long enough")
        assert memory.schedule("consolidate", recipe=TIDY)
        assert memory.schedule("consolidate", recipe=TIDY) is None
        assert memory.work().done == 1
        assert [e.content for e in memory.get_all()] == ["a sentence that is long enough"]
        with pytest.raises(UnknownName, match="kind of job"):
            memory.schedule("derive")


def test_a_recipe_that_is_not_here_ends_among_the_dead_and_says_which(memory: Memory, clock: Ticking) -> None:
    FAULTS["date"] = 1
    memory.add("A date.")
    house = memory._house
    stranger = house.running(BM25)
    store = house.store
    for _ in range(MOST_ATTEMPTS):
        jobs.work(stranger)
        clock.move(hours=2)
    [dead] = store.jobs.all(["dead"])
    assert "unknown recipe 'fragile'" in str(dead.error)


def test_consolidate_says_when_a_recipe_has_nothing_to_do() -> None:
    with Memory.open(":memory:") as memory, pytest.raises(UsageError, match="does not consolidate"):
        memory.consolidate()


def test_consolidate_keeps_what_is_pinned_and_tells_why(place: str, clock: Ticking) -> None:
    with Memory.open(place, TIDY, clock=clock) as memory:
        kept = memory.add("pinned").engram_ids[0]
        gone = memory.add("short").engram_ids[0]
        memory.pin(kept)
        done = memory.consolidate()
        assert (done.made, done.changed) == (0, 1)
        assert [e.id for e in memory.get_all()] == [kept]
        last = memory.history(gone)[-1]
        assert (last.change, last.reason, last.state, last.actor) == (
            "INVALIDATE",
            "too short",
            "superseded",
            "library",
        )
        assert last.at - memory.history(gone)[0].at < timedelta(seconds=1)
        assert memory.consolidate().changed == 0


def test_a_worker_finishes_an_erase_whose_bytes_had_to_stay(
    memory: Memory, clock: Ticking, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt = memory.add("A medlar.")
    with monkeypatch.context() as patch:
        for care in (sqlite_care, postgres_care):
            patch.setattr(
                care, "scrub", lambda *_args: False
            )  # as if somebody read the old state all the time
        assert memory.delete(receipt.event_ids[0]).state == "pending"
        for _ in range(MOST_ATTEMPTS + 2):  # it waits for as long as it takes, and is never given up
            assert memory.work().again == 1
            clock.move(hours=1)
        [job] = memory.jobs("waiting")
        assert (job.kind, job.recipe, job.attempts) == ("finish-erasing", "", MOST_ATTEMPTS + 2)
        assert "still in use by another program" in str(job.error)
    assert memory.work().done == 1
    assert memory._house.store.settings("erase:") == {}
    assert (memory.jobs(), memory.work()) == ([], jobs.Worked())


def test_a_worker_applies_the_rules_once_a_day_and_when_they_change(memory: Memory, clock: Ticking) -> None:
    old = memory.add("An old quince.")
    clock.move(days=10)
    memory.add("A new quince.")
    assert memory.work() == jobs.Worked()  # no rule, nothing to do
    memory.retain("default", max_age_days=30)
    assert memory.work().done == 1
    assert len(memory.log()) == 2
    assert memory.work() == jobs.Worked()  # today is done
    memory.retain("default", max_age_days=7)
    assert memory.work().done == 1
    assert [e.content for e in memory.log()] == ["A new quince."]
    assert [row["action"] for row in memory.audit()][-1] == "erase"
    clock.move(days=8)
    assert memory.work().done == 1
    assert memory.log().items == ()
    memory.retain("default")
    clock.move(days=8)
    assert memory.work() == jobs.Worked()
    assert old.event_ids[0] not in str(memory.jobs())
