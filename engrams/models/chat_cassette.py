"""Real conversations with a model, recorded to a file and played back: a run with a key that others repeat without one."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from engrams.errors import BadSetting, Refused, UnknownFormat
from engrams.models.chat_rendering import key_of
from engrams.ports import Endpoint, Reply, Request, ToolCall, Usage

FORMAT = "engrams-conversations"
VERSION = 1
"""The first line of a recording names both, and the model; each other line is one exchange."""


class Recording:
    """An endpoint that writes each exchange to a file and passes it on unchanged; a file that is there is added to.

    What was sent is written without the marks of its blocks, so that the same question is found again.
    """

    def __init__(self, path: str | Path, endpoint: Endpoint) -> None:
        """Raises `BadSetting` where the file cannot be written or holds another model's exchanges."""
        self._path, self._endpoint = Path(path), endpoint
        self._lock = threading.Lock()
        there = _lines(self._path) if self._path.exists() and self._path.stat().st_size else []
        if there and there[0].get("model") != endpoint.name:
            raise BadSetting("model", str(path), f"a recording of {endpoint.name}, or a new file")
        if not there:
            self._write({"format": FORMAT, "version": VERSION, "model": endpoint.name})

    @property
    def name(self) -> str:
        """That of the model."""
        return self._endpoint.name

    def complete(self, request: Request) -> Reply:
        """What the model replies, once it is written down."""
        reply = self._endpoint.complete(request)
        ask = request.ask
        self._write(
            {
                "key": key_of(self.name, ask),
                "operation": ask.operation,
                "prompt": ask.prompt.digest,
                "input": dict(ask.input),
                "reply": {
                    "text": reply.text,
                    "calls": [[c.id, c.name, dict(c.arguments)] for c in reply.calls],
                    "stopped": reply.stopped,
                    "tokens_in": reply.usage.tokens_in,
                    "tokens_out": reply.usage.tokens_out,
                    "cached_in": reply.usage.cached_in,
                },
            }
        )
        return reply

    def close(self) -> None:
        """Lets go of the model's connections."""
        close = getattr(self._endpoint, "close", None)
        if close is not None:
            close()

    def _write(self, line: dict[str, Any]) -> None:
        raw = (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "replace")
        try:
            # One write to a file opened to append: lines of two processes do not run into each other.
            with self._lock:
                place = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
                try:
                    os.write(place, raw)
                finally:
                    os.close(place)
        except OSError as cause:
            raise BadSetting(
                "model", str(self._path), f"a file that can be written; {cause.strerror}"
            ) from cause


class Replaying:
    """Answers from a recording; a question that is not in it is refused. Tokens are those of the recording."""

    def __init__(self, path: str | Path) -> None:
        """Raises `BadSetting` where there is no such file, `UnknownFormat` where it is no recording."""
        self._path = Path(path)
        if not self._path.is_file():
            raise BadSetting("model", str(path), "a recording that is there, as 'replay:talks.jsonl'")
        head, *lines = _lines(self._path) or [{}]
        if head.get("format") != FORMAT or head.get("version") != VERSION:
            raise UnknownFormat(
                f"{path} is no recording of conversations (format {FORMAT}, version {VERSION})"
            )
        self._model = str(head["model"])
        self._replies: dict[str, list[dict[str, Any]]] = {}
        for line in lines:
            self._replies.setdefault(line["key"], []).append(line["reply"])
        self._played: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """That of the model that was recorded: prices and counts are its own."""
        return self._model

    def complete(self, request: Request) -> Reply:
        """What was replied then; a question asked several times gets its replies in their order, the last from then on.

        Raises:
            Refused: the question is not in the recording.
        """
        key = key_of(self._model, request.ask)
        found = self._replies.get(key)
        if not found:
            raise Refused(
                f"{self._path} has no reply to this {request.ask.operation!r}: prompt, input or model are not those that were "
                "recorded; record it again with: record:FILE+MODEL"
            )
        with self._lock:
            at = self._played.get(key, 0)
            self._played[key] = at + 1
        said = found[min(at, len(found) - 1)]
        usage = Usage(tokens_in=said["tokens_in"], tokens_out=said["tokens_out"], cached_in=said["cached_in"])
        calls = tuple(ToolCall(*call) for call in said["calls"])
        return Reply(said["text"], calls, usage, said["stopped"])


def _lines(path: Path) -> list[dict[str, Any]]:
    found = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            held = json.loads(line)
            if not isinstance(held, dict) or (number > 1 and not {"key", "reply"} <= held.keys()):
                raise ValueError("no exchange")
        except ValueError as cause:
            raise UnknownFormat(f"{path}, line {number}: no exchange of a recording ({cause})") from cause
        found.append(held)
    return found
