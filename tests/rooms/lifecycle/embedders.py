"""Embedders for tests: worked out by hand, and counted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt


class Letters:
    """A vector says which of a few words a text has, one dimension each; a text with none of them is all 0.5."""

    def __init__(
        self, fingerprint: str = "letters", words: Sequence[str] = ("dog", "cat", "sea", "ice")
    ) -> None:
        self.fingerprint = fingerprint
        self.words = tuple(words)
        self.seen: list[str] = []
        self.fails_after: int | None = None

    @property
    def dimensions(self) -> int:
        return len(self.words)

    def embed(
        self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None
    ) -> npt.NDArray[np.float32]:
        if self.fails_after is not None and len(self.seen) + len(texts) > self.fails_after:
            raise KeyboardInterrupt
        self.seen += texts
        rows = np.array([[float(w in t.lower()) for w in self.words] for t in texts], np.float32)
        rows = rows.reshape(len(texts), len(self.words))
        rows[~rows.any(axis=1)] = 0.5
        if progress is not None:
            progress(len(texts), len(texts))
        made: npt.NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return made
