"""A real server for tests: uvicorn in a thread of this process, on a port that was free."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from engrams.serve.rest.patient import patient


@contextmanager
def running(app: Any, *, read_seconds: float = 30.0, write_seconds: float = 60.0) -> Iterator[str]:
    """Serves an application; gives its address."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=patient(read_seconds, write_seconds), log_config=None, access_log=False, ws="none",
        timeout_graceful_shutdown=5,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started and thread.is_alive():
            threading.Event().wait(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
