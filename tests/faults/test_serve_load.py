"""The REST server under load: fifty clients at once, and SIGTERM in the middle; what was acknowledged is there afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import httpx
import pytest
from engrams_bench.load.command import PROGRAM, begin, missing
from engrams_bench.load.drive import Log, drive

from engrams import Memory
from tests.postgres_server import SERVER

CLIENTS, SECONDS = 50, 5.0


@pytest.fixture(autouse=True)
def threads(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        monkeypatch.setenv(name, "1")


def test_fifty_clients_meet_no_error_and_lose_nothing(tmp_path: Path) -> None:
    server, place = begin(tmp_path / "m.db")
    try:
        log = asyncio.run(drive(place, CLIENTS, SECONDS, seed=1))
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=60) == 0
    finally:
        server.kill()
        server.communicate()
    assert log.errors == []
    assert len(log.acknowledged) == CLIENTS
    assert all(log.acknowledged.values())
    assert log.searches
    assert missing(tmp_path / "m.db", log.acknowledged) == []
    with Memory.open(tmp_path / "m.db", embedder="none") as memory:
        assert memory.check() == []
        assert memory.stats().events == sum(map(len, log.acknowledged.values()))


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_under_load_loses_nothing(tmp_path: Path, workers: int) -> None:
    server, place = begin(tmp_path / "m.db", "--workers", str(workers))
    stopped = False

    async def stop_in_the_middle() -> Log:
        nonlocal stopped
        clients = asyncio.ensure_future(drive(place, CLIENTS, 60.0, seed=2, stopping=lambda: stopped))
        while count(tmp_path / "m.db") < 100:  # until it is well under way
            await asyncio.sleep(0.05)
        stopped = True
        server.send_signal(signal.SIGTERM)
        return await clients

    try:
        log = asyncio.run(stop_in_the_middle())
        assert server.wait(timeout=60) == 0
    finally:
        server.kill()
        server.communicate()
    acknowledged = sum(map(len, log.acknowledged.values()))
    assert log.errors == []
    assert acknowledged >= 50
    assert log.cut <= CLIENTS
    assert missing(tmp_path / "m.db", log.acknowledged) == []
    with Memory.open(tmp_path / "m.db", embedder="none") as memory:
        assert memory.check() == []
        # Of those that were cut, each may have been written without its answer getting through, and no more.
        assert acknowledged <= memory.stats().events <= acknowledged + log.cut


def count(db: Path) -> int:
    """Events in the file of a server that runs: several processes may open one memory."""
    if not db.exists():
        return 0
    with Memory.open(db, embedder="none") as memory:
        return memory.stats().events


def serve(*options: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "serve", *options], capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **more}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--host", "0.0.0.0"), "engrams keys create"),
        (("--host", "::"), "engrams keys create"),
        (("--host", "example.org"), "engrams keys create"),
        (("--port", "70000"), "0 to 65535"),
        (("--workers", "0"), "--workers"),
        (("--rate", "0"), "above 0"),
        (("--cors", "example.org"), "an origin"),
        (("--tls-cert", "none.pem"), "together"),
        (("--tls-cert", "none.pem", "--tls-key", "none.pem"), "no file"),
    ],
)
def test_what_cannot_be_served_is_refused_before_the_memory_is_touched(
    tmp_path: Path, options: tuple[str, ...], says: str
) -> None:
    refused = serve("--db", str(tmp_path / "m.db"), "--port", "0", *options)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert says in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_elsewhere_only_with_a_key(tmp_path: Path) -> None:
    db = tmp_path / "m.db"
    refused = serve("--db", str(db), "--port", "0", "--host", "0.0.0.0", "--keys")
    assert (refused.returncode, "engrams keys create" in refused.stderr) == (2, True)
    with Memory.open(db, embedder="none") as memory:
        gone = memory.create_key("gone", {"*": "admin"})
        memory.revoke_key(gone.id)
    assert serve("--db", str(db), "--port", "0", "--host", "0.0.0.0", "--keys").returncode == 2
    with Memory.open(db, embedder="none") as memory:
        secret = memory.create_key("app", {"*": "admin"}).secret
    server, (_, port) = begin(db, "--host", "0.0.0.0", "--keys")
    try:
        url = f"http://127.0.0.1:{port}"
        assert httpx.post(f"{url}/memories", json={"messages": "x"}).status_code == 401
        keyed = {"Authorization": f"Bearer {secret}"}
        assert httpx.post(f"{url}/memories", json={"messages": "x"}, headers=keyed).status_code == 201
    finally:
        server.kill()
        server.communicate()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = serve("--db", str(tmp_path / "m.db"), "--port", str(taken.getsockname()[1]))
    assert (refused.returncode, "--port 0" in refused.stderr) == (4, True)
    assert list(tmp_path.iterdir()) == []


def test_workers_need_a_memory_they_can_share() -> None:
    refused = serve("--port", "0", "--workers", "2", ENGRAMS_DB=":memory:")
    assert (refused.returncode, "share" in refused.stderr) == (2, True)


def test_a_job_of_one_worker_is_known_to_the_other(tmp_path: Path) -> None:
    """A rebuild done by one process changes the recipe of all, so that whoever answers answers alike."""
    with Memory.open(tmp_path / "m.db", embedder="none") as memory:
        memory.add("The kettle is in the kitchen.")
    server, (host, port) = begin(tmp_path / "m.db", "--workers", "2")
    try:
        url = f"http://{host}:{port}"
        assert httpx.post(f"{url}/rebuild", json={"recipe": "bm25"}).status_code == 202
        current: list[str] = []
        for _ in range(200):  # a new connection each, so that both are asked
            found = httpx.get(f"{url}/recipes").json()["recipes"]
            current += [recipe["name"] for recipe in found if recipe["current"]]
            if current[-20:] == ["bm25"] * 20:
                break
            threading.Event().wait(0.05)
        assert current[-20:] == ["bm25"] * 20
        assert httpx.post(f"{url}/search", json={"query": "kettle"}).json()["hits"]
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=60) == 0
    finally:
        server.kill()
        server.communicate()


def test_workers_end_with_the_process_that_began_them(tmp_path: Path) -> None:
    server, (host, port) = begin(tmp_path / "m.db", "--workers", "2")
    try:
        assert httpx.get(f"http://{host}:{port}/health", timeout=60).status_code == 200
    finally:
        server.kill()
        server.communicate()
    for _ in range(600):
        with socket.socket() as knock:
            if knock.connect_ex((host, port)):
                break
        threading.Event().wait(0.05)
    else:
        pytest.fail("a worker still listens")


def test_two_processes_over_one_postgres_lose_nothing() -> None:
    db = SERVER.fresh()
    server, place = begin(db, "--workers", "2")
    try:
        log = asyncio.run(drive(place, 8, 2.0, seed=3))
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=60) == 0
    finally:
        server.kill()
        server.communicate()
    assert log.errors == []
    assert len(log.adds) >= 8
    assert missing(db, log.acknowledged) == []
