"""Durable jobs, and how far each writer has come with the journal."""

# ruff: noqa: S608 - statements are put together from this package's own words; every value is a parameter
from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from engrams.records import Job, JobState, Progress, Spent
from engrams.store.alongside import Reached, Spending
from engrams.store.cells import time_cell, time_or_none
from engrams.store.rows import JOB_COLUMNS, job_cells, job_from
from engrams.store.sqlite.cells import text_cell, text_of
from engrams.store.sqlite.connections import Connections

_EARLIER = "select 1 from jobs o where o.key = j.key and o.seq < j.seq and o.state in ('waiting', 'running')"
#: One statement, since every search asks it, and one sees one state by itself.
_PROGRESS = """
select t.through, (select count(*) from events where seq > t.through), j.waiting, j.dead
from (select ifnull((select through from writers where writer = ?), 0) as through) t, (
    select count(*) filter (where state in ('waiting', 'running')) as waiting, count(*) filter (where state = 'dead') as dead
    from jobs where kind = 'derive') j
"""


class SqliteJobs:
    """A `ports.Jobs` in the memory's own file."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def put(self, jobs: Sequence[Job]) -> list[str]:
        """Keeps jobs; gives the ids of those that are new."""
        with self._connections.writing() as db:
            return put(db, jobs)

    def lease(self, worker: str, at: datetime, until: datetime, kinds: Sequence[str]) -> Job | None:
        """The first job of these kinds that is due, now held by the worker."""
        now = time_cell(at)
        if not kinds or not self._any_due(now, kinds):  # looking takes no lock
            return None
        with self._connections.writing() as db:
            found = db.execute(_due(kinds, "j.seq"), (now, now, *kinds)).fetchone()
            if found is None:
                return None
            db.execute(
                "update jobs set state = 'running', attempts = attempts + 1, worker = ?, leased_until = ? where seq = ?",
                (text_cell(worker), time_cell(until), found[0]),
            )
            row = db.execute(f"select {JOB_COLUMNS} from jobs where seq = ?", found).fetchone()
            job = job_from(row, text_of)
            _spend(db, at.date(), job.kind, 1, 0)
            return job

    def _any_due(self, now: int, kinds: Sequence[str]) -> bool:
        with self._connections.reading() as db:
            return db.execute(_due(kinds, "1"), (now, now, *kinds)).fetchone() is not None

    def renew(self, id: str, worker: str, until: datetime) -> bool:
        """Holds a job longer."""
        return self._changed(
            "update jobs set leased_until = ? where id = ? and worker = ? and state = 'running'",
            (time_cell(until), text_cell(id), text_cell(worker)),
        )

    def finish(self, id: str, worker: str) -> bool:
        """Removes a job that is done."""
        sql = "delete from jobs where id = ? and worker = ? and state = 'running'"
        return self._changed(sql, (text_cell(id), text_cell(worker)))

    def fail(self, id: str, worker: str, error: str, again_at: datetime | None) -> bool:
        """Puts a job back until a time, or among the dead."""
        state = "dead" if again_at is None else "waiting"
        return self._changed(
            "update jobs set state = ?, error = ?, due_at = ifnull(?, due_at), worker = null, leased_until = null "
            "where id = ? and worker = ? and state = 'running'",
            (
                state,
                text_cell(error),
                time_or_none(again_at, "again_at"),
                text_cell(id),
                text_cell(worker),
            ),
        )

    def all(
        self, states: Sequence[JobState] = ("waiting", "running", "dead"), *, limit: int = 1000
    ) -> list[Job]:
        """Jobs in these states, in the order they were put."""
        marks = ", ".join("?" * len(states))
        sql = f"select {JOB_COLUMNS} from jobs where state in ({marks}) order by seq limit ?"
        with self._connections.reading() as db:
            return [job_from(row, text_of) for row in db.execute(sql, (*states, limit))]

    def retry(self, id: str, at: datetime) -> bool:
        """Makes a job due now, its attempts counted anew."""
        return self._changed(
            "update or ignore jobs set state = 'waiting', attempts = 0, due_at = ? where id = ? and state <> 'running'",
            (time_cell(at), text_cell(id)),
        )

    def drop(self, id: str) -> bool:
        """Removes a job whatever its state."""
        return self._changed("delete from jobs where id = ?", (text_cell(id),))

    def spend(self, day: date, kind: str, tokens: int) -> None:
        """Adds to what jobs of a kind cost on a day."""
        with self._connections.writing() as db:
            _spend(db, day, kind, 0, tokens)

    def spent(self, day: date) -> Spent:
        """What all jobs cost on a day."""
        with self._connections.reading() as db:
            sql = "select ifnull(sum(jobs), 0), ifnull(sum(tokens), 0) from spent where day = ?"
            return Spent(*db.execute(sql, (day.isoformat(),)).fetchone())

    def _changed(self, sql: str, parameters: tuple[Any, ...]) -> bool:
        with self._connections.writing() as db:
            return db.execute(sql, parameters).rowcount > 0


def put(db: sqlite3.Connection, jobs: Sequence[Job]) -> list[str]:
    """Keeps jobs inside an open transaction; those whose `once` waits or runs already are left out."""
    new = []
    for job in jobs:
        cells = [text_cell(cell) if isinstance(cell, str) else cell for cell in job_cells(job)]
        sql = f"insert or ignore into jobs ({JOB_COLUMNS}) values ({', '.join('?' * len(cells))})"
        if db.execute(sql, cells).rowcount:
            new.append(job.id)
    return new


def forget_errors(db: sqlite3.Connection, event: str) -> None:
    """Drops what was said of a failure with an event that is erased: it may quote it."""
    db.execute("update jobs set error = null where instr(payload, ?)", (event,))


def advance(db: sqlite3.Connection, writer: str, before: int, after: int) -> None:
    """Notes inside an open transaction that a writer has looked at the entries after `before` up to `after`.

    Where entries before them are not looked at yet, nothing is noted: whoever makes up for those comes here again.
    """
    db.execute("insert or ignore into writers values (?, 0)", (text_cell(writer),))
    db.execute(
        "update writers set through = :after where writer = :writer and through < :after and (through >= :before "
        "or not exists (select 1 from events where seq > through and seq <= :before))",
        {"writer": text_cell(writer), "before": before, "after": after},
    )


def looked(db: sqlite3.Connection, writer: str, number: int) -> None:
    """Notes inside an open transaction that a writer has looked at all entries up to a number."""
    sql = "insert into writers values (?, ?) on conflict (writer) do update set through = max(through, excluded.through)"
    db.execute(sql, (text_cell(writer), number))


def reached(db: sqlite3.Connection) -> list[Reached]:
    """How far each writer has come; one file counts once."""
    rows = db.execute("select writer, through from writers order by writer")
    return sorted((text_of(writer), None, through) for writer, through in rows)


def spending(db: sqlite3.Connection) -> list[Spending]:
    """What jobs cost, by day and kind."""
    return db.execute("select day, kind, jobs, tokens from spent order by day, kind").fetchall()


def put_spending(db: sqlite3.Connection, rows: Sequence[Spending]) -> None:
    """Sets what jobs cost on these days inside an open transaction."""
    db.executemany("insert or replace into spent values (?, ?, ?, ?)", rows)


def progress(db: sqlite3.Connection, writer: str) -> Progress:
    """How far a writer has come."""
    looked, behind, waiting, dead = db.execute(_PROGRESS, (text_cell(writer),)).fetchone()
    return Progress(looked=looked, behind=behind, waiting=waiting, dead=dead)


def _due(kinds: Sequence[str], columns: str) -> str:
    return (
        f"select {columns} from jobs j where (j.state = 'waiting' and j.due_at <= ? "
        f"or j.state = 'running' and j.leased_until <= ?) and j.kind in ({', '.join('?' * len(kinds))}) "
        f"and not exists ({_EARLIER}) order by j.seq limit 1"
    )


def _spend(db: sqlite3.Connection, day: date, kind: str, jobs: int, tokens: int) -> None:
    db.execute(
        "insert into spent values (?, ?, ?, ?) on conflict (day, kind) do update set "
        "jobs = jobs + excluded.jobs, tokens = tokens + excluded.tokens",
        (day.isoformat(), kind, jobs, tokens),
    )
