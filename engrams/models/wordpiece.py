"""WordPiece, uncased: the tokeniser of BERT and of all-MiniLM-L6-v2, in plain Python."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_WORD = 100
"""Characters; a longer word is one unknown piece (BERT's ``max_input_chars_per_word``)."""

CACHED_WORDS = 100_000
"""Distinct words whose pieces are remembered; when full the memory starts afresh."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ASCII = re.compile(r"[a-z0-9]+|[!-/:-@\[-`{-~]")


class WordPiece:
    """Splits text into pieces of a fixed vocabulary, longest match first.

    Source: Wu et al. 2016, section 4.1, with BERT's uncased pre-tokenisation (Devlin et al. 2019,
    ``tokenization.py``): lower case, no accents, punctuation and Han characters stand alone.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        """`vocabulary`: the pieces by id; a piece that continues a word begins with ``##``."""
        self._ids = {piece: number for number, piece in enumerate(vocabulary)}
        self._unknown = self._ids["[UNK]"]
        self._cache: dict[str, tuple[int, ...]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self, text: str) -> list[int]:
        """The piece ids of `text` in order, without ``[CLS]`` and ``[SEP]``."""
        out: list[int] = []
        for word in split(text):
            out.extend(self.word_ids(word))
        return out

    def word_ids(self, word: str) -> tuple[int, ...]:
        """The piece ids of one word as `split` gives it; ``[UNK]`` alone when no pieces fit."""
        found = self._cache.get(word)
        if found is None:
            if len(self._cache) >= CACHED_WORDS:
                self._cache.clear()
            found = self._cache[word] = self._longest_first(word)
        return found

    def _longest_first(self, word: str) -> tuple[int, ...]:
        if len(word) > LONGEST_WORD:
            return (self._unknown,)
        out: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = word[start:end] if start == 0 else "##" + word[start:end]
                number = self._ids.get(piece)
                if number is not None:
                    out.append(number)
                    start = end
                    break
            else:
                return (self._unknown,)
        return tuple(out)


def split(text: str) -> list[str]:
    """BERT's uncased words: lower case, accents removed, punctuation and Han characters alone."""
    lowered = text.lower()
    if lowered.isascii():
        return _ASCII.findall(_CONTROL.sub("", lowered))
    out: list[str] = []
    current: list[str] = []
    for letter in unicodedata.normalize("NFD", lowered):
        category = unicodedata.category(letter)
        if category == "Mn" or (category[0] == "C" and letter not in "\t\n\r") or letter == "\ufffd":
            continue
        if letter.isspace() or category == "Zs":
            alone = False
        elif _stands_alone(letter, category):
            alone = True
        else:
            current.append(letter)
            continue
        if current:
            out.append("".join(current))
            current = []
        if alone:
            out.append(letter)
    if current:
        out.append("".join(current))
    return out


def _stands_alone(letter: str, category: str) -> bool:
    """Punctuation (ASCII symbols count as such) and Han characters, as BERT's tokeniser has it."""
    if category[0] == "P":
        return True
    code = ord(letter)
    if code < 128:
        return not letter.isalnum()
    return (
        0x4E00 <= code <= 0x9FFF
        or 0x3400 <= code <= 0x4DBF
        or 0xF900 <= code <= 0xFAFF
        or 0x20000 <= code <= 0x2A6DF
        or 0x2A700 <= code <= 0x2CEAF
        or 0x2F800 <= code <= 0x2FA1F
    )
