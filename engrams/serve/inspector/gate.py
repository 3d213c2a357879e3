"""Who may use the inspector: whoever brought the token of the address once, from a page of this very server."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, Response

from engrams.serve.inspector.page import HEADERS
from engrams.serve.rest.problems import problem

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Bytes of chance in the token and in the cookie: 256 bits, beyond guessing.
SECRET_BYTES = 32
#: The header that a page of another origin cannot send without asking first, which is never granted.
HEADER = "x-engrams-ui"
PAGE = "/ui/"
SPENT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Engrams</title>
<h1>This address was used already</h1>
<p>The address that <code>engrams ui</code> prints opens the inspector once. Run it again for a new one.</p>"""


class Gate:
    """An ASGI application before another one: loopback names only, one token for one browser, nothing from other pages.

    `token` is what the address carries; the first request that brings it gets a cookie (SameSite=Strict, HttpOnly) and
    the token is spent. Requests that change something must carry the header `X-Engrams-UI`, and an `Origin`, where there is
    one, of this server: so no other page can make the browser act. The `Host` must be a name of this machine, so that
    no name that somebody else points here (DNS rebinding) is answered.
    """

    def __init__(self, app: App, port: int) -> None:
        self.token = secrets.token_urlsafe(SECRET_BYTES)
        self._app = app
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")}
        self._cookie = f"engrams_ui_{port}"  # cookies do not know ports: two inspectors must not share one
        self._session = secrets.token_urlsafe(SECRET_BYTES)
        self._fresh = True
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, refuses, or passes on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        headers = Headers(scope=scope)
        refused = self._foreign(scope, headers)
        if refused is not None:
            await refused(scope, receive, send)
            return
        opened = not self._known(headers)
        if opened and not self._brings_token(scope):
            await _unknown(scope)(scope, receive, send)
            return

        async def dressed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    out.setdefault(name, value)
                if not scope["path"].startswith(PAGE) or scope["path"].startswith("/ui/api/"):
                    out["Cache-Control"] = "no-store"
                if opened:
                    kept = f"{self._cookie}={self._session}; Path=/; HttpOnly; SameSite=Strict"
                    out.append("Set-Cookie", kept)
                    out["Cache-Control"] = "no-store"
            await send(message)

        await self._app(scope, receive, dressed)

    def _foreign(self, scope: Scope, headers: Headers) -> Response | None:
        """The refusal of a request that does not come from this machine's own browser page."""
        host = headers.get("host", "")
        if host.lower() not in self._hosts:
            return problem(403, "Denied", "the inspector answers at 127.0.0.1 and localhost only")
        if scope["method"] in ("GET", "HEAD"):
            return None
        origin = headers.get("origin")
        if HEADER not in headers or (origin is not None and origin != f"http://{host}"):
            return problem(403, "Denied", "changes are made from the inspector's own page only")
        return None

    def _known(self, headers: Headers) -> bool:
        try:
            held = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return held is not None and hmac.compare_digest(held.value.encode(), self._session.encode())

    def _brings_token(self, scope: Scope) -> bool:
        """Whether the token came, for the first time; it is spent then."""
        if scope["method"] != "GET" or scope["path"] != PAGE:
            return False
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        with self._lock:
            opens = self._fresh and hmac.compare_digest(given.encode(), self.token.encode())
            self._fresh = self._fresh and not opens
        return opens


def _unknown(scope: Scope) -> Response:
    if scope["path"] in ("/ui", PAGE):
        return HTMLResponse(SPENT, 401, headers=dict(HEADERS))
    message = "open the inspector with the address that engrams ui prints"
    return problem(401, "Denied", message, dict(HEADERS))
