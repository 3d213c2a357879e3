"""Vectors kept in a file by content, so that a benchmark embeds a text once, and goes on where it was cut off."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from engrams.models.embedder import resolve_embedder
from engrams_bench.errors import BenchError

#: Texts embedded before they are put into the file: what is lost at most when a run is cut off.
BATCH = 1024
DIGEST_BYTES = 16  # as the embedder's own cache: no two texts of one digest are to be expected
SCHEMA = """
create table if not exists vectors (
    fingerprint text not null, digest blob not null, vector blob not null, primary key (fingerprint, digest)
) without rowid
"""


class KeptVectors:
    """An embedder that takes vectors from a file where they are in it, and puts in what it embeds anew.

    Only inside `bulk()`: outside every text is embedded, so that the price of a search or of a single add is a real one.
    """

    def __init__(self, inner: Any, path: Path) -> None:
        """`inner` embeds, `path` is made where it is not there."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._inner = inner
        self._file = sqlite3.connect(path, timeout=60, check_same_thread=False)
        self._file.execute("pragma journal_mode = wal")
        # A recipe that looks up each fact by itself puts vectors in one by one; a power cut costs the last of them, no more.
        self._file.execute("pragma synchronous = normal")
        self._file.execute(SCHEMA)
        self._bulk = False

    @property
    def fingerprint(self) -> str:
        """The inner embedder's: the vectors are its own."""
        return str(self._inner.fingerprint)

    @property
    def dimensions(self) -> int:
        """The inner embedder's."""
        return int(self._inner.dimensions)

    @contextmanager
    def bulk(self) -> Iterator[None]:
        """While it lasts the file is used."""
        before, self._bulk = self._bulk, True
        try:
            yield
        finally:
            self._bulk = before

    def embed(self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None) -> Any:
        """float32[n, dimensions], rows of unit length; `progress` is told (done, n)."""
        if not self._bulk:
            return self._inner.embed(texts, progress=progress)
        held = {digest: row for text in texts if (row := self._row(digest := _digest(text))) is not None}
        missing = {digest: text for text in texts if (digest := _digest(text)) not in held}
        waiting = list(missing.items())
        for start in range(0, len(waiting), BATCH):
            part = waiting[start : start + BATCH]
            rows = self._inner.embed([text for _, text in part])
            made = {
                digest: np.asarray(row, np.float32).tobytes()
                for (digest, _), row in zip(part, rows, strict=True)
            }
            with self._file:
                self._file.executemany(
                    "insert or ignore into vectors values (?, ?, ?)",
                    [(self.fingerprint, digest, row) for digest, row in made.items()],
                )
            held |= made
            if progress is not None:
                progress(len(texts) - len(waiting) + start + len(part), len(texts))
        rows = np.empty((len(texts), self.dimensions), np.float32)
        for row, text in zip(rows, texts, strict=True):
            row[:] = np.frombuffer(held[_digest(text)], np.float32)
        return rows

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _row(self, digest: bytes) -> bytes | None:
        found = self._file.execute(
            "select vector from vectors where fingerprint = ? and digest = ?", (self.fingerprint, digest)
        ).fetchone()
        return None if found is None else bytes(found[0])


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


@contextmanager
def kept_vectors(embedder: str, path: Path | None) -> Iterator[KeptVectors | None]:
    """The embedder of that name with its vectors in the file `path`; None without a file, or without an embedder.

    Raises:
        BenchError: the file is no file of vectors.
        NeedsExtra, UnknownName: as `Memory.open` with that embedder.
    """
    inner = None if path is None else resolve_embedder(embedder)
    if path is None or inner is None:
        yield None
        return
    try:
        kept = KeptVectors(inner, path)
    except sqlite3.DatabaseError as cause:
        raise BenchError(f"{path}: no file of kept vectors: {cause}") from cause
    try:
        yield kept
    finally:
        kept.close()
