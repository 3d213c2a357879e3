"""Running the application: where it listens, with how many processes, until it is told to stop."""

from __future__ import annotations

import ipaddress
import multiprocessing
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import TYPE_CHECKING

from engrams.errors import BadSetting, Unavailable, UsageError
from engrams.serve.rest.limits import Limits

if TYPE_CHECKING:
    from fastapi import FastAPI
    from uvicorn import Config

#: How often several processes are looked after, in seconds.
WATCH_SECONDS = 0.2
#: How long requests in flight have to end once the server is told to stop, in seconds. What was answered is on disk.
STOP_SECONDS = 20
#: Connections that wait to be accepted; the kernel's own bound may be lower.
BACKLOG = 1024
IN_MEMORY = ":memory:"


@dataclass(frozen=True, slots=True)
class Serving:
    """How to serve a memory. `db`: path or URL, None as `Memory.open`. `port` 0: any that is free."""

    db: str | None = None
    host: str = "127.0.0.1"
    port: int = 8765
    keys: bool = False
    cors: tuple[str, ...] = ()
    workers: int = 1
    tls_cert: str | None = None
    tls_key: str | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise BadSetting("--port", self.port, "a port from 0 to 65535", "command line")
        if self.workers < 1:
            raise BadSetting(
                "--workers", self.workers, "a whole number of processes, 1 or more", "command line"
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise UsageError("give --tls-cert and --tls-key together")
        for name in (self.tls_cert, self.tls_key):
            if name is not None and not Path(name).is_file():
                raise UsageError(f"there is no file {name}; --tls-cert and --tls-key are paths of PEM files")
        for origin in self.cors:
            if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
                raise BadSetting("--cors", origin, "an origin such as https://app.example", "command line")
        if not is_loopback(self.host) and not self.keys:
            raise UsageError(
                f"{self.host} can be reached from other machines, and everybody there could read and write: make a key with "
                "`engrams keys create NAME --right 'admin:*'` and serve with --keys; or listen on 127.0.0.1"
            )

    def listen(self) -> socket.socket:
        """The socket, bound, so that it is known before anything else starts whether it can be.

        Raises:
            Unavailable: the address is not ours, or taken.
        """
        try:
            family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
            listening = socket.socket(family, socket.SOCK_STREAM)
            try:
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listening.bind((self.host, self.port))
                listening.listen(BACKLOG)
            except BaseException:
                listening.close()
                raise
        except OSError as cause:
            raise Unavailable(
                f"cannot listen on {self.host} port {self.port}: {cause.strerror or cause}; "
                "give another --port, or --port 0 for any that is free"
            ) from cause
        return listening

    def url(self, listening: socket.socket) -> str:
        """Where the server is asked."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert else 'http'}://{host}:{listening.getsockname()[1]}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def run(serving: Serving, listening: socket.socket, started: Callable[[], None]) -> None:
    """Serves until SIGTERM or SIGINT: takes no more requests, ends those in flight, closes the memory.

    Raises:
        UsageError: keys are asked for, and there is none.
        StoreError: the memory cannot be opened.
    """
    with listening:
        if serving.workers == 1:
            _serve(serving, listening, started)
        else:
            application(serving, check=True)
            _watch(serving, listening, started)


def _serve(serving: Serving, listening: socket.socket, started: Callable[[], None]) -> None:
    """One process that answers, until it is asked to stop or the process that began it is gone."""
    from uvicorn import Server

    stopping = threading.Event()
    servers: list[Server] = []

    def stop(_signal: int = 0, _frame: object = None) -> None:
        stopping.set()
        for server in servers:
            server.should_exit = True

    def stop_with(parent: multiprocessing.process.BaseProcess) -> None:
        parent.join()  # also where it was killed and could say nothing
        stop()

    # uvicorn takes the signals over while it runs, and raises them again once it has stopped.
    for ask in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ask, stop)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=stop_with, args=(parent,), daemon=True).start()
    app = application(serving)
    servers.append(Server(_config(serving, app)))
    if stopping.is_set():
        stop()
    started()
    servers[0].run(sockets=[listening])


@dataclass(frozen=True)
class _Worker:
    process: multiprocessing.process.BaseProcess
    ready: Event


def _watch(serving: Serving, listening: socket.socket, started: Callable[[], None]) -> None:
    """Processes that answer on one socket; one that ends by itself is replaced.

    Raises:
        StoreError: one could not begin.
    """
    over = threading.Event()
    for ask in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ask, lambda _signal, _frame: over.set())
    context = multiprocessing.get_context("spawn")

    def begun() -> _Worker:
        ready = context.Event()
        process = context.Process(target=_serve, args=(serving, listening, ready.set))
        process.start()
        return _Worker(process, ready)

    workers = [begun() for _ in range(serving.workers)]
    failed = told = False
    while not over.wait(WATCH_SECONDS) and not failed:
        if not told and all(worker.ready.is_set() for worker in workers):
            told = True
            started()
        for number, worker in enumerate(workers):
            if worker.process.exitcode is not None:
                failed = failed or not worker.ready.is_set()
                if not failed and not over.is_set():
                    workers[number] = begun()
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.process.join()
    if failed:
        raise Unavailable("a worker process ended before it could answer; what it said stands above")


def application(serving: Serving, *, check: bool = False) -> FastAPI:
    """Opens the memory and makes the application over it, which closes it when it stops; `check`: closes it at once.

    Raises:
        UsageError: keys are asked for, and there is none.
        StoreError: the memory cannot be opened.
    """
    from engrams.memory import Memory
    from engrams.serve.hooks.draining import drain_quietly
    from engrams.serve.rest.app import create_app

    memory = Memory.open(serving.db, actor="rest", background=not check)
    try:
        if not check:
            drain_quietly(memory, serving.db)
        if serving.workers > 1 and memory.location == IN_MEMORY:
            raise UsageError("several workers cannot share ':memory:'; give --db PATH, or --workers 1")
        if serving.keys and not any(key.revoked_at is None for key in memory.list_keys()):
            raise UsageError(
                "--keys asks each request for a key, and this memory has none yet; make one with: "
                "engrams keys create NAME --right 'admin:*'"
            )
        hosts = None if serving.keys else {"localhost", "127.0.0.1", "::1", serving.host}
        return create_app(
            memory,
            keys=serving.keys,
            limits=serving.limits,
            cors=serving.cors,
            hosts=hosts,
            at_end=memory.close,
        )
    except BaseException:
        memory.close()
        raise
    finally:
        if check:
            memory.close()


def _config(serving: Serving, app: FastAPI) -> Config:
    from uvicorn import Config

    from engrams.serve.rest.patient import patient

    return Config(
        app,
        http=patient(serving.limits.read_seconds, serving.limits.write_seconds),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=STOP_SECONDS,
        ssl_certfile=serving.tls_cert,
        ssl_keyfile=serving.tls_key,
    )
