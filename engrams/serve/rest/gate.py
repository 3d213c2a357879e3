"""What stands before every path: sizes, times and rates, who may ask at all, and the count of what was answered."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engrams.errors import Denied, EngramsError
from engrams.serve.rest.door import HELD, House
from engrams.serve.rest.metrics import Metrics
from engrams.serve.rest.problems import NO_KEY, Unknown, of_error, problem, unexpected

#: Methods that change nothing, so that a page of another site may send them: it cannot read the answer.
_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})
#: Paths whose bodies are files.
UPLOADS = frozenset({"/import", "/restore"})
#: What tells that the server lives: asked often, by whoever keeps it running, and never refused.
ALIVE = frozenset({"/health", "/v1/health"})
#: What needs no key, so that none is looked at.
OPEN = frozenset({"/ready", "/v1/ready", "/openapi.json"})


@dataclass(frozen=True)
class Gate:
    """The outermost layer of the application.

    `hosts`: names under which the server may be asked, None for any. Where no keys are needed they keep a page of
    another site from asking a server on this machine under a name of its own. `origins`: of pages that may use it.
    """

    app: ASGIApp
    house: House
    metrics: Metrics
    hosts: Collection[str] | None = None
    origins: Collection[str] = field(default_factory=frozenset)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request that may not pass, and passes on what may."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, answered = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = message["status"]
            await send(message)

        try:
            await self._enter(scope)
            await self.app(scope, self._bounded(scope, receive), sending)
        except EngramsError as error:
            await of_error(error)(scope, receive, sending)
        except HTTPException as error:
            await problem(error.status_code, "UsageError", error.detail)(scope, receive, sending)
        except Exception as error:
            if answered:
                raise  # too late to say anything: the connection is cut, so that nobody takes half for whole
            await unexpected(error)(scope, receive, sending)
        finally:
            route: Any = scope.get("route")
            self.metrics.count(
                scope["method"], getattr(route, "path", ""), answered, time.perf_counter() - began
            )

    async def _enter(self, scope: Scope) -> None:
        """Checks where it is asked from, how often, and with which key.

        Raises:
            Denied, Unknown, RateLimited: it may not pass.
        """
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        name = urlsplit(f"//{host}").hostname or "" if _is_host(host) else ""
        if self.hosts is not None and name not in self.hosts:
            raise Denied(
                f"this server is not asked under the name {name!r}; ask it as {' or '.join(sorted(self.hosts))}"
            )
        origin = headers.get("origin")
        elsewhere = origin is not None and origin not in self.origins and urlsplit(origin).netloc != host
        if elsewhere and scope["method"] not in _HARMLESS:
            raise Denied(
                f"pages of {origin} may not use this server; allow them with: engrams serve --cors {origin}"
            )
        if scope["path"] in ALIVE:
            return
        key = _key(headers) if self.house.keys else None
        address = scope["client"][0] if scope.get("client") else ""
        marked = "" if key is None else hashlib.sha256(key.encode("latin-1")).hexdigest()
        self.house.rates.take(f"{address} {marked}")
        if scope["path"] in OPEN:
            return
        if key is not None:
            # Before the body is read: what an unknown caller sends is not worth its memory.
            scope.setdefault("state", {})[HELD] = await to_thread.run_sync(self.house.held_by, key)
        elif self.house.keys and scope["method"] not in _HARMLESS:
            raise Unknown(NO_KEY)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """What is received, as long as it is not too much and does not come too slowly."""
        limits, taken = self.house.limits, 0
        upload = scope["path"].removeprefix("/v1") in UPLOADS
        most = limits.upload_bytes if upload else limits.body_bytes
        too_large = HTTPException(413, f"the body is larger than {most:,} bytes; send it in parts")
        complete = False

        async def receiving() -> Message:
            nonlocal taken, complete
            if (
                complete
            ):  # only the end of the connection can follow, and that may take as long as the answer does
                return await receive()
            if not taken and int(_digits(Headers(scope=scope).get("content-length"))) > most:
                raise too_large
            try:
                message = await asyncio.wait_for(receive(), limits.read_seconds)
            except TimeoutError as cause:
                waited = f"nothing came for {limits.read_seconds:g} s; send the whole request"
                raise HTTPException(408, waited, {"Connection": "close"}) from cause
            taken += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if taken > most:
                raise too_large
            return message

        return receiving


def _key(headers: Headers) -> str | None:
    kind, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" and value.strip() else headers.get("x-api-key") or None


def _digits(value: str | None) -> str:
    return value if value is not None and value.isdigit() and len(value) < 20 else "0"


def _is_host(host: str) -> bool:
    try:
        urlsplit(f"//{host}")
    except ValueError:  # a bracket without its other half
        return False
    return True
