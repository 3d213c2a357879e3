"""The connections of one open store: a pool, and transactions that see no more than the path they name."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg import Connection, sql
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool

from engrams.errors import Unavailable
from engrams.records import Scope
from engrams.store.cells import prefix_cell
from engrams.store.postgres.address import Address
from engrams.store.postgres.cells import ANY, TextDumper, Vector, VectorDumper, path_cell, tenant_of
from engrams.store.postgres.faults import AGAIN, in_our_words, is_gone

T = TypeVar("T")

#: The role that every query runs as: it owns nothing and may not log in.
ROLE = "engrams_app"
#: Connections of one process: more than its threads use at once, little of a server's usual 100.
MOST_CONNECTIONS = 8
#: Seconds a connection may idle before it is given back to the server.
MOST_IDLE = 300.0
#: How often a transaction is begun again after a deadlock or serialization failure.
MOST_TRIES = 8
#: Pauses between tries, in seconds: first about one commit, doubled each time.
FIRST_PAUSE, LONGEST_PAUSE = 0.002, 0.2


@dataclass(frozen=True, slots=True)
class Sight:
    """What row-level security lets a transaction see: a tenant, and a path in it (exact, or `…/*` below)."""

    tenant: str
    path: str

    @classmethod
    def of(cls, scope: Scope) -> Sight:
        """What a scope names.

        Raises:
            BadSetting: a path that no namespace can have.
        """
        if scope.below:
            prefix = prefix_cell(scope.namespace)
            return cls(tenant_of(path_cell(prefix)), scope.namespace)
        return cls(tenant_of(path_cell(scope.namespace)), scope.namespace)

    @classmethod
    def of_tenant(cls, tenant: str) -> Sight:
        """Every path of one tenant."""
        return cls(tenant, ANY)


#: For the calls of the port that name ids or rows instead of a path, and for those that speak of the whole store.
EVERYTHING = Sight(ANY, ANY)


class Connections:
    """Hands out transactions to any thread of any process; after a fork, the child has a pool of its own."""

    def __init__(self, address: Address, wait: float, vector_oid: int, search_path: str) -> None:
        self.address, self.wait = address, wait
        self._vector_oid, self._search_path = vector_oid, search_path
        self.closed = False
        self._forking = threading.Lock()
        self._pid = os.getpid()
        self._pool = self._make_pool()

    @property
    def location(self) -> str:
        """What messages call the store."""
        return self.address.location

    def _make_pool(self) -> ConnectionPool[Connection[Any]]:
        # What goes wrong is raised to the caller who meets it; the pool's own log is for those who ask for it.
        logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())
        return ConnectionPool(
            self.address.conninfo,
            min_size=0,
            max_size=MOST_CONNECTIONS,
            max_idle=MOST_IDLE,
            timeout=self.wait,
            reconnect_timeout=max(self.wait, 1.0),
            kwargs={"autocommit": True},
            configure=self._configure,
            open=True,
        )

    def _configure(self, db: Connection[Any]) -> None:
        db.adapters.register_dumper(str, TextDumper)
        dumper: type[VectorDumper] = type("OurVectorDumper", (VectorDumper,), {"oid": self._vector_oid})
        db.adapters.register_dumper(Vector, dumper)

    @contextmanager
    def reading(self, sight: Sight) -> Iterator[Connection[Any]]:
        """One state of the store, seen as far as the sight goes."""
        with self._transaction("repeatable read read only", sight) as db:
            yield db

    def writing(self, sight: Sight, work: Callable[[Connection[Any]], T]) -> T:
        """Runs `work` in a transaction; once more from the start where another transaction stood in its way."""
        pause = FIRST_PAUSE
        for attempt in range(MOST_TRIES):
            try:
                with self._transaction("read committed", sight, raw=True) as db:
                    return work(db)
            except AGAIN as error:
                if attempt == MOST_TRIES - 1:
                    raise in_our_words(error, self.location) from error
                time.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        raise AssertionError("unreachable")

    @contextmanager
    def frozen(self) -> Iterator[Connections]:
        """Connections that only read, all of them one and the same state."""
        with self.reading(EVERYTHING) as db:
            yield _Frozen(self, db)

    @contextmanager
    def outside(self) -> Iterator[Connection[Any]]:
        """A connection outside any transaction, as the user who logged in: for upkeep."""
        with self._borrowed("select 1") as db:
            try:
                yield db
            except psycopg.Error as error:
                raise in_our_words(error, self.location) from error

    @contextmanager
    def _transaction(self, mode: str, sight: Sight, *, raw: bool = False) -> Iterator[Connection[Any]]:
        begin = (
            f"begin isolation level {mode}; set local role {ROLE}; set local search_path = {self._search_path}; "
            f"set local lock_timeout = {max(int(self.wait * 1000), 1)}; {see(sight)}"
        )
        try:
            with self._borrowed(begin) as db:
                try:
                    yield db
                    db.execute("commit", prepare=False)
                except BaseException:
                    if not db.closed and db.info.transaction_status != TransactionStatus.IDLE:
                        _roll_back(db)
                    raise
        except psycopg.Error as error:
            if raw and isinstance(error, AGAIN):
                raise
            raise in_our_words(error, self.location) from error

    @contextmanager
    def _borrowed(self, begin: str) -> Iterator[Connection[Any]]:
        """A connection on which `begin` has run. Those that died unnoticed, with a server that was restarted, are let
        go of: nothing was written on them."""
        pool = self._pool_now()
        deadline = time.monotonic() + self.wait
        while True:
            try:
                db = pool.getconn(timeout=max(deadline - time.monotonic(), 0.001))
            except psycopg.Error as error:
                raise in_our_words(error, self.location) from error
            try:
                db.execute(begin, prepare=False)
                break
            except psycopg.Error as error:
                db.close()
                pool.putconn(db)
                if not is_gone(error) or time.monotonic() >= deadline:
                    raise in_our_words(error, self.location) from error
            except BaseException:
                db.close()
                pool.putconn(db)
                raise
        try:
            yield db
        finally:
            pool.putconn(db)

    def _pool_now(self) -> ConnectionPool[Connection[Any]]:
        if self.closed:
            raise Unavailable(f"{self.location}: this memory was closed; open it again")
        if self._pid != os.getpid():
            with self._forking:
                if self._pid != os.getpid():
                    _kept_from_parent.append(
                        self._pool
                    )  # its sockets are the parent's: never used, never closed here
                    self._pool, self._pid = self._make_pool(), os.getpid()
        return self._pool

    def close(self) -> None:
        """Closes every connection; a second call does nothing."""
        if not self.closed:
            self.closed = True
            if self._pid == os.getpid():
                self._pool.close()


class _Frozen(Connections):
    """One transaction that reads, whatever is looked at in it."""

    def __init__(self, whole: Connections, db: Connection[Any]) -> None:
        self.address, self.wait, self.closed = whole.address, whole.wait, False
        self._db = db

    @contextmanager
    def reading(self, sight: Sight) -> Iterator[Connection[Any]]:
        """The state of the transaction, seen as far as the sight goes."""
        self._db.execute(see(sight), prepare=False)
        yield self._db


_kept_from_parent: list[ConnectionPool[Connection[Any]]] = []


def see(sight: Sight) -> str:
    """The statements after which a transaction sees no more than this."""
    tenant, path = (sql.Literal(text).as_string(None) for text in (sight.tenant, sight.path))
    return f"set local engrams.tenant = {tenant}; set local engrams.scope = {path}"


def _roll_back(db: Connection[Any]) -> None:
    try:
        db.execute("rollback", prepare=False)
    except psycopg.Error:
        db.close()  # what went wrong before is what the caller should hear of
