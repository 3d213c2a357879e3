"""Reading JSON files of hundreds of megabytes, plain or compressed, one element at a time."""

from __future__ import annotations

import gzip
import json
import lzma
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from engrams_bench.errors import MalformedData

_SPACE = re.compile(r"[ \t\r\n]*")


def text_of(path: Path) -> str:
    """The file's text; `.gz` and `.xz` are unpacked.

    Raises:
        MalformedData: it is not UTF-8, or the packing is damaged.
    """
    try:
        if path.suffix == ".gz":
            return gzip.decompress(path.read_bytes()).decode()
        if path.suffix == ".xz":
            return lzma.decompress(path.read_bytes()).decode()
        return path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, gzip.BadGzipFile, lzma.LZMAError, EOFError) as cause:
        raise MalformedData(f"{path.name}: {cause}") from cause


def document(path: Path) -> Any:
    """The whole file as one JSON document.

    Raises:
        MalformedData: it is no JSON.
    """
    try:
        return json.loads(text_of(path))
    except json.JSONDecodeError as cause:
        raise MalformedData(f"{path.name}: no JSON: {cause}") from cause


def elements(path: Path) -> Iterator[Any]:
    """The elements of a file that is one JSON list, one after the other: only one of them is held as objects.

    Raises:
        MalformedData: the file is no JSON list.
    """
    text, decoder = text_of(path), json.JSONDecoder()

    def skip(at: int) -> int:
        found = _SPACE.match(text, at)
        return found.end() if found else at

    at = skip(0)
    if text[at : at + 1] != "[":
        raise MalformedData(f"{path.name}: expected a JSON list, found {text[at : at + 20]!r}")
    at = skip(at + 1)
    while text[at : at + 1] != "]":
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as cause:
            raise MalformedData(f"{path.name}: {cause}") from cause
        yield value
        at = skip(at)
        if text[at : at + 1] == ",":
            at = skip(at + 1)
        elif text[at : at + 1] != "]":
            raise MalformedData(f"{path.name}: expected ',' or ']' at character {at}")


def lines(path: Path) -> Iterator[Any]:
    """The JSON values of a file that has one on each line; blank lines are skipped.

    Raises:
        MalformedData: a line is no JSON; names its number.
    """
    with _opened(path) as file:
        number = 0
        try:
            for line in file:
                number += 1
                if line.strip():
                    yield json.loads(line)
        except json.JSONDecodeError as cause:
            raise MalformedData(f"{path.name}, line {number}: no JSON: {cause}") from cause
        except (UnicodeDecodeError, gzip.BadGzipFile, lzma.LZMAError, EOFError) as cause:
            raise MalformedData(f"{path.name}: {cause}") from cause


def _opened(path: Path) -> TextIO:
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8")
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8")
