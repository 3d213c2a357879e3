"""Arrays on disk, beside the store: derived, checked against it whenever they are read, and made anew where they do not fit.

A file is a line of JSON that says what lies where, then the arrays as they are, so that it is mapped into memory and
shared by processes. It holds what the arrays hold: numbers, hashes and names of speakers. A store that erases removes
the folder; an index that learns of an erase removes its own file.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engrams.records import Json

#: What a file begins with; another format has another number.
MAGIC = b"engrams index 1\n"
#: Arrays begin at multiples of so many bytes: a line of the processor's cache.
ALIGNED = 64
#: Readable by its owner alone, as the database is.
FOLDER_MODE, FILE_MODE = 0o700, 0o600

Held = Mapping[str, npt.NDArray[Any]]


class KeptFile:
    """The file of one set of arrays, named by what they are of; it may be there or not."""

    def __init__(self, folder: Path, key: Sequence[Json]) -> None:
        name = hashlib.sha256(json.dumps(list(key)).encode()).hexdigest()[:32]
        self._path = folder / name

    def read(self) -> tuple[Held, Json] | None:
        """Arrays and what was told of them; None where there is no file, or one that is damaged or of another format."""
        try:
            with self._path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):  # not there, not readable, or empty
            return None
        begin = len(MAGIC) + 8
        if len(mapped) < begin or mapped[: len(MAGIC)] != MAGIC:
            return None
        checked = zlib.crc32(memoryview(mapped)[begin:])
        if checked != int.from_bytes(mapped[len(MAGIC) : begin], "little"):
            return None
        end = mapped.find(b"\n", begin)
        told = json.loads(mapped[begin:end])
        first = _aligned(end + 1)
        held = {
            name: np.frombuffer(mapped, np.dtype(kind), count, first + at) if count else np.empty(0, kind)
            for name, (kind, count, at) in told["arrays"].items()
        }
        return held, told["told"]

    def write(self, held: Held, told: Json) -> None:
        """Keeps arrays and what is told of them; where they cannot be kept, nothing is there, and nothing is lost."""
        with suppress(
            OSError
        ):  # no room, or open for reading only: the next process makes the arrays from the store
            self._write(held, told)

    def drop(self) -> None:
        """Removes the file."""
        with suppress(FileNotFoundError):
            self._path.unlink()

    def _write(self, held: Held, told: Json) -> None:
        places, at = {}, 0
        for name, array in held.items():
            places[name] = (array.dtype.str, len(array), at)
            at = _aligned(at + array.nbytes)
        head = json.dumps({"arrays": places, "told": told}).encode() + b"\n"
        begin = len(MAGIC) + 8
        head += b" " * (_aligned(begin + len(head)) - begin - len(head))
        self._path.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
        unfinished = self._path.with_name(f"{self._path.name}.{os.getpid()}.part")
        try:
            unfinished.touch(mode=FILE_MODE)
            with unfinished.open("wb") as file:
                checked = zlib.crc32(head)
                file.write(MAGIC + bytes(8) + head)
                for array in held.values():
                    part = np.ascontiguousarray(array).data.cast("B") if len(array) else b""
                    padding = bytes(_aligned(array.nbytes) - array.nbytes)
                    file.write(part)
                    file.write(padding)
                    checked = zlib.crc32(padding, zlib.crc32(part, checked))
                file.seek(len(MAGIC))
                file.write(checked.to_bytes(8, "little"))
            # Not forced to the disk: what a power cut leaves half written does not pass the check.
            unfinished.replace(self._path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


def _aligned(at: int) -> int:
    return -(-at // ALIGNED) * ALIGNED
