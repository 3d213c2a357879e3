"""An HTTP server on loopback that speaks OpenAI's embeddings protocol, and misbehaves when told to."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DIMENSIONS = 8


def numbers(text: str) -> list[float]:
    """Eight numbers from 1 to 256 that only depend on the text."""
    return [1.0 + byte for byte in sha256(text.encode("utf-8", "replace")).digest()[:DIMENSIONS]]


@dataclass
class Reply:
    """One answer in place of the usual one; `status` 0: the connection is closed without any."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class EmbeddingsServer:
    """What was asked, and what to answer next; once `replies` is empty, as the protocol has it."""

    url: str = ""
    replies: deque[Reply] = field(default_factory=deque)
    asked: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def answer(self, body: dict[str, Any]) -> bytes:
        size = body.get("dimensions", DIMENSIONS)
        data = [
            {"object": "embedding", "index": place, "embedding": numbers(text)[:size]}
            for place, text in enumerate(body["input"])
        ]
        # Not in the order of the texts: `index` says which is whose.
        return json.dumps({"object": "list", "data": data[::-1], "model": body["model"]}).encode()


@contextmanager
def serving() -> Iterator[EmbeddingsServer]:
    state = EmbeddingsServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.asked.append(body)
            state.paths.append(self.path)
            state.headers.append(dict(self.headers))
            reply = state.replies.popleft() if state.replies else Reply(body=state.answer(body))
            if reply.status == 0:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        yield state
        server.shutdown()
        thread.join()
