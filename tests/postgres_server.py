"""The tests' own PostgreSQL: started once by whoever needs it first, in a child process and a private folder.

`python -m tests.postgres_server` is that child: it writes the server's address to standard output and stops the server
when its standard input ends, so that it never outlives the tests, however they end.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from engrams.ports import Store
from engrams.store.postgres import PostgresStore
from engrams.store.postgres.local import LocalServer
from engrams.store.postgres.schema import SEQUENCES, SPREAD

ROOT = Path(__file__).resolve().parents[1]
#: What the tests of contracts do not ask of the disk; those of faults start servers of their own. The server's own
#: analyzing reads an old state whenever it likes, for as long as a busy machine makes it: tests choose who does.
QUICK = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "60",
    "autovacuum": "off",
}

_numbers = itertools.count()


class TestServer:
    """The server of one test run; not started before somebody asks for an address."""

    __test__ = False

    def __init__(self) -> None:
        self._child: subprocess.Popen[str] | None = None
        self._url = ""
        self._lent: dict[str, PostgresStore] = {}
        self._places: list[str] = []

    @property
    def url(self) -> str:
        """The address of the server's database, as a superuser."""
        if self._child is None:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "tests.postgres_server"],
                cwd=ROOT,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert self._child.stdout is not None
            self._url = self._child.stdout.readline().strip()
            assert self._url, "the server did not start; see above"
        return self._url

    def fresh(self) -> str:
        """The address of a memory that nobody used before: a schema of its own."""
        return f"{self.url}?schema=m{next(_numbers)}"

    def empty(self) -> Store:
        """A memory as new, in the schema of one that was closed where there is one: quicker than all its tables."""
        for schema, store in list(self._lent.items()):
            if store.closed:
                self._wipe(schema)
                break
        else:
            schema = f"e{next(_numbers)}"
        self._lent[schema] = PostgresStore.open(f"{self.url}?schema={schema}", wait=20)
        return self._lent[schema]

    @contextmanager
    def place(self) -> Iterator[str]:
        """The address of a memory as new for the length of a block; whoever opens it closes it before the block ends."""
        schema = self._places.pop() if self._places else f"p{next(_numbers)}"
        url = f"{self.url}?schema={schema}"
        PostgresStore.open(url, wait=20).close()
        yield url
        self._wipe(schema)
        self._places.append(schema)

    def _wipe(self, schema: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as db:
            emptied = "; ".join(f"delete from {schema}.{table}" for table in (*SPREAD, "settings"))
            restarted = "; ".join(f"alter sequence {schema}.{name} restart" for name in SEQUENCES)
            # As a replica would: without the triggers that guard journal and audit, which the tests rely on elsewhere.
            db.execute(f"begin; set local session_replication_role = replica; {emptied}; {restarted}; commit")

    def stop(self) -> None:
        """Stops the server and removes its folder; without one, does nothing."""
        child, self._child = self._child, None
        if child is not None:
            child.communicate(timeout=120)


SERVER = TestServer()


def main() -> None:
    """Serves until standard input ends."""
    folder = Path(tempfile.mkdtemp(prefix="engrams-postgres-"))
    server = LocalServer(folder, settings=QUICK)
    try:
        server.start()
        sys.stdout.write(server.url + "\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        server.stop(at_once=True)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
