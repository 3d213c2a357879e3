"""Paths that bring files: export and restore of the journal, import of chats from elsewhere."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, TypeVar

from anyio import to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from engrams.errors import BadSetting, EngramsError
from engrams.serve.plain import plain
from engrams.serve.rest.answers import Restored, gives
from engrams.serve.rest.bodies import ScopeQuery
from engrams.serve.rest.door import Asking, answer

if TYPE_CHECKING:
    from engrams.memory import Memory

router = APIRouter(tags=["files"])
T = TypeVar("T")
#: Bytes of a file that are sent at once.
PIECE = 256 * 1024
LINES = "application/x-ndjson"
SENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file as it is.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
STREAMED: dict[int | str, dict[str, Any]] = {
    200: {"description": "JSON lines.", "content": {LINES: {"schema": {"type": "string"}}}}
}


class ImportQuery(ScopeQuery):
    """Where an import goes."""

    format: str | None = None
    name: str = "upload"


@router.get("/export", response_class=StreamingResponse, responses=STREAMED)
async def export(query: Annotated[ScopeQuery, Query()], asking: Asking) -> Response:
    """The journal of a scope, without one of the whole store, as the JSON lines that `POST /restore` takes.

    It is written whole before the first byte is sent, so that whoever reads slowly holds nothing up.
    """
    written = await asking.slowly(lambda memory: _exported(memory, query.given()))
    headers = {"Content-Disposition": 'attachment; filename="engrams.jsonl"'}
    return Sent(written, headers)


@router.post("/restore", response_model=Restored, openapi_extra=SENT)
async def restore(request: Request, asking: Asking) -> Response:
    """Brings back what `GET /export` gave; what is here already stays."""
    async with _upload(request, "export.jsonl") as path:
        back = await asking.slowly(lambda memory: _named(lambda: memory.restore(path), path))
        return answer({"restored": back})


@router.post("/import", status_code=201, response_model=gives("import_file"), openapi_extra=SENT)
async def import_file(request: Request, query: Annotated[ImportQuery, Query()], asking: Asking) -> Response:
    """Imports a file of any known form, told apart by content; what was imported before is left out."""
    given = query.given()
    name = given.pop("name", "upload")
    if not name.isprintable() or not name or Path(name).name != name or len(name.encode()) > 200:
        raise BadSetting("name", name, "the name of a file, without its folder", "query")
    async with _upload(request, name) as path:
        done = await asking.slowly(lambda memory: _named(lambda: memory.import_file(path, **given), path))
        return answer({**plain(done), "path": name}, 201)


def _exported(memory: Memory, scope: dict[str, Any]) -> IO[bytes]:
    with tempfile.TemporaryDirectory(prefix="engrams-") as folder:
        path = Path(folder) / "export.jsonl"
        memory.export(path, **scope)
        return path.open("rb")  # it lives on until it is closed


class Sent(StreamingResponse):
    """A file as an answer, closed however far it was read: who goes away before the first byte starts no reading."""

    def __init__(self, file: IO[bytes], headers: dict[str, str]) -> None:
        super().__init__(_pieces(file), media_type=LINES, headers=headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


@asynccontextmanager
async def _upload(request: Request, name: str) -> AsyncIterator[Path]:
    """The body of a request as a file of this name, removed in the end."""
    folder = await to_thread.run_sync(lambda: tempfile.TemporaryDirectory(prefix="engrams-"))
    try:
        path = Path(folder.name) / name
        with await to_thread.run_sync(lambda: path.open("wb")) as file:
            async for piece in request.stream():
                await to_thread.run_sync(file.write, piece)
        yield path
    finally:
        await to_thread.run_sync(folder.cleanup)


def _named(work: Callable[[], T], path: Path) -> T:
    """What the work gives; its errors speak of the file as the caller knows it, not of the place where it lies here."""
    try:
        return work()
    except EngramsError as error:
        error.args = tuple(str(a).replace(f"{path.parent}/", "") for a in error.args)
        raise
