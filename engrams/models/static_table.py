"""The static table: one small vector per word piece, shipped in the package; meaning without a forward pass."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engrams.arithmetic import products
from engrams.errors import StoreError
from engrams.models.wordpiece import WordPiece, split
from engrams.words import STOP_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from engrams.ports import Float32, UInt16

HERE = Path(__file__).parent
TABLE = HERE / "static_table.npy"
VOCABULARY = HERE / "static_table_vocabulary.txt"

TABLE_DIGEST = "9a7fccd2fc4893cf31ddf61894971297b5a5394052ce8c16cc5607b593b9da6f"
VOCABULARY_DIGEST = "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"
"""SHA-256 of the committed files, as `scripts/build_static_table.py` prints them; a test compares."""

SCALE = 127
"""The table holds unit vectors times this, rounded to int8."""

CACHED_WORDS = 100_000
"""Distinct words whose content pieces are remembered; when full the memory starts afresh."""


class StaticTable:
    """Vectors of the word pieces of all-MiniLM-L6-v2: its input embeddings, centred, 64 dimensions, int8.

    `vectors` int8[v, d], rows of length `SCALE`; `vocabulary` the v pieces by id. Safe from several threads.
    """

    def __init__(self, vectors: npt.NDArray[np.int8], vocabulary: Sequence[str]) -> None:
        if len(vectors) != len(vocabulary):
            raise StoreError(
                f"the static table has {len(vectors)} vectors and {len(vocabulary)} pieces; reinstall engrams"
            )
        self._words = WordPiece(vocabulary)
        self._vectors = vectors
        self._wide: Float32 | None = None
        # The pieces asked for last, by identity, and their vectors: at most the table again, 8 MB.
        self._gathered: tuple[object, Float32] = (None, np.empty((0, 0), np.float32))
        self._cache = _ContentPieces(self._words, [_bears_content(piece) for piece in vocabulary])

    def __len__(self) -> int:
        return len(self._vectors)

    def pieces(self, text: str) -> UInt16:
        """Distinct content-bearing piece ids of a text, ascending, uint16[p]; empty where it has none.

        Stop words, punctuation, special and unknown pieces bear no content.
        """
        return np.array(sorted(set().union(*map(self._cache.__getitem__, split(text)))), dtype=np.uint16)

    def count(self, text: str) -> int:
        """How many word pieces a text has, stop words and punctuation included."""
        word_ids = self._words.word_ids
        return sum(len(word_ids(word)) for word in split(text))

    def similarity(self, piece: int) -> Float32:
        """Cosine of one piece with every piece of the vocabulary, negative ones set to 0, float32[v]."""
        found: Float32 = self.similarities((piece,), np.arange(len(self._vectors)))[0]
        return found

    def similarities(self, pieces: Sequence[int], among: npt.NDArray[np.integer]) -> Float32:
        """Cosines of q pieces with the pieces `among`, negative ones 0, float32[q, len(among)]."""
        if self._wide is None:  # two threads may both make it: the same values, one of them kept
            self._wide = self._vectors.astype(np.float32) / np.float32(SCALE)
        wide, (known, of_known) = self._wide, self._gathered
        if known is not among:  # a namespace asks for the same pieces again and again
            of_known = wide[among]
            self._gathered = (among, of_known)
        found = products(of_known, wide[list(pieces)])
        # Piece by piece in memory: who looks up the pieces of a text finds all q numbers of one side by side.
        return np.maximum(found, 0, out=found).T


class _ContentPieces(dict[str, tuple[int, ...]]):
    """Words as `split` gives them and their content-bearing pieces; when full it starts afresh."""

    def __init__(self, words: WordPiece, content: Sequence[bool]) -> None:
        super().__init__()
        self._words, self._content = words, content

    def __missing__(self, word: str) -> tuple[int, ...]:
        if len(self) >= CACHED_WORDS:
            self.clear()
        found = self[word] = tuple(piece for piece in self._words.word_ids(word) if self._content[piece])
        return found


def _bears_content(piece: str) -> bool:
    if len(piece) > 1 and piece.startswith("[") and piece.endswith("]"):  # [CLS], [UNK], [unused7]
        return False
    return piece not in STOP_WORDS and any(letter.isalnum() for letter in piece)


@lru_cache(maxsize=1)
def shipped_table() -> StaticTable:
    """The table of this package, read on first use and shared; the file stays mapped, not copied.

    Raises:
        StoreError: the files are missing or do not fit together.
    """
    try:
        vectors = np.load(TABLE, mmap_mode="r", allow_pickle=False)
        vocabulary = VOCABULARY.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as cause:
        raise StoreError(
            f"the static table of engrams cannot be read ({cause}); reinstall engrams"
        ) from cause
    return StaticTable(vectors, vocabulary)
