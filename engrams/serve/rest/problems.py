"""The one form of every error, `{"error": {"type", "message", …}}`, and the status that `errors.OUTCOMES` gives it."""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from engrams import errors
from engrams.errors import EngramsError, RateLimited, outcome
from engrams.serve.plain import plain

LOG = logging.getLogger("engrams.serve")
#: What an error may carry beside its message; the client gives it back on the exception it raises.
CARRIED = (
    "nearest",
    "key",
    "expected",
    "origin",
    "extra",
    "retry_after",
    "limit",
    "spent",
    "raw",
    "step",
    "chain",
)
NO_KEY = (
    "send a key: Authorization: Bearer engrams_… or X-API-Key: engrams_…; make one with: engrams keys create"
)
#: What is wrong with a request: so many are told at once.
SHOWN = 5
#: Bytes of chance in the mark that leads from an answer to the line in the log.
MARK_BYTES = 4


class Unknown(EngramsError):
    """No key came with the request, or none of this memory's: 401 where `Denied` is 403."""


def problem(
    status: int, kind: str, message: str, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """An answer in the one form."""
    body = {"error": {"type": kind, "message": message, **more}}
    return JSONResponse(body, status, headers=dict(headers) if headers else None)


def of_error(error: EngramsError) -> Response:
    """What a door answers for an error of the house: the status of the one table, and all the error carries."""
    if isinstance(error, Unknown):
        return problem(401, "Denied", str(error), {"WWW-Authenticate": "Bearer"})
    carried = {
        name: plain(getattr(error, name)) for name in CARRIED if getattr(error, name, None) is not None
    }
    headers = {}
    after = carried.get("retry_after")
    if isinstance(error, RateLimited) and after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(after)))
    if isinstance(error, errors.Busy):
        headers["Retry-After"] = "1"
    if outcome(error).http_status == 500:
        LOG.error("%s", type(error).__name__, exc_info=error)
    return problem(outcome(error).http_status, type(error).__name__, _text(error), headers, **carried)


def handle(app: FastAPI) -> None:
    """Has the application answer whatever is raised in the one form."""

    async def ours(_request: Request, error: Exception) -> Response:
        return of_error(error) if isinstance(error, EngramsError) else unexpected(error)

    async def invalid(_request: Request, error: Exception) -> Response:
        found = error.errors() if isinstance(error, RequestValidationError) else []
        if any(e.get("type") == "json_invalid" for e in found):
            return problem(
                400, "UsageError", f"the body is no JSON: {found[0].get('ctx', {}).get('error', '')}"
            )
        if not found:
            return problem(422, "UsageError", "the request cannot be read")
        key = ".".join(str(part) for part in found[0].get("loc", ())[1:]) or "body"
        return problem(422, "BadSetting", "; ".join(map(_place, found[:SHOWN])), key=key)

    async def http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status == 404:
            return problem(404, "NotFound", f"there is no path {request.url.path}; see /openapi.json")
        if status == 405:
            headers = getattr(error, "headers", None)
            return problem(
                405,
                "UsageError",
                f"{request.method} is not for {request.url.path}; see /openapi.json",
                headers,
            )
        return problem(status, "UsageError", str(getattr(error, "detail", error)))

    async def anything(_request: Request, error: Exception) -> Response:
        return unexpected(error)

    app.add_exception_handler(EngramsError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(Exception, anything)


def unexpected(error: BaseException) -> Response:
    """A 500 that tells the caller nothing of the inside, and a mark that leads to the log."""
    mark = secrets.token_hex(MARK_BYTES)
    LOG.error("unexpected failure %s", mark, exc_info=error)
    message = f"something unexpected went wrong; the server's log has it under {mark}"
    return problem(500, "EngramsError", message)


def _place(found: Mapping[str, Any]) -> str:
    where: Sequence[Any] = found.get("loc", ())
    path = ".".join(str(part) for part in where[1:]) or "the body"
    return f"{path} ({where[0] if where else 'request'}): {found.get('msg', 'cannot be read')}"


def _text(error: EngramsError) -> str:
    return str(error.args[0]) if isinstance(error, LookupError) and error.args else str(error)
