"""Row-level security: a transaction sees the path it named, and nothing else, whatever SQL it runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import errors as pg

from engrams.ports import Store
from engrams.records import Job, Scope
from engrams.store import open_store
from engrams.store.postgres.connections import ROLE
from engrams.store.postgres.schema import COUNTED, SHARED, SPREAD, TABLES
from tests.contracts.stores import (
    HERE,
    add,
    at,
    commit_of,
    entry,
    erase,
    from_event,
    link,
    note,
    revise,
    said,
)
from tests.postgres_server import SERVER

PLACES = ("acme/alice", "acme/bob", "globex/alice")


class Place:
    """A memory with something in every table, in three namespaces of two tenants; and a raw connection to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.schema = url.rpartition("=")[2]
        self.store: Store = open_store(url, wait=20)
        self.db = psycopg.connect(SERVER.url, autocommit=True)

    def fill(self, namespace: str) -> None:
        """One row at least in every table."""
        gone, kept = said("gone", namespace), said("kept", namespace, source="file#1")
        vectors = {"model": np.array([1.0, 0.0], np.float32)}
        passages = [(from_event(event), entry(vectors=vectors)) for event in (gone, kept)]
        job = Job(f"j-{namespace}", "derive", "key", namespace, "engrams", at(0), at(0))
        self.store.commit(
            commit_of(
                [gone, kept], passages, namespace, idempotency=("key", "digest"), jobs=(job,), writer="w"
            )
        )
        first = passages[1][0]
        other = note(f"n-{namespace}", (first.id,), namespace=namespace, recall_count=1)
        self.store.commit(commit_of((), [other], namespace, links=(link(first, other),)))
        self.store.payloads.put(namespace, [b"bytes"])
        revise(self.store, other, content="changed", recall_count=2)
        erase(self.store, gone, scope=Scope(namespace))

    def seen(self, table: str, tenant: str | None, path: str | None) -> set[str]:
        """The namespaces (tenants, of `position`) that plain SQL finds in a table as the role."""
        column = "tenant" if table in COUNTED else "namespace"
        with self.db.transaction():
            self.act(tenant, path)
            rows = self.db.execute(f"select distinct {column} from {self.schema}.{table}")
            return {name for (name,) in rows}

    def act(self, tenant: str | None, path: str | None) -> None:
        """For the rest of a transaction: the role, and the sight named."""
        self.db.execute(f"set local role {ROLE}")
        for key, value in (("engrams.tenant", tenant), ("engrams.scope", path)):
            if value is not None:
                self.db.execute("select set_config(%s, %s, true)", (key, value))


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    made = Place(SERVER.fresh())
    for namespace in PLACES:
        made.fill(namespace)
    yield made
    made.store.close()
    made.db.close()


@pytest.mark.parametrize("table", TABLES)
def test_plain_sql_finds_nothing_across_namespaces(place: Place, table: str) -> None:
    everything = place.seen(table, "*", "*")
    assert set(PLACES) <= everything  # the rows are there: what follows is no empty table
    assert place.seen(table, "acme", "acme/alice") == {"acme/alice"}
    assert place.seen(table, "globex", "globex/*") == {"globex/alice"}
    assert place.seen(table, "acme", "*") == {"acme/alice", "acme/bob"}
    assert place.seen(table, "acme", "globex/alice") == set()
    assert place.seen(table, "globex", "acme/alice") == set()
    assert place.seen(table, "acme", "acme/ali") == set()
    assert place.seen(table, "acme", "acme/ali/*") == set()
    assert place.seen(table, "acme", "acme") == set()


@pytest.mark.parametrize("table", SPREAD)
def test_who_names_nothing_sees_nothing(place: Place, table: str) -> None:
    fresh = psycopg.connect(SERVER.url, autocommit=True)
    with fresh:
        fresh.execute(f"set role {ROLE}")
        assert fresh.execute(f"select count(*) from {place.schema}.{table}").fetchone() == (0,)
    if table not in COUNTED:
        assert place.seen(table, "acme", None) == set()
    assert place.seen(table, None, "*") == set()
    assert (
        place.seen(table, "", "") == set()
    )  # what the settings are after a transaction that had named something


@pytest.mark.parametrize("table", ["position", "writers"])
def test_the_counters_of_other_tenants_are_not_seen(place: Place, table: str) -> None:
    assert place.seen(table, "*", "*") >= {"acme", "globex"}
    assert place.seen(table, "acme", "acme/alice") == {"acme"}


def test_nothing_is_written_outside_the_path(place: Place) -> None:
    rows = f"insert into {place.schema}.links values (%s, %s, 'a', 'b', 'r', 'x', 1)"
    for tenant, namespace in (("acme", "acme/bob"), ("globex", "globex/alice"), ("globex", "acme/alice")):
        with pytest.raises(pg.InsufficientPrivilege), place.db.transaction():
            place.act("acme", "acme/alice")
            place.db.execute(rows, (tenant, namespace))
    with place.db.transaction():
        place.act("acme", "acme/alice")
        changed = place.db.execute(
            f"update {place.schema}.engrams set pinned = true where namespace <> 'acme/alice'"
        )
        assert changed.rowcount == 0
        assert place.db.execute(f"delete from {place.schema}.links").rowcount == 1
        raise psycopg.Rollback


def test_the_role_owns_nothing_and_every_table_is_guarded(place: Place) -> None:
    rows = place.db.execute(
        "select c.relname, c.relrowsecurity, c.relforcerowsecurity, r.rolname from pg_class c "
        "join pg_roles r on r.oid = c.relowner where c.relnamespace = to_regnamespace(%s) and c.relkind = 'r'",
        [place.schema],
    ).fetchall()
    assert {name for name, *_ in rows} == {*SPREAD, *SHARED}
    assert all(guarded and forced and owner != ROLE for _, guarded, forced, owner in rows)
    role = place.db.execute(
        "select rolsuper, rolbypassrls, rolcanlogin, rolcreaterole from pg_roles where rolname = %s", [ROLE]
    ).fetchone()
    assert role == (False, False, False, False)
    assert place.store.check() == []


def test_keys_begin_with_the_tenant(place: Place) -> None:
    rows = place.db.execute(
        "select c.conrelid::regclass::text, a.attname from pg_constraint c join pg_attribute a "
        "on a.attrelid = c.conrelid and a.attnum = c.conkey[1] "
        "where c.connamespace = to_regnamespace(%s) and c.contype in ('p', 'u', 'f')",
        [place.schema],
    ).fetchall()
    keys = {(table.split(".")[-1].strip('"'), column) for table, column in rows}
    assert {column for table, column in keys if table not in SHARED} == {"tenant"}
    assert {table for table, _ in keys} == {*SPREAD, *SHARED}
    # Unique indexes that are no constraint, and what foreign keys refer to.
    unique = place.db.execute(
        "select i.indexrelid::regclass::text, a.attname from pg_index i join pg_class c on c.oid = i.indrelid "
        "join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0] "
        "where c.relnamespace = to_regnamespace(%s) and c.relkind = 'r' and i.indisunique and not c.relname = any(%s)",
        [place.schema, list(SHARED)],
    ).fetchall()
    assert {column for _, column in unique} == {"tenant"}
    assert any(name.endswith("jobs_once") for name, _ in unique)
    referred = place.db.execute(
        "select t.relname, a.attname from pg_constraint c join pg_class t on t.oid = c.confrelid "
        "join pg_attribute a on a.attrelid = c.confrelid and a.attnum = c.confkey[1] "
        "where c.connamespace = to_regnamespace(%s) and c.contype = 'f'",
        [place.schema],
    ).fetchall()
    assert {*referred} == {("engrams", "tenant")}


def test_the_commands_for_citus_name_every_table_once() -> None:
    page = (Path(__file__).parents[3] / "docs" / "postgres.md").read_text("utf-8")
    spread = re.findall(r"select create_distributed_table\('(\w+)', 'tenant'", page)
    assert sorted(spread) == sorted(SPREAD)
    assert spread[0] == "position"  # the others are put where its rows are
    assert re.findall(r"select create_reference_table\('(\w+)'\)", page) == [*SHARED]


def test_check_tells_of_rights_that_were_loosened(place: Place) -> None:
    place.db.execute(f"alter table {place.schema}.links no force row level security")
    [problem] = place.store.check()
    place.db.execute(f"alter table {place.schema}.links force row level security")
    assert "row-level security is not forced on links" in problem.what


GUARDED = [
    "update {0}.events set content = 'else'",
    "delete from {0}.events",
    "truncate {0}.events",
    "update {0}.audit set actor = 'else'",
    "delete from {0}.audit",
    "truncate {0}.audit",
]


@pytest.mark.parametrize("statement", GUARDED)
def test_journal_and_audit_are_append_only_also_for_their_owner(place: Place, statement: str) -> None:
    with pytest.raises(pg.RestrictViolation, match="append-only"):
        place.db.execute(statement.format(place.schema))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("update {0}.audit set actor = 'mallory' where tenant = 'acme' and seq = 2", "acme: audit row 2 was altered"),
        ("delete from {0}.audit where tenant = 'globex' and seq = 1", "globex: audit rows 1 to 1 are missing"),
        ("delete from {0}.audit where tenant = 'acme' and seq = (select max(seq) from {0}.audit where tenant = 'acme')",
         "acme: the audit ends at row"),
    ],
)  # fmt: skip
def test_an_altered_audit_is_found(place: Place, change: str, told: str) -> None:
    copy = f"create temporary table kept as table {place.schema}.audit"
    place.db.execute("set session_replication_role = replica")  # as somebody would who may do everything
    try:
        place.db.execute(copy)
        place.db.execute(change.format(place.schema))
        assert any(problem.what.startswith(told) for problem in place.store.check())
    finally:
        place.db.execute(f"delete from {place.schema}.audit")
        place.db.execute(f"insert into {place.schema}.audit table kept")
        place.db.execute("drop table kept")
        place.db.execute("set session_replication_role = origin")
    assert place.store.check() == []


def test_statements_run_as_the_role(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever call of the store: each statement that touches a table is the role's."""
    from engrams.store.postgres.connections import Connections

    roles: list[Any] = []
    real = Connections._transaction

    def watched(self: Connections, *args: Any, **kwargs: Any) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def around() -> Iterator[Any]:
            with real(self, *args, **kwargs) as db:
                roles.append(db.execute("select current_user, session_user").fetchone())
                yield db

        return around()

    monkeypatch.setattr(Connections, "_transaction", watched)
    [passage] = add(place.store, said("one more"))
    place.store.engrams([passage.id])
    place.store.mark(HERE)
    assert len(roles) == 3
    assert {role for role, _ in roles} == {ROLE}
    assert {user for _, user in roles} == {"engrams"}
