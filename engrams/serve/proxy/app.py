"""The application: a request comes, memory is put into it, it goes to the upstream; the answer passes and is listened to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from engrams.errors import BadSetting, Denied, EngramsError, StoreError, outcome
from engrams.memory import Memory
from engrams.serve.proxy.remembering import LOG, Person, Recalled, Remembering
from engrams.serve.proxy.talks import Ear, Talk, talk_of

#: Our headers. `KEY` has a name of its own, since `Authorization` is the upstream's.
KEY, USER, NAMESPACE, SESSION, ALLOWED = (
    "x-engrams-key",
    "x-engrams-user",
    "x-engrams-namespace",
    "x-engrams-session",
    "x-engrams-budget",
)
#: What was added to a request and its cost, in the answer.
CONTEXT = "x-engrams-context"
#: Headers of one connection (RFC 9110, section 7.6.1), which no proxy passes on.
OF_A_CONNECTION = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade".split()
)
#: Seconds until the upstream must have taken a connection; and of silence, as a model that thinks for minutes keeps it.
CONNECT_SECONDS, SILENCE_SECONDS = 10.0, 900.0
#: Bytes of a request that are read: pictures in base64 are large.
MOST_BYTES = 64 * 2**20
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


@dataclass(frozen=True)
class Proxy:
    """What the application works with. `hosts`: names under which it may be asked, None for any."""

    memory: Memory
    upstream: str
    remembering: Remembering
    client: httpx.AsyncClient
    keys: bool = False
    hosts: Collection[str] | None = None

    async def __call__(self, request: Request) -> Response:
        """Answers one request."""
        try:
            self._require_host(request)
            path = request.path_params.get("path", "")
            if ".." in path.split("/"):
                raise BadSetting("path", path, "a path without '..'")
            held = await anyio.to_thread.run_sync(self._held, request.headers.get(KEY))
            raw = await _body(request)
            talk = _talk(path, raw) if request.method == "POST" else None
            if talk is None or held is None:
                return await self._passed(request, path, raw)
            person = _person(held, request, talk)
            recalled = await self.remembering.recall(person, talk, _budget(request))
            if recalled.text:
                raw = json.dumps(talk.with_memory(recalled.text)).encode()
            return await self._passed(request, path, raw, (person, talk, recalled))
        except EngramsError as error:
            return _refused(outcome(error).http_status, type(error).__name__, str(error))

    def _held(self, key: str | None) -> Memory | None:
        """The memory as the caller may use it; None where it fails and nobody needs a key: the request goes on without.

        Raises:
            Denied: a key is asked for and none came, or it is none of this memory.
            StoreError: whether it is one cannot be found out.
        """
        if key is None and self.keys:
            raise Denied(f"this proxy asks for a key of the memory; send it as {KEY}")
        try:
            return self.memory if key is None else self.memory.held_by(key)
        except StoreError as error:
            if self.keys:
                raise
            LOG.error("the memory failed; the request goes on without it: %s", error)
            return None

    def _require_host(self, request: Request) -> None:
        """A page of another site may not use a proxy on this machine, under whatever name it found it.

        Raises:
            Denied: it is one.
        """
        host = request.headers.get("host", "")
        name = urlsplit(f"//{host}").hostname if host.count("[") == host.count("]") else None
        if self.hosts is not None and name not in self.hosts:
            raise Denied(f"this proxy is not asked under the name {name!r}")
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise Denied(f"pages of {origin} may not use this proxy")

    async def _passed(
        self, request: Request, path: str, raw: bytes, turn: tuple[Person, Talk, Recalled] | None = None
    ) -> Response:
        """What the upstream answers, byte for byte; a turn is remembered once it has passed, or its client has gone."""
        url = f"{self.upstream}/{path}" + (f"?{request.url.query}" if request.url.query else "")
        asked = self.client.build_request(request.method, url, headers=_onwards(request), content=raw)
        try:
            answer = await self.client.send(asked, stream=True)
        except httpx.HTTPError as error:
            LOG.warning("the upstream did not answer: %s", type(error).__name__)
            return _refused(502, "Unreachable", f"the upstream {self.upstream} did not answer: {error}")
        headers = [(k, v) for k, v in answer.headers.multi_items() if k.lower() not in OF_A_CONNECTION]
        ear: Ear | None = None
        if turn is not None:
            headers.append((CONTEXT, turn[2].header))
            if answer.status_code == 200 and "content-encoding" not in answer.headers:
                ear = Ear(turn[1].at, "event-stream" in answer.headers.get("content-type", ""))
        passing = StreamingResponse(_listened(answer, ear, turn, self.remembering), answer.status_code)
        passing.raw_headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers]
        return passing


async def _listened(
    answer: httpx.Response,
    ear: Ear | None,
    turn: tuple[Person, Talk, Recalled] | None,
    remembering: Remembering,
) -> AsyncIterator[bytes]:
    """The bytes of an answer as they come; whatever ends them, what was said until then is remembered."""
    try:
        async for chunk in answer.aiter_raw():
            if ear is not None and not _heard(ear, chunk):
                ear = None
            yield chunk
    except httpx.HTTPError as error:
        # The answer has begun: cutting the connection is the only way left to say that it did not end well.
        LOG.warning("the upstream broke off: %s", type(error).__name__)
        raise
    finally:
        if ear is not None and turn is not None:
            remembering.later(turn[0], turn[1], ear)
        with anyio.CancelScope(shield=True):
            await answer.aclose()


def _talk(path: str, raw: bytes) -> Talk | None:
    """The conversation in a request; what cannot be read as one is the upstream's to judge."""
    try:
        return talk_of("/" + path, raw)
    except Exception as error:
        LOG.warning("a request is passed on unread: %s: %s", type(error).__name__, error)
        return None


def _heard(ear: Ear, chunk: bytes) -> bool:
    """Whether the bytes of an answer could be read; they pass all the same."""
    try:
        ear.hear(chunk)
    except Exception as error:
        LOG.warning("an answer is passed on unread: %s: %s", type(error).__name__, error)
        return False
    return True


def _onwards(request: Request) -> list[tuple[str, str]]:
    """The headers that go to the upstream: the client's, without ours and those of the connection."""
    left_out = OF_A_CONNECTION | {"host", "content-length", "accept-encoding"}
    kept = [
        (k, v) for k, v in request.headers.items() if k not in left_out and not k.startswith("x-engrams-")
    ]
    return [*kept, ("accept-encoding", "identity")]  # what passes must be read


async def _body(request: Request) -> bytes:
    taken = bytearray()
    try:
        async for chunk in request.stream():
            taken += chunk
            if len(taken) > MOST_BYTES:
                raise BadSetting("body", len(taken), f"at most {MOST_BYTES:,} bytes")
    except ClientDisconnect as gone:
        raise BadSetting("body", len(taken), "a whole request") from gone
    return bytes(taken)


def _person(held: Memory, request: Request, talk: Talk) -> Person:
    user = request.headers.get(USER) or talk.body.get("user")
    named = request.headers.get(SESSION)
    conversation = talk.body.get("conversation")
    if not named and conversation:
        named = conversation.get("id") if isinstance(conversation, dict) else str(conversation)
    return Person(
        held,
        str(user) if user else None,
        request.headers.get(NAMESPACE) or None,
        named or None,
        asked=bool(request.headers.get(USER) or request.headers.get(NAMESPACE)),
    )


def _budget(request: Request) -> int | None:
    given = request.headers.get(ALLOWED)
    if given is None:
        return None
    if not given.isdigit() or len(given) > 9:
        raise BadSetting(ALLOWED, given, "a number of tokens, 0 or more", "header")
    return int(given)


def _refused(status: int, kind: str, message: str) -> Response:
    """An error of ours, in the form that OpenAI's clients read."""
    body: Mapping[str, Any] = {
        "error": {"message": message, "type": kind, "param": None, "code": f"engrams_{kind}"}
    }
    return JSONResponse(body, status)


def create_app(
    memory: Memory,
    upstream: str,
    *,
    keys: bool = False,
    budget: int | None = None,
    patience: float | None = None,
    hosts: Collection[str] | None = None,
    at_end: Callable[[], None] | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Starlette:
    """The application over an open memory.

    `upstream`: the address of an API, up to and with its "/v1". `keys`: each request must bring a key of the memory. `budget`: the
    most tokens of memory in a request. `patience`: seconds a recall may take. `at_end` is called once all is remembered.

    Raises:
        BadSetting: an upstream that is no address.
    """
    parts = urlsplit(upstream)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or "@" in parts.netloc:
        raise BadSetting("upstream", upstream, "an address such as https://api.openai.com/v1")
    given = {"budget": budget, "patience": patience}
    remembering = Remembering(**{k: v for k, v in given.items() if v is not None})  # type: ignore[arg-type]
    timeout = httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=64)
    client = httpx.AsyncClient(timeout=timeout, limits=limits, transport=transport, follow_redirects=False)
    proxy = Proxy(memory, upstream.rstrip("/"), remembering, client, keys, hosts)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        remembering.warm(memory)
        try:
            yield
        finally:
            await client.aclose()
            await anyio.to_thread.run_sync(remembering.finish)
            if at_end is not None:
                at_end()

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/v1/{path:path}", proxy.__call__, methods=METHODS),
            Route("/{path:path}", proxy.__call__, methods=METHODS),
        ],
        lifespan=lifespan,
    )
