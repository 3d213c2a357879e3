"""Commands for what is done later: jobs, work, consolidate."""

from __future__ import annotations

import time

import click

from engrams.errors import UsageError
from engrams.records import JobState
from engrams.serve.cli.call import Call, command
from engrams.serve.cli.output import counted, when
from engrams.serve.cli.spending import estimated

STATES: dict[str, tuple[JobState, ...]] = {
    "waiting": ("waiting",),
    "running": ("running",),
    "dead": ("dead",),
}
PAUSE = 1.0  # seconds until a worker that found nothing looks again


@command
@click.argument("action", type=click.Choice(["list", "retry", "drop", "add"]), default="list")
@click.argument("id", required=False)
@click.option("--state", type=click.Choice(["waiting", "running", "dead"]), help="Only jobs in this state.")
def jobs(call: Call, /, action: str, id: str | None, state: str | None) -> None:
    """What waits to be done, runs, or was given up; retry ID and drop ID act on one, add KIND puts one.

    Kinds to add: consolidate, rebuild, reembed, catch-up. In a pipe, one job a line: id, state, kind, recipe, attempts, due,
    error.
    """
    if action != "list" and id is None:
        raise UsageError(
            f"say which: engrams jobs {action} {'KIND' if action == 'add' else 'ID'}; see: engrams jobs"
        )
    with call.memory() as memory:
        if action == "retry":
            memory.retry_job(str(id))
        elif action == "drop":
            memory.drop_job(str(id))
        elif action == "add":
            scopes = call.scopes()
            id = memory.schedule(str(id), namespace=scopes["namespace"], user_id=scopes["user_id"])
        found = memory.jobs(*STATES.get(state or "", ()))
    if call.out.as_json:
        call.out.json(found if action == "list" else {"id": id})
        return
    if action != "list":
        call.out.line(id or "")
        call.out.note(
            {"retry": "Due now.", "drop": "Dropped.", "add": "Put." if id else "It waits already."}[action]
        )
        return
    for job in found:
        call.out.columns(job.id, job.state, job.kind, job.recipe, job.attempts, when(job.due_at), job.error)
    dead = sum(job.state == "dead" for job in found)
    call.out.note(f"{counted(len(found), 'job')}, {dead} given up.")


@command
@click.option("--once", is_flag=True, help="End when nothing is due any more.")
@click.option("--jobs-per-day", type=int, metavar="N", help="Begin at most so many a day (UTC).")
@click.option(
    "--tokens-per-day", type=int, metavar="N", help="Begin none once models took so many tokens a day."
)
@click.option("--dry-run", is_flag=True, help="Only say what the waiting jobs would take of language models.")
def work(
    call: Call, /, once: bool, jobs_per_day: int | None, tokens_per_day: int | None, dry_run: bool
) -> None:
    """Do the jobs that are due, until it is ended with Ctrl-C. Many workers may share one memory."""
    if dry_run:
        with call.memory() as memory:
            estimated(call, memory.estimate())
        return
    done = again = dead = 0
    stopped = False
    with call.memory() as memory:
        while True:
            worked = memory.work(
                most=None if once else 1, jobs_per_day=jobs_per_day, tokens_per_day=tokens_per_day
            )
            done, again, dead = done + worked.done, again + worked.again, dead + worked.dead
            stopped = worked.stopped
            if once:
                break
            if not worked.done + worked.again + worked.dead:
                time.sleep(PAUSE)
    if call.out.as_json:
        call.out.json({"done": done, "again": again, "dead": dead, "stopped": stopped})
        return
    call.out.receipt(done, again, dead)
    left = "; the day's allowance is used up" if stopped else ""
    call.out.note(f"{counted(done, 'job')} done, {again} to try again, {dead} given up{left}.")


@command
def consolidate(call: Call, /) -> None:
    """Merge, link and forget as the recipe does between sessions, in one namespace."""
    scopes = call.scopes()
    with call.memory() as memory:
        done = memory.consolidate(namespace=scopes["namespace"], user_id=scopes["user_id"])
    if call.out.as_json:
        call.out.json(done)
        return
    call.out.receipt(done.made, done.changed)
    call.out.note(f"{counted(done.made, 'memory', 'memories')} made, {done.changed} changed.")
