"""Slow and dead clients of the REST server: whoever stops in the middle is cut off, and holds nobody else up meanwhile.

The server has one thread for calls on the memory, so that a request that held it would stop everybody.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from engrams import Memory
from engrams.serve.rest.app import create_app
from engrams.serve.rest.limits import Limits
from tests.doors.rest_server import running

#: Seconds after which the server gives up on a client that stopped; a test waits as long, and never measures it.
PATIENCE = 1.0
#: Half-open connections at once.
MANY = 200
BEGUN = b"POST /memories HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Memory.open(":memory:", embedder="none") as memory:
        memory.add_many((f"{'long ' * 2000} {n}" for n in range(800)), user_id="long")
        memory.add("The kettle is in the kitchen.", user_id="ada")
        limits = Limits(threads=1, read_seconds=PATIENCE, write_seconds=PATIENCE)
        with running(
            create_app(memory, limits=limits), read_seconds=PATIENCE, write_seconds=PATIENCE
        ) as address:
            yield address


def opened(url: str, *, receiving: int | None = None) -> socket.socket:
    """A connection that gives up after ten seconds, so that a server which never cuts it fails the test."""
    place = urlsplit(url)
    connection = socket.socket()
    if receiving is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receiving)
    connection.settimeout(30)
    connection.connect((str(place.hostname), int(place.port or 0)))
    return connection


def answers(url: str) -> bool:
    """Whether others are answered: one call on the memory, in the only thread there is."""
    found = httpx.post(f"{url}/search", json={"query": "kettle", "user_id": "ada"}, timeout=30)
    return [hit["text"] for hit in found.json()["hits"]] == ["The kettle is in the kitchen."]


def the_rest(connection: socket.socket) -> bytes:
    """What the server still says until it closes the connection."""
    said = b""
    try:
        while piece := connection.recv(65536):
            said += piece
    except ConnectionResetError:
        pass
    return said


@pytest.mark.parametrize(
    "head", [b"", b"POST /mem", BEGUN[:-2], b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /"]
)
def test_half_a_head_is_cut_off(url: str, head: bytes) -> None:
    with opened(url) as slow:
        slow.sendall(head)
        assert answers(url)
        said = the_rest(slow)
    assert b"201" not in said
    assert answers(url)


def test_half_a_body_is_told_and_cut_off(url: str) -> None:
    with opened(url) as slow:
        slow.sendall(BEGUN + b'{"messages": "The')
        assert answers(url)
        said = the_rest(slow)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b'"UsageError"' in said
    stats = httpx.get(f"{url}/stats", params={"namespace": "default"}).json()
    assert stats["events"] == 0


def test_half_an_upload_is_told_and_cut_off(url: str) -> None:
    with opened(url) as slow:
        slow.sendall(
            b"POST /import HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
        )
        assert answers(url)
        assert the_rest(slow).startswith(b"HTTP/1.1 408 ")


def test_who_leaves_in_the_middle_of_a_body_is_forgotten(url: str) -> None:
    with opened(url) as slow:
        slow.sendall(BEGUN + b'{"messages": "The')
    assert answers(url)


@pytest.mark.parametrize("path", ["/export", "/memories?user_id=long&limit=800"])
def test_an_answer_that_nobody_takes_is_dropped(url: str, path: str) -> None:
    """Eight megabytes, for a client that reads none: streamed from a file, and in one piece."""
    with opened(url, receiving=4096) as slow:
        slow.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert slow.recv(12) == b"HTTP/1.1 200"
        for _ in range(3):
            assert answers(url)
        slow.settimeout(PATIENCE * 4)
        waiting = threading.Event()
        waiting.wait(
            PATIENCE * 3
        )  # the server's patience, and more: it must have cut the connection meanwhile
        assert len(the_rest(slow)) < 8_000_000
    assert answers(url)


def test_many_half_open_connections_hold_nobody_up(url: str) -> None:
    slow = [opened(url) for _ in range(MANY)]
    try:
        for number, connection in enumerate(slow):
            connection.sendall(BEGUN[: 20 + number] if number % 2 else BEGUN + b"{")
        for _ in range(5):
            assert answers(url)
        for connection in slow:
            the_rest(connection)  # each is cut off
    finally:
        for connection in slow:
            connection.close()
    assert answers(url)
