"""The OpenAPI: what the framework knows of the paths, and every error that each may answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

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
    422: ("Something in the request; says what and where.", "BadSetting", "k (body): Input should be greater than or equal to 1"),
    429: ("Too many requests; Retry-After says how long to wait.", "RateLimited", "wait 0.01 s"),
    500: ("The store or a step failed.", "StepFailed", "engrams.read.ByWords failed: ValueError: …"),
    501: ("A part is not installed on the server.", "NeedsExtra", "this needs the extra 'dates': pip install 'engrams[dates]'"),
    502: ("A model did not do its part.", "Unreachable", "no answer from http://localhost:11434/v1"),
    503: ("Busy or out of reach; ask again.", "Busy", "another process has held the lock for 30 s; try again"),
    507: ("No room left on the device.", "Full", "no room left on the device; nothing of the write was kept"),
}  # fmt: skip
#: What any path may answer; a test walks every error and finds its status here.
EVERYWHERE = (400, 401, 402, 403, 405, 408, 409, 413, 415, 422, 429, 500, 501, 502, 503, 507)


#: Paths whose bodies name ids.
BY_ID = frozenset({"/feedback"})
PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "The body of every answer that is no success.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "description": "What went wrong, and what the error knows beside: key, expected, nearest, retry_after, limit, spent, …",
            "required": ["type", "message"],
            "properties": {
                "type": {
                    "type": "string",
                    "description": "The class of the error, as engrams.errors names it.",
                },
                "message": {"type": "string", "description": "What was found and what would work."},
            },
        }
    },
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI of the application, made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        parts = made["components"]
        for name in ("HTTPValidationError", "ValidationError"):  # the framework's own form, which nobody gets
            parts["schemas"].pop(name, None)
        parts["schemas"]["Problem"] = PROBLEM
        # A right on a path, as a list of two: said in the words of every version of JSON Schema.
        pair = {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}
        parts["schemas"]["Key"]["properties"]["rights"]["items"] = pair
        parts["responses"] = {str(status): _response(status) for status in MEANINGS}
        for path, methods in made["paths"].items():
            for operation in methods.values():
                for status in (*EVERYWHERE, *((404,) if "{" in path or path in BY_ID else ())):
                    operation["responses"][str(status)] = {"$ref": f"#/components/responses/{status}"}
        app.openapi_schema = made
    return app.openapi_schema


def _response(status: int) -> dict[str, Any]:
    meaning, kind, message = MEANINGS[status]
    made: dict[str, Any] = {
        "description": meaning,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "example": {"error": {"type": kind, "message": message}},
            }
        },
    }
    header = {429: "Retry-After", 401: "WWW-Authenticate"}.get(status)
    if header is not None:
        made["headers"] = {header: {"schema": {"type": "string"}}}
    return made
