"""Working through durable jobs: leases with a heartbeat, retries with back-off, a daily allowance, a list of the dead."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from engrams.errors import (
    BadSetting,
    CannotJoin,
    EngramsError,
    NeedsExtra,
    NotFound,
    OverBudget,
    RateLimited,
    StoreError,
)
from engrams.lifecycle import consolidating, embedding, rebuilding, upkeep
from engrams.lifecycle.finding import found_recipe
from engrams.lifecycle.later import told
from engrams.lifecycle.opening import CURRENT, House
from engrams.lifecycle.replaying import catch_up, replay
from engrams.lifecycle.telling import tell
from engrams.lifecycle.upkeep import UPKEEP
from engrams.recipe import Recipe
from engrams.recipes.catalogue import CATALOGUE
from engrams.records import Job, new_event_id

#: How long a worker holds a job without a sign of life, in seconds; it gives one three times as often.
LEASE_SECONDS = 60.0
#: How often a job is begun before it is given up. With the waits below that is about an hour of trying.
MOST_ATTEMPTS = 8
#: The wait after the first failure, in seconds; each further one is twice as long, and never above the longest.
FIRST_WAIT, LONGEST_WAIT = 15.0, 1800.0
#: How often a worker that found nothing looks again, in seconds.
PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Allowance:
    """What jobs may cost on one day (UTC); None: any amount. Checked before a job begins."""

    jobs: int | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        for key, value in (("jobs", self.jobs), ("tokens", self.tokens)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
                raise BadSetting(f"{key} per day", value, "a whole number, 0 or more")


@dataclass(frozen=True, slots=True)
class Worked:
    """What a worker did: jobs finished, put back to try again, given up; `stopped`: the day's allowance was used up."""

    done: int = 0
    again: int = 0
    dead: int = 0
    stopped: bool = False


def _derive(house: House, job: Job) -> int:
    found = house.store.events([str(id) for id in job.payload.get("events", ())])
    return replay(house, list(found.values()))  # those erased meanwhile are not among them


def _consolidate(house: House, job: Job) -> int:
    return consolidating.consolidate(house, job.namespace).tokens


def _rebuild(house: House, job: Job) -> int:
    rebuilding.rebuild(house, house.recipe)
    return 0


def _reembed(house: House, job: Job) -> int:
    embedding.reembed(house)
    return 0


def _catch_up(house: House, job: Job) -> int:
    catch_up(house)
    return 0


#: What is done for each kind of job; each may be done twice and has the effect of once.
KINDS: Mapping[str, Callable[[House, Job], int]] = MappingProxyType(
    {
        "derive": _derive,
        "consolidate": _consolidate,
        "rebuild": _rebuild,
        "reembed": _reembed,
        "catch-up": _catch_up,
        upkeep.FINISH_ERASING: upkeep.finish_erasing,
        upkeep.RETENTION: upkeep.apply_rules,
    }
)


def work(house: House, *, most: int | None = None, allowance: Allowance = Allowance()) -> Worked:
    """Does jobs that are due, those that the store needs by itself among them, until none is left or `most` were begun."""
    name = f"{os.getpid()}-{new_event_id()}"
    upkeep.put_due(house)
    done = again = dead = 0
    while most is None or done + again + dead < most:
        if _used_up(house, allowance):
            return Worked(done, again, dead, stopped=True)
        now = house.clock.now()
        job = house.store.jobs.lease(name, now, now + timedelta(seconds=LEASE_SECONDS), list(KINDS))
        if job is None:
            if upkeep.put_due(house):
                continue
            break
        outcome = _attempt(house, job, name)
        done += outcome == "done"
        again += outcome == "again"
        dead += outcome == "dead"
    return Worked(done, again, dead)


def _attempt(house: House, job: Job, name: str) -> str:
    try:
        with _heartbeat(house, job, name):
            recipe = house.recipe if job.recipe in ("", house.recipe.name) else found_recipe(job.recipe)
            tokens = KINDS[job.kind](house.running(recipe), job)
    except EngramsError as failed:
        # A step's own failure comes as StepFailed; whatever is no error of ours ends the worker, and the lease runs out.
        given_up = (
            job.attempts >= MOST_ATTEMPTS and job.kind not in UPKEEP and not isinstance(failed, OverBudget)
        )
        now = house.clock.now()
        again_at = None if given_up else now + timedelta(seconds=_wait(job, failed, now))
        house.store.jobs.fail(job.id, name, told(failed), again_at)
        tell(
            "job.dead" if given_up else "job.again",
            "warning" if given_up else "info",
            id=job.id,
            kind=job.kind,
            recipe=job.recipe,
            attempts=job.attempts,
            error=type(failed).__name__,
        )
        return "dead" if given_up else "again"
    if tokens:
        house.store.jobs.spend(house.clock.now().date(), job.kind, tokens)
    house.store.jobs.finish(job.id, name)
    tell("job.done", id=job.id, kind=job.kind, recipe=job.recipe, attempts=job.attempts, tokens=tokens)
    return "done"


def _wait(job: Job, failed: EngramsError, at: datetime) -> float:
    """Seconds until the next attempt: doubling, with jitter so that many workers do not come back at once."""
    longest: float = min(FIRST_WAIT * 2.0 ** min(job.attempts - 1, MOST_ATTEMPTS), LONGEST_WAIT)
    asked = (failed.retry_after or 0.0) if isinstance(failed, RateLimited) else 0.0
    if isinstance(failed, OverBudget):  # limits are those of a day: the next one begins at midnight, UTC
        tomorrow = datetime.combine(at.date() + timedelta(days=1), datetime.min.time(), at.tzinfo)
        asked = (tomorrow - at).total_seconds()
    return max(asked, longest * random.uniform(0.5, 1.0))


def _used_up(house: House, allowance: Allowance) -> bool:
    if allowance.jobs is None and allowance.tokens is None:
        return False
    spent = house.store.jobs.spent(house.clock.now().date())
    over_jobs = allowance.jobs is not None and spent.jobs >= allowance.jobs
    return over_jobs or (allowance.tokens is not None and spent.tokens >= allowance.tokens)


@contextmanager
def _heartbeat(house: House, job: Job, name: str) -> Iterator[None]:
    """Renews the lease while the block runs."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(LEASE_SECONDS / 3):
            try:
                until = house.clock.now() + timedelta(seconds=LEASE_SECONDS)
                if not house.store.jobs.renew(job.id, name, until):
                    return
            except StoreError:  # the work itself meets it too, and says so
                continue

    beating = threading.Thread(target=beat, name="engrams-heartbeat", daemon=True)
    beating.start()
    try:
        yield
    finally:
        over.set()
        beating.join()


class Background:
    """A thread that works through jobs as long as the memory is open.

    It also tells `follow` of a recipe that a rebuild, by a job or by another process, made the current one meanwhile.
    `chosen`: the memory was opened with a recipe that its opener named, which holds until the next rebuild.
    """

    def __init__(
        self,
        house: Callable[[], House],
        allowance: Allowance,
        follow: Callable[[Recipe], None],
        *,
        chosen: bool,
    ) -> None:
        self._house, self._allowance, self._follow = house, allowance, follow
        # Not what is current now: a rebuild may have ended since the memory was opened with the recipe before.
        self._current = house().store.setting(CURRENT) if chosen else house().recipe.name
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="engrams-jobs", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                worked = work(self._house(), most=1, allowance=self._allowance)
                self._look_for_a_recipe()
            except (
                StoreError,
                NeedsExtra,
                CannotJoin,
            ):  # busy, closed, a recipe that cannot run here: looked at again
                worked = Worked()
            if not worked.done + worked.again + worked.dead:
                self._over.wait(PAUSE)

    def _look_for_a_recipe(self) -> None:
        current = self._house().store.setting(CURRENT)
        changed = current not in (None, self._current, self._house().recipe.name)
        if changed and current is not None and current in CATALOGUE:
            self._follow(CATALOGUE[current])
        self._current = current or self._current

    def stop(self) -> None:
        """Ends the thread after the job it is at."""
        self._over.set()
        self._thread.join()


def retry(house: House, id: str) -> None:
    """Makes a job due now.

    Raises:
        NotFound: no job of that id is dead or waits.
    """
    if not house.store.jobs.retry(id, house.clock.now()):
        raise NotFound(f"no job {id!r} is dead or waits here; see: engrams jobs")


def drop(house: House, id: str) -> None:
    """Removes a job; what it would have derived stays out until a rebuild.

    Raises:
        NotFound: there is no job of that id.
    """
    if not house.store.jobs.drop(id):
        raise NotFound(f"there is no job {id!r} here; see: engrams jobs")
