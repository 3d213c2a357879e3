"""The clock, tokenizers, the static token table and embedders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt

from engrams.ports.arrays import Float32, UInt16


class Clock(Protocol):
    """Tells the time; tests stop it."""

    def now(self) -> datetime:
        """The present, aware, UTC."""
        ...


class Tokenizer(Protocol):
    """Counts what a text costs a language model. `estimated`: whether the count is not the reader's own."""

    @property
    def estimated(self) -> bool: ...

    def count(self, text: str) -> int:
        """How many tokens the text takes, 0 or more."""
        ...


class TokenTable(Protocol):
    """A static table of word-piece vectors: meaning without a forward pass."""

    def pieces(self, text: str) -> UInt16:
        """Distinct content-bearing piece ids of a text, ascending, uint16[p]; may be empty."""
        ...

    def similarity(self, piece: int) -> Float32:
        """Cosine of one piece with every piece of the vocabulary, negative ones set to 0, float32[v]."""
        ...

    def similarities(self, pieces: Sequence[int], among: npt.NDArray[np.integer]) -> Float32:
        """`similarity` of q pieces at once with the pieces `among` only, float32[q, len(among)]."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors of unit length."""

    @property
    def fingerprint(self) -> str:
        """Names model, weights and preparation: vectors of different fingerprints are never compared."""
        ...

    @property
    def dimensions(self) -> int: ...

    def embed(self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None) -> Float32:
        """float32[n, dimensions], rows of unit length."""
        ...
