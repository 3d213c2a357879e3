"""The page itself: the built files of static/, and the headers that keep it from running or loading anything else."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from engrams.errors import NotFound

STATIC = Path(__file__).parent / "static"
#: What the page is made of, and its types. Nothing else of the folder is served.
FILES: Mapping[str, str] = MappingProxyType(
    {
        "index.html": "text/html; charset=utf-8",
        "inspector.js": "text/javascript; charset=utf-8",
        "inspector.css": "text/css; charset=utf-8",
        "icon.svg": "image/svg+xml",
    }
)
#: Scripts, styles and pictures from this server alone, none inside the page; it speaks to this server alone, sends no form
#: by itself, and no other page may frame it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cache-Control": "no-cache",
    }
)

router = APIRouter(include_in_schema=False)


@lru_cache(maxsize=len(FILES))
def _read(name: str) -> tuple[bytes, str]:
    """The bytes of a file and their mark, read once."""
    held = (STATIC / name).read_bytes()
    return held, f'"{hashlib.sha256(held).hexdigest()[:32]}"'


@router.get("/ui")
def bare() -> Response:
    """The page has a slash at its end, so that its files lie below it."""
    return RedirectResponse("/ui/", headers=dict(HEADERS))


@router.get("/ui/")
def index(request: Request) -> Response:
    """The page."""
    return _file("index.html", request)


@router.get("/ui/{name}")
def file(name: str, request: Request) -> Response:
    """One of its files.

    Raises:
        NotFound: it has none of that name.
    """
    return _file(name, request)


def _file(name: str, request: Request) -> Response:
    if name not in FILES:
        raise NotFound(f"the page has no file {name!r}; it has: {', '.join(FILES)}")
    held, mark = _read(name)
    headers = {**HEADERS, "ETag": mark}
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=304, headers=headers)
    return Response(held, media_type=FILES[name], headers=headers)
