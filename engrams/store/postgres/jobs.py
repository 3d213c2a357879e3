"""Durable jobs, shared by workers on any number of machines, and how far each writer has come with the journal."""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from psycopg import Connection

from engrams.records import Event, Job, JobState, Progress, Spent
from engrams.store.alongside import Reached, Spending
from engrams.store.cells import time_cell, time_or_none
from engrams.store.postgres.cells import ANY, path_cell, tenant_of, text_of
from engrams.store.postgres.connections import EVERYTHING, Connections
from engrams.store.postgres.inserting import insert
from engrams.store.postgres.positions import hold_all
from engrams.store.postgres.reading import EVENT_COLUMNS
from engrams.store.rows import JOB_COLUMNS, event_from, job_cells, job_from

_OF_G = ", ".join(f"g.{name}" for name in JOB_COLUMNS.split(", "))
#: What another worker holds is passed over, not waited for; one that is earlier by its key must be gone.
_LEASE = (
    "with due as materialized (select j.tenant, j.seq from jobs j where (j.state = 'waiting' and j.due_at <= %(now)s "
    "or j.state = 'running' and j.leased_until <= %(now)s) and j.kind = any(%(kinds)s::text[]) and not exists ("
    "select 1 from jobs o where o.tenant = j.tenant and o.key = j.key and o.seq < j.seq "
    "and o.state in ('waiting', 'running')) order by j.seq limit 1 for update of j skip locked) "
    "update jobs g set state = 'running', attempts = g.attempts + 1, worker = %(worker)s, leased_until = %(until)s "
    f"from due where g.tenant = due.tenant and g.seq = due.seq returning g.tenant, {_OF_G}"
)


class PostgresJobs:
    """A `ports.Jobs` in the memory's own tables."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def put(self, jobs: Sequence[Job]) -> list[str]:
        """Keeps jobs; gives the ids of those that are new."""
        tenants = {tenant_of(path_cell(job.namespace)) for job in jobs}

        def work(db: Connection[Any]) -> list[str]:
            hold_all(
                db, tenants
            )  # so that numbers appear in their order, and none is done before an earlier one
            return put(db, jobs)

        return self._connections.writing(EVERYTHING, work)

    def lease(self, worker: str, at: datetime, until: datetime, kinds: Sequence[str]) -> Job | None:
        """The first job of these kinds that is due, now held by the worker."""
        given = {"worker": worker, "now": time_cell(at), "until": time_cell(until), "kinds": list(kinds)}

        def work(db: Connection[Any]) -> Job | None:
            row = db.execute(_LEASE, given).fetchone()
            if row is None:
                return None
            job = job_from(row[1:], text_of)
            _spend(db, row[0], at.date(), job.kind, 1, 0)
            return job

        return self._connections.writing(EVERYTHING, work)

    def renew(self, id: str, worker: str, until: datetime) -> bool:
        """Holds a job longer."""
        return self._changed(
            "update jobs set leased_until = %s where id = %s and worker = %s and state = 'running'",
            (time_cell(until), id, worker),
        )

    def finish(self, id: str, worker: str) -> bool:
        """Removes a job that is done."""
        return self._changed(
            "delete from jobs where id = %s and worker = %s and state = 'running'", (id, worker)
        )

    def fail(self, id: str, worker: str, error: str, again_at: datetime | None) -> bool:
        """Puts a job back until a time, or among the dead."""
        state = "dead" if again_at is None else "waiting"
        return self._changed(
            "update jobs set state = %s, error = %s, due_at = coalesce(%s, due_at), worker = null, leased_until = null "
            "where id = %s and worker = %s and state = 'running'",
            (state, error, time_or_none(again_at, "again_at"), id, worker),
        )

    def all(
        self, states: Sequence[JobState] = ("waiting", "running", "dead"), *, limit: int = 1000
    ) -> list[Job]:
        """Jobs in these states, in the order they were put."""
        sql = f"select {JOB_COLUMNS} from jobs where state = any(%s::text[]) order by seq limit %s"
        with self._connections.reading(EVERYTHING) as db:
            return [job_from(row, text_of) for row in db.execute(sql, (list(states), limit))]

    def retry(self, id: str, at: datetime) -> bool:
        """Makes a job due now, its attempts counted anew."""
        return self._changed(
            "update jobs j set state = 'waiting', attempts = 0, due_at = %s where id = %s and state <> 'running' "
            "and not exists (select 1 from jobs o where o.tenant = j.tenant and o.once = j.once and o.seq <> j.seq "
            "and o.state in ('waiting', 'running'))",
            (time_cell(at), id),
        )

    def drop(self, id: str) -> bool:
        """Removes a job whatever its state."""
        return self._changed("delete from jobs where id = %s", (id,))

    def spend(self, day: date, kind: str, tokens: int) -> None:
        """Adds to what jobs of a kind cost on a day."""
        self._connections.writing(EVERYTHING, lambda db: _spend(db, ANY, day, kind, 0, tokens))

    def spent(self, day: date) -> Spent:
        """What all jobs cost on a day."""
        sql = "select coalesce(sum(jobs), 0)::bigint, coalesce(sum(tokens), 0)::bigint from spent where day = %s"
        with self._connections.reading(EVERYTHING) as db:
            row = db.execute(sql, [day.isoformat()]).fetchone()
        return Spent(*row) if row else Spent()

    def _changed(self, sql: str, params: tuple[Any, ...]) -> bool:
        return self._connections.writing(EVERYTHING, lambda db: db.execute(sql, params).rowcount > 0)


def put(db: Connection[Any], jobs: Sequence[Job]) -> list[str]:
    """Keeps jobs inside an open transaction; those whose `once` waits or runs already are left out."""
    new = []
    for job in jobs:
        path = path_cell(job.namespace)
        cells = (tenant_of(path), *job_cells(job))
        marks = ", ".join(["%s"] * len(cells))
        done = db.execute(
            f"insert into jobs (tenant, {JOB_COLUMNS}) values ({marks}) on conflict do nothing", cells
        )
        if done.rowcount:
            new.append(job.id)
    return new


def forget_errors(db: Connection[Any], tenant: str, ids: Sequence[str]) -> None:
    """Drops what was said of failures with events that are erased: it may quote them."""
    db.execute(
        "update jobs set error = null where tenant = %s and error is not null "
        "and exists (select 1 from unnest(%s::text[]) a(id) where strpos(payload, a.id) > 0)",
        (tenant, list(ids)),
    )


def advance(db: Connection[Any], writer: str, tenant: str, before: int, after: int) -> None:
    """Notes inside an open transaction that a writer has looked at a tenant's entries after `before` up to `after`.

    Where entries before them are not looked at yet, nothing is noted: whoever makes up for those comes here again.
    """
    given = {"writer": writer, "tenant": tenant, "before": before, "after": after}
    db.execute("insert into writers values (%(tenant)s, %(writer)s, 0) on conflict do nothing", given)
    db.execute(
        "update writers set through = %(after)s where tenant = %(tenant)s and writer = %(writer)s "
        "and through < %(after)s and (through >= %(before)s or not exists (select 1 from events v "
        "where v.tenant = %(tenant)s and v.seq > through and v.seq <= %(before)s))",
        given,
    )


def looked(db: Connection[Any], writer: str, tenant: str, number: int) -> None:
    """Notes inside an open transaction that a writer has looked at all of a tenant's entries up to a number."""
    db.execute(
        "insert into writers values (%s, %s, %s) on conflict (tenant, writer) "
        "do update set through = greatest(writers.through, excluded.through)",
        (tenant, writer, number),
    )


def reached(db: Connection[Any]) -> list[Reached]:
    """How far each writer has come, by writer and tenant."""
    return sorted((text_of(w), t, n) for w, t, n in db.execute("select writer, tenant, through from writers"))


def spending(db: Connection[Any]) -> list[Spending]:
    """What jobs of all tenants cost, by day and kind."""
    rows = db.execute(
        "select day, kind, sum(jobs)::bigint, sum(tokens)::bigint from spent group by day, kind order by day, kind"
    )
    return [(day, text_of(kind), jobs, tokens) for day, kind, jobs, tokens in rows]


def put_spending(db: Connection[Any], rows: Sequence[Spending]) -> None:
    """Sets what jobs cost on these days inside an open transaction, whoever's they were."""
    insert(
        db,
        "spent (tenant, day, kind, jobs, tokens)",
        [(ANY, *row) for row in rows],
        "on conflict (tenant, day, kind) do update set jobs = excluded.jobs, tokens = excluded.tokens",
    )


_LEFT = (
    "from position p left join writers w on w.tenant = p.tenant and w.writer = %(writer)s "
    "join events v on v.tenant = p.tenant and v.seq > coalesce(w.through, 0)"
)


def progress(db: Connection[Any], writer: str) -> Progress:
    """How far a writer has come, over all tenants."""
    given = {"writer": writer}
    behind = db.execute(f"select count(*) {_LEFT} where p.event > coalesce(w.through, 0)", given).fetchone()
    through = db.execute(
        "select coalesce(sum(through), 0)::bigint from writers where writer = %(writer)s", given
    ).fetchone()
    counts = dict(
        db.execute("select state, count(*) from jobs where kind = 'derive' group by state").fetchall()
    )
    assert behind is not None
    assert through is not None
    waiting = counts.get("waiting", 0) + counts.get("running", 0)
    return Progress(looked=through[0], behind=behind[0], waiting=waiting, dead=counts.get("dead", 0))


def behind(db: Connection[Any], writer: str, limit: int) -> list[tuple[int, Event]]:
    """Entries of the first tenant in which a writer has not looked at all of them."""
    given = {"writer": writer, "limit": limit}
    found = db.execute(
        f"select p.tenant {_LEFT} where p.event > coalesce(w.through, 0) order by p.tenant limit 1", given
    ).fetchone()
    if found is None:
        return []
    rows = db.execute(
        f"select v.seq, {EVENT_COLUMNS} {_LEFT} where p.tenant = %(tenant)s order by v.seq limit %(limit)s",
        {**given, "tenant": found[0]},
    )
    return [(row[0], event_from(row[1:], text_of)) for row in rows]


def _spend(db: Connection[Any], tenant: str, day: date, kind: str, jobs: int, tokens: int) -> None:
    db.execute(
        "insert into spent values (%s, %s, %s, %s, %s) on conflict (tenant, day, kind) do update set "
        "jobs = spent.jobs + excluded.jobs, tokens = spent.tokens + excluded.tokens",
        (tenant, day.isoformat(), kind, jobs, tokens),
    )
