"""What a store needs by itself: the end of an erase whose bytes had to stay for a while, and the rules of retention.

Nobody asks for these jobs. The note that an erase is not finished is part of the erase's own transaction, and rules are
settings; whoever works through the queue finds both there and puts the job.
"""

from __future__ import annotations

import hashlib

from engrams.errors import Busy
from engrams.lifecycle import retention
from engrams.lifecycle.later import upkeep_job
from engrams.lifecycle.opening import House
from engrams.records import Job

FINISH_ERASING, RETENTION = "finish-erasing", "retention"
#: Jobs of the store itself, whatever the recipe. They are never given up: what they wait for passes.
UPKEEP = (FINISH_ERASING, RETENTION)
#: The store's setting that notes an erase whose bytes may still lie there.
UNFINISHED = "erase:unfinished"
#: The store's setting with the day (UTC) on which the rules were applied last, and a digest of these rules.
APPLIED = "retention:applied"


def put_due(house: House) -> int:
    """Puts the jobs that the store needs now and that do not wait already; how many."""
    wanted = [FINISH_ERASING] if house.store.setting(UNFINISHED) is not None else []
    rules = _rules_today(house)
    if rules is not None and house.store.setting(APPLIED) != rules:
        wanted.append(RETENTION)
    if not wanted:
        return 0
    there = {job.kind for job in house.store.jobs.all(("waiting", "running"))}
    return len(house.store.jobs.put([upkeep_job(house, kind) for kind in wanted if kind not in there]))


def finish_erasing(house: House, job: Job) -> int:
    """Removes what bytes of erased text are left.

    Raises:
        Busy: somebody still reads them.
    """
    if not house.store.finish_erasing():
        raise Busy(
            "bytes of erased text are still in use by another program; they are removed when it has ended"
        )
    return 0


def apply_rules(house: House, job: Job) -> int:
    """Erases what the rules no longer keep, once a day and after every change of a rule."""
    today = _rules_today(house)
    retention.apply(house)
    if today is not None:
        house.store.set_setting(APPLIED, today)
    return 0


def _rules_today(house: House) -> str | None:
    """The day and the rules that hold on it; None where there are no rules."""
    rules = retention.rules(house)
    if not rules:
        return None
    digest = hashlib.sha256("\n".join(map(repr, rules)).encode()).hexdigest()
    return f"{house.clock.now().date()} {digest}"
