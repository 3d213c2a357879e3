"""How requests come in: over standard input and output, or over HTTP on this machine (elsewhere with keys only)."""

from __future__ import annotations

import ipaddress
import json
import signal
import socket
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import anyio
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

from engrams.errors import BadSetting, Denied, Unavailable, UsageError
from engrams.serve.mcp.server import bearer

if TYPE_CHECKING:
    from engrams.memory import Memory

PATH = "/mcp"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_GRACE = 5  # seconds that requests in flight have at the end
_NO_KEY = "this server wants an API key: send it as Authorization: Bearer KEY (engrams keys create makes one)"


def over_stdio(server: Server[Any]) -> None:
    """Serves one client on standard input and output, until it closes them."""

    async def serve() -> None:
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    anyio.run(serve)


def over_http(
    server: Server[Any],
    memory: Memory,
    host: str,
    port: int,
    *,
    keys: bool,
    allowed: Collection[str],
    started: Callable[[str], None],
) -> None:
    """Serves over streamable HTTP at `/mcp` until it is told to stop; `started` is told the address.

    Requests whose `Host` or `Origin` is not this machine's or one of `allowed` are refused, so that no web page can reach it
    by rebinding a name (DNS rebinding).

    Raises:
        UsageError: another host than loopback without keys, or without the names by which it is reached.
        Unavailable: the port is taken.
    """
    here = is_loopback(host)
    if not here and not keys:
        raise UsageError(
            f"{host} can be reached from elsewhere, which needs API keys: make one with engrams keys create, then add --keys"
        )
    if keys and not any(key.revoked_at is None for key in memory.list_keys()):
        raise UsageError("no key opens this memory yet: engrams keys create NAME --right write:PATH")
    if host in ("0.0.0.0", "::", "") and not allowed:
        raise UsageError(f"{host} has no name to be asked by: add --allow-host, such as memory.example.org")
    with _bound(host, port) as held:
        port = held.getsockname()[1]
        app = server.streamable_http_app(
            streamable_http_path=PATH,
            stateless_http=True,
            json_response=True,
            transport_security=_security(host, port, allowed),
        )
        shown = f"[{host}]" if ":" in host else host
        started(f"http://{shown}:{port}{PATH}")
        config = uvicorn.Config(
            Gate(app, memory) if keys else app, lifespan="on", log_level="warning", access_log=False, ws="none",
            server_header=False, timeout_graceful_shutdown=_GRACE,
        )  # fmt: skip
        for ask in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again once it has stopped
            signal.signal(ask, lambda _signal, _frame: None)
        uvicorn.Server(config).run(sockets=[held])


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


class Gate:
    """Lets in requests that bring a key of the memory; others are answered 401 before anything is read."""

    def __init__(self, app: Any, memory: Memory) -> None:
        self.app, self.memory = app, memory

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
            key = bearer(headers.get("authorization"))
            refused = _NO_KEY if key is None else await anyio.to_thread.run_sync(self._unknown, key)
            if refused:
                await _refuse(send, refused)
                return
        await self.app(scope, receive, send)

    def _unknown(self, key: str) -> str | None:
        try:
            self.memory.held_by(key)
        except Denied as error:
            return str(error)
        return None


async def _refuse(send: Any, message: str) -> None:
    body = json.dumps({"error": {"type": "Denied", "message": message}}).encode()
    headers = [(b"content-type", b"application/json"), (b"www-authenticate", b"Bearer")]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _security(host: str, port: int, allowed: Collection[str]) -> TransportSecuritySettings:
    names = [*_LOOPBACK, f"[{host}]" if ":" in host else host]
    hosts = [f"{name}:{port}" for name in dict.fromkeys(names)]
    hosts += [form for name in allowed for form in (name, f"{name}:*")]
    origins = [f"{scheme}://{name}" for scheme in ("http", "https") for name in hosts]
    return TransportSecuritySettings(allowed_hosts=hosts, allowed_origins=origins)


def _bound(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65_535:
        raise BadSetting("--port", port, "a port from 0 (any that is free) to 65,535", "command line")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host.strip("[]"), port), family=family)
    except OSError as cause:
        raise Unavailable(f"{host}:{port} cannot be served at: {cause.strerror or cause}") from cause
