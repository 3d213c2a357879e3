"""Opening a memory in PostgreSQL: what is made, what is refused, and what is said."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest

from engrams.errors import BadSetting, Denied, EngramsError, NewerSchema, Unavailable
from engrams.ports import Where
from engrams.store import open_store
from engrams.store.postgres.address import Address
from engrams.store.postgres.cells import escaped, text_of
from engrams.store.postgres.schema import CURRENT, MIGRATIONS
from tests.contracts.stores import HERE, add, erase, said
from tests.postgres_server import SERVER

SECRET = "s3cr3t-w0rd"


@pytest.fixture
def admin() -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A superuser."""
    with psycopg.connect(SERVER.url, autocommit=True) as db:
        yield db


def other(user: str, password: str = SECRET, database: str = "engrams", port: int | None = None) -> str:
    parts = urlsplit(SERVER.url)
    return f"postgresql://{user}:{password}@127.0.0.1:{port or parts.port}/{database}"


def refused(url: str, error: type[EngramsError], match: str) -> str:
    with pytest.raises(error, match=match) as told:
        open_store(url, wait=1)
    shown = f"{told.value!r} {told.value}"
    cause = told.value.__cause__
    while cause is not None:
        shown, cause = f"{shown} {cause!r}", cause.__cause__
    assert SECRET not in shown
    return shown


def test_a_wrong_password_is_denied() -> None:
    refused(other("engrams"), Denied, "refused this user .*password authentication failed")
    refused(other("nobody-here"), Denied, "refused this user")


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        refused(other("engrams", port=one.getsockname()[1]), Unavailable, "cannot be reached")


def test_a_database_that_is_not_there_is_named() -> None:
    password = urlsplit(SERVER.url).password
    with pytest.raises(Unavailable, match="no such database; make it with: createdb"):
        open_store(other("engrams", str(password), "not-there"), wait=1)


@pytest.mark.parametrize(
    "url",
    [f"postgresql://u:{SECRET}%zz@h/d", f"postgresql://u:{SECRET}@127.0.0.1:port/d", f"postgresql://u@h/d?{SECRET}",
     f"postgresql://u:{SECRET}@h/d?no_such_option=1"],
)  # fmt: skip
def test_an_address_that_cannot_be_read_is_not_repeated(url: str) -> None:
    refused(url, EngramsError, "postgresql")


@pytest.mark.parametrize("schema", ["", "Upper", "a-b", "pg_x", "x" * 64, "1a", "a;drop"])
def test_a_schema_name_that_would_need_quotes_is_refused(schema: str) -> None:
    with pytest.raises(BadSetting, match="schema"):
        Address.parse(f"postgresql://h/d?schema={schema}")


def test_the_location_has_no_password() -> None:
    for url, shown in [
        (f"postgresql://u:{SECRET}@h:5/d", "postgresql://u@h:5/d"),
        (f"postgres://u:{SECRET}@h/d?schema=other&sslmode=require", "postgresql://u@h/d?schema=other"),
        (f"postgresql://h/d?user=u&password={SECRET}&schema=other", "postgresql://u@h/d?schema=other"),
        (f"postgresql://[::1]:5/d?password={SECRET}", "postgresql://[::1]:5/d"),
    ]:
        address = Address.parse(url)
        assert address.location == shown
        assert SECRET not in repr(address)
    store = open_store(SERVER.fresh())
    password = str(urlsplit(SERVER.url).password)
    assert password not in store.location + repr(store)
    store.close()


def test_a_newer_schema_is_refused_and_left_alone(admin: psycopg.Connection[tuple[object, ...]]) -> None:
    url = SERVER.fresh()
    open_store(url).close()
    schema = url.rpartition("=")[2]
    admin.execute(f"insert into {schema}.migrations values ({CURRENT + 1}, 'of_tomorrow', 0)")
    refused(url, NewerSchema, f"schema {CURRENT + 1}; this one knows {CURRENT}")


def test_many_open_at_once_and_the_migrations_run_once(admin: psycopg.Connection[tuple[object, ...]]) -> None:
    url = SERVER.fresh()
    failures: list[EngramsError] = []

    def work() -> None:
        try:
            store = open_store(url, wait=60)
            add(store, said())
            store.close()
        except EngramsError as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    ran = admin.execute(
        f"select version, name from {url.rpartition('=')[2]}.migrations order by 1"
    ).fetchall()
    assert ran == [(m.version, m.name) for m in MIGRATIONS]
    store = open_store(url)
    assert store.stats(None).events == len(store.audit()) == 6
    assert {event.content for _, event in store.journal(HERE, Where())} == {"hello"}
    store.close()


def test_a_plain_user_is_told_what_an_administrator_runs_and_then_needs_no_more(
    admin: psycopg.Connection[tuple[object, ...]],
) -> None:
    """In a database without extension and schema, as a user who may do nothing but log in."""
    admin.execute("create database plain")
    admin.execute(f"create role \"jo 'o\" login password '{SECRET}'")
    url = other("jo%20%27o", SECRET, "plain")
    try:
        told = refused(url, Denied, "an administrator runs this once in the database: create extension")
        commands = told.rpartition("once in the database: ")[2].split(";")[:4]
        with psycopg.connect(SERVER.url.rpartition("/")[0] + "/plain", autocommit=True) as db:
            for command in commands:
                if "create role" not in command:  # the role is one for the whole server
                    db.execute(command)
        store = open_store(url, wait=20)
        event = said("kept by a plain user")
        add(store, event, said("other"))
        assert [e.content for _, e in store.journal(HERE, Where())] == ["kept by a plain user", "other"]
        assert erase(store, event).state == "done"  # it owns its tables, so dead rows go at once
        assert store.check() == []
        store.close()
    finally:
        admin.execute("drop database plain with (force)")
        admin.execute('drop role "jo \'o"')


@pytest.mark.parametrize(
    "text", ["", "plain", "a\0b", "\ud800", "\x1a", "\x1a0000", "\x1a\x1a", "\ud83d\ude00", "😀\0"]
)
def test_any_text_is_held_one_to_one(text: str) -> None:
    held = escaped(text)
    assert text_of(held) == text
    assert "\0" not in held
    held.encode()
    assert escaped(held) == held or "\x1a" in held
