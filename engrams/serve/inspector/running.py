"""Serves the inspector on this machine until it is asked to stop."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engrams.errors import BadSetting, NeedsExtra, Unavailable

if TYPE_CHECKING:
    from engrams.memory import Memory

ADDRESS = "127.0.0.1"
#: How long a stop waits for answers that are under way, in seconds.
PATIENCE = 5


@dataclass(frozen=True)
class Inspector:
    """A server that listens already; `url` opens its page once. `run` answers until `stop` or a signal."""

    url: str
    port: int
    _server: object = field(repr=False)
    _socket: socket.socket = field(repr=False)

    def run(self) -> None:
        """Answers requests; returns when it was asked to stop."""
        self._server.run(sockets=[self._socket])  # type: ignore[attr-defined]

    def stop(self) -> None:
        """Has `run` return, from another thread."""
        self._server.should_exit = True  # type: ignore[attr-defined]


@contextmanager
def inspector(memory: Memory, port: int = 0) -> Iterator[Inspector]:
    """The inspector over an open memory, on loopback; port 0: any that is free.

    Raises:
        NeedsExtra: the extra `serve` is not installed.
        BadSetting: no port.
        Unavailable: the port is taken.
    """
    try:
        import uvicorn

        from engrams.serve.inspector.gate import Gate
        from engrams.serve.rest.app import create_app
    except ModuleNotFoundError as cause:
        raise NeedsExtra("the inspector", "serve") from cause
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65_535:
        raise BadSetting("port", port, "a port from 0 (any that is free) to 65535")
    try:
        listening = socket.create_server((ADDRESS, port))
    except OSError as cause:
        reason = cause.strerror or str(cause)
        raise Unavailable(f"port {port} cannot be had: {reason}; take another, or 0 for any") from cause
    with listening:
        port = listening.getsockname()[1]
        gate = Gate(create_app(memory, keys=False), port)
        settings = uvicorn.Config(
            gate,
            log_level="warning",
            ws="none",
            access_log=False,  # it would write the token of the address down
            server_header=False,
            timeout_graceful_shutdown=PATIENCE,
        )
        url = f"http://{ADDRESS}:{port}/ui/?token={gate.token}"
        yield Inspector(url, port, uvicorn.Server(settings), listening)
