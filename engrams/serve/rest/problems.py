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
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from engrams import errors
from engrams.errors import Denied, EngramsError, NotFound, RateLimited, UsageError, outcome
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
#: Bytes of chance in the mark that leads from an answer to the line in the log.
MARK_BYTES = 4


class Unknown(EngramsError):
    """No key came with the request, or none of this memory's: 401 where `Denied` is 403."""


class ErrorBody(BaseModel):
    """What went wrong, as everywhere in engrams: `type` is the name of the exception, `message` says what would work."""

    model_config = ConfigDict(extra="allow")
    type: str = Field(description="The class of the error, as engrams.errors names it.")
    message: str = Field(description="What was found and what would work.")


class Problem(BaseModel):
    """The body of every answer that is no success."""

    model_config = ConfigDict(title="Problem")
    error: ErrorBody


#: Status: what it means here, and one example.
MEANINGS: Mapping[int, tuple[str, str, str]] = {
    400: ("The body is no JSON.", "UsageError", "the body is no JSON: Expecting ',' delimiter"),
    401: ("No key, or none of this memory.", "Denied", "send a key: Authorization: Bearer engrams_…"),
    402: ("A quota or budget would be passed.", "OverBudget", "quota of acme: the limit is 100, 101 would be spent"),
    403: ("The key lacks the right.", "Denied", "key 1f2e3d4c5b6a (reader) may not write acme; it may: read acme"),
    404: ("Nothing here has that id.", "NotFound", "no event or engram '0197…' here"),
    405: ("The path does not take this method.", "UsageError", "PATCH is not for this path"),
    408: ("The request came too slowly.", "UsageError", "nothing came for 30 s; send the whole request"),
    409: ("The store and this server do not fit.", "Mismatch", "another embedder filled this store; run: engrams reembed"),
    413: ("The body is too large.", "UsageError", "the body is larger than 16,777,216 bytes; send it in parts"),
    415: ("A form that nobody here reads.", "UnknownFormat", "the upload is none of the known forms"),
    422: ("Something in the request; says what and where.", "UsageError", "k (body): Input should be greater than or equal to 1"),
    429: ("Too many requests; Retry-After says how long to wait.", "RateLimited", "wait 0.01 s"),
    500: ("The store or a step failed.", "StepFailed", "engrams.read.ByWords failed: ValueError: …"),
    501: ("A part is not installed on the server.", "NeedsExtra", "this needs the extra 'dates': pip install 'engrams[dates]'"),
    502: ("A model did not do its part.", "Unreachable", "no answer from http://localhost:11434/v1"),
    503: ("Busy or out of reach; ask again.", "Busy", "another process has held the lock for 30 s; try again"),
    507: ("No room left on the device.", "Full", "no room left on the device; nothing of the write was kept"),
}  # fmt: skip
#: What any path may answer; a test walks every error and finds its status here.
EVERYWHERE = (400, 401, 402, 403, 405, 408, 409, 413, 415, 422, 429, 500, 501, 502, 503, 507)


def documented(*more: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a path: every error it may answer, with an example."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*EVERYWHERE, *more}):
        meaning, kind, message = MEANINGS[status]
        example: dict[str, Any] = {"error": {"type": kind, "message": message}}
        found[status] = {
            "model": Problem,
            "description": meaning,
            "content": {"application/json": {"example": example}},
        }
        if status == 429:
            found[status]["headers"] = {
                "Retry-After": {"schema": {"type": "string"}, "description": "Seconds."}
            }
        if status == 401:
            found[status]["headers"] = {
                "WWW-Authenticate": {"schema": {"type": "string"}, "description": "Bearer"}
            }
    return found


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
    if isinstance(error, RateLimited) and error.retry_after is not None:
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    if isinstance(error, errors.Busy):
        headers["Retry-After"] = "1"
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
        return problem(422, "UsageError", "; ".join(map(_place, found[:5])) or "the request cannot be read")

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


__all__ = [
    "Denied",
    "NotFound",
    "Problem",
    "Unknown",
    "UsageError",
    "documented",
    "handle",
    "of_error",
    "problem",
]
