"""A file or bytes to read from: what they hold by the look of their content, line by line or as a whole."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import IO, Literal

from engrams.errors import BadSetting, UnknownFormat, UsageError
from engrams.records import Json

Layout = Literal["lines", "document", "text", "binary", "empty"]

#: How much is looked at to tell binary from text, and how many lines to tell kinds of text apart.
HEAD_BYTES, HEAD_LINES = 65_536, 400
#: How a JSON document begins, so that `[2024-05-01] Anna: …` and `[a link](…)` are not taken for broken JSON.
_JSON_BEGINS = re.compile(r'\s*(\{\s*("|\}|$)|\[\s*([\[{"\]]|$))')
#: Lines tried before a file whose first line is broken is called a broken JSON document rather than broken JSONL.
_LINES_TRIED = 50
_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


class Source:
    """What is read, by path or in memory. `problems`: where faults are collected; None, and the first one is raised."""

    def __init__(self, name: str, held: Path | bytes, problems: list[BadSetting] | None = None) -> None:
        self.name, self.held, self.problems = name, held, problems
        self._told: set[str] = set()

    @classmethod
    def of(cls, given: object, problems: list[BadSetting] | None = None) -> Source:
        """The source behind a path or bytes.

        Raises:
            BadSetting: neither a path nor bytes.
            UsageError: no such file, a folder, or not readable.
        """
        if isinstance(given, bytes | bytearray | memoryview):
            return cls("input", bytes(given), problems)
        if not isinstance(given, str | Path):
            raise BadSetting("source", given, "the path of a file, or its content as bytes")
        path = Path(given)
        try:
            with path.open("rb"):
                return cls(path.name, path, problems)
        except (OSError, ValueError) as cause:
            reason = cause.strerror if isinstance(cause, OSError) else cause
            raise UsageError(
                f"cannot read {excerpt(str(given), 200)}: {reason}; give the path of a readable file"
            ) from cause

    @property
    def stem(self) -> str:
        """The name without its ending: what a session is called when the file does not say."""
        return self.name.rsplit("/", 1)[-1].rsplit(".", 1)[0] or self.name

    def open(self) -> IO[bytes]:
        """The bytes from their beginning."""
        return io.BytesIO(self.held) if isinstance(self.held, bytes) else self.held.open("rb")

    def wrong(self, where: str, found: object, expected: str) -> None:
        """Reports a fault: raises it, or notes it in `problems` and returns."""
        self.fault(BadSetting(f"{self.name} {where}", found, expected, "file"))

    def fault(self, error: BadSetting) -> None:
        """Reports a fault found elsewhere in the same way."""
        if self.problems is None:
            raise error
        if (
            str(error) not in self._told
        ):  # a line is looked at more than once: to know the format, and to read it
            self._told.add(str(error))
            self.problems.append(error)

    @cached_property
    def head(self) -> bytes:
        """The first bytes."""
        with self.open() as stream:
            return stream.read(HEAD_BYTES)

    @cached_property
    def encoding(self) -> str:
        """By the byte order mark, else UTF-8."""
        return next((name for mark, name in _BYTE_ORDER_MARKS.items() if self.head.startswith(mark)), "utf-8")

    def lines(self) -> Iterator[tuple[int, str]]:
        """Each line with its number from 1, without its end. Only line feeds end lines: JSON may hold the others.

        Raises:
            BadSetting: a line is not in the file's encoding.
        """
        with self.open() as stream:
            raw_lines = stream if self.encoding == "utf-8" else self._parted(stream.read())
            for number, raw in enumerate(raw_lines, 1):
                try:
                    line = raw.decode(self.encoding).rstrip("\r\n")
                except UnicodeDecodeError as cause:
                    shown = raw[max(0, cause.start - 20) : cause.end + 20]
                    self.wrong(f"line {number}", shown, "UTF-8 text: save the file as UTF-8")
                else:
                    yield number, line.removeprefix("\ufeff") if number == 1 else line

    def _parted(self, raw: bytes) -> list[bytes]:
        """The lines of UTF-16, whose line feed is two bytes and must begin at an even place."""
        feed = "\n".encode(self.encoding)
        cuts = [i + 2 for i in range(0, len(raw), 2) if raw[i : i + 2] == feed]
        return [raw[a:b] for a, b in pairwise([0, *cuts, len(raw)]) if a < b]

    def text(self) -> str:
        """The whole, decoded, with line feeds as line ends."""
        return "\n".join(line for _, line in self.lines())

    @cached_property
    def sample(self) -> list[str]:
        """The first lines that are not blank."""
        found = []
        for _, line in self.lines():
            if line.strip():
                found.append(line)
            if len(found) == HEAD_LINES:
                break
        return found

    @cached_property
    def layout(self) -> Layout:
        """Whether it is JSON in lines, one JSON document, other text, no text at all, or empty.

        Raises:
            BadSetting: it begins like JSON and is broken; says where.
        """
        if not self.head.strip(b" \t\r\n\xef\xbb\xbf"):
            return "empty"
        if (b"\x00" in self.head and self.encoding == "utf-8") or self.head.startswith(
            (b"%PDF", b"\x1f\x8b", b"SQLite")
        ):
            return "binary"
        following = (line for _, line in self.lines() if line.strip())
        first = next(following, "")
        if not _JSON_BEGINS.match(first):
            return "text"
        try:
            value = json.loads(first)
        except (ValueError, RecursionError):
            return self._document_or_lines()
        if isinstance(value, dict) and next(following, None) is not None:
            return "lines"
        self.__dict__["document"] = value if next(following, None) is None else self._parsed()
        return "document"

    def _document_or_lines(self) -> Layout:
        try:
            self.__dict__["document"] = self._parsed()
            return "document"
        except BadSetting:
            if any(_is_object(line) for line in self.sample[:_LINES_TRIED]):
                return "lines"
            raise

    @cached_property
    def document(self) -> Json:
        """The whole as one JSON value."""
        return self._parsed()

    def _parsed(self) -> Json:
        text = self.text()
        try:
            return json.loads(text)
        except json.JSONDecodeError as cause:
            near = text[max(0, cause.pos - 20) : cause.pos + 20]
            where = f"{self.name} line {cause.lineno} column {cause.colno}"
            raise BadSetting(where, near, f"JSON ({cause.msg})", "file") from cause
        except (ValueError, RecursionError) as cause:
            raise BadSetting(self.name, text[:40], f"JSON that can be read ({cause})", "file") from cause

    def entries(self) -> Iterator[tuple[str, Json]]:
        """The JSON values it holds, each with where it stands: its lines, or the elements of a list, or itself."""
        if self.layout == "lines":
            yield from self._json_lines()
        elif isinstance(self.document, list):
            yield from ((f"[{i}]", value) for i, value in enumerate(self.document))
        else:
            yield "document", self.document

    def _json_lines(self) -> Iterator[tuple[str, Json]]:
        for number, line in self.lines():
            if not line.strip():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as cause:
                self.wrong(f"line {number}", line, f"one JSON object on each line ({cause})")
            else:
                yield f"line {number}", value

    @cached_property
    def example(self) -> Mapping[str, Json]:
        """The first JSON object it holds; empty where there is none."""
        if self.layout == "lines":
            return next((json.loads(line) for line in self.sample if _is_object(line)), {})
        if self.layout != "document":
            return {}
        held = self.document if isinstance(self.document, list) else [self.document]
        return next((value for value in held if isinstance(value, dict)), {})

    def unknown(self, known: Mapping[str, str], hint: str = "") -> UnknownFormat:
        """The error for content that no format reads: what was found, what would work."""
        found = excerpt(self.head[:200].decode("utf-8", "replace").lstrip("\ufeff \t\r\n"))
        listed = "".join(f"\n  {name}: {about}" for name, about in known.items())
        begins = f"begins with {found!r}" if found else "is empty"
        return UnknownFormat(
            f"{self.name} {begins}; {hint or 'no format here reads that'}. Known formats:{listed}"
        )


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def excerpt(text: str, limit: int = 60) -> str:
    """The first characters of a text for an error message: on one line, printable, at most `limit` long."""
    shown = ascii(text[: limit + 1])[1:-1]
    return shown if len(text) <= limit and len(shown) <= limit else shown[: limit - 1] + "…"
