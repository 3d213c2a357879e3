"""One connection to a server: requests and answers over a kept-alive socket, with as little work as can be."""

from __future__ import annotations

import asyncio
import json
from typing import Any


class Cut(Exception):
    """The connection ended before an answer was whole."""


class Talk:
    """Asks one server over one connection, which is opened again after it was cut."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """POSTs JSON; gives status and JSON.

        Raises:
            Cut: no whole answer came.
        """
        sent = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(sent)}\r\n\r\n"
        )
        try:
            if self._reader is None or self._writer is None:
                self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
            self._writer.write(head.encode() + sent)
            await self._writer.drain()
            return await self._answer(self._reader)
        except (OSError, asyncio.IncompleteReadError, ValueError, IndexError) as cause:
            self.close()
            raise Cut(str(cause) or type(cause).__name__) from cause

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, Any]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
        }
        body = await reader.readexactly(int(fields["content-length"]))
        if fields.get("connection") == "close":
            self.close()
        return int(head[0].split()[1]), json.loads(body)

    def close(self) -> None:
        """Ends the connection."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None
