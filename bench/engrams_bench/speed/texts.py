"""Made-up messages for measuring speed: words by Zipf's law, the same from the same seed, ours.

Nothing is found in them and nothing is judged by them; they are as long, and their words as common and as rare, as
those of chats. The commonest words are those of the histories that Engrams ships, so that they meet a real vocabulary
of word pieces; the rare ones are put together from syllables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from engrams_bench.datasets.sample import shipped

WORDS = 40_000
"""Distinct words; a million messages of chats hold some tens of thousands."""
EXPONENT = 1.25
"""How fast words get rare: frequency falls as 1 / rank ** EXPONENT; so ten thousand in 145,000, as in chats."""
SHORTEST, LONGEST = 10, 39
"""Words of a message: a turn of LoCoMo has 25 on average."""
ASKED_WORDS = 4
"""Words of a question that come from a message, besides the two that do not."""
SPEAKERS = ("Anna", "Ben")
TURNS_PER_SESSION = 20
_ONSETS = "b d f g h k l m n p r s t v w br dr fl gr kl pr st tr".split()
_VOWELS = "a e i o u ai ea ou".split()
_CODAS = " n r s l t m nd st".split(" ")


@lru_cache(maxsize=1)
def vocabulary() -> tuple[str, ...]:
    """`WORDS` distinct words, the commonest first."""
    counted: dict[str, int] = {}
    for path in sorted(shipped().glob("demo*.jsonl")):
        for word in re.findall(r"[a-z]{2,}", path.read_text(encoding="utf-8").lower()):
            counted[word] = counted.get(word, 0) + 1
    known = sorted(counted, key=lambda word: (-counted[word], word))
    made = dict.fromkeys(known)
    random = np.random.default_rng(7)
    while len(made) < WORDS:
        syllables = int(random.integers(2, 4))
        made.setdefault("".join(_syllable(random) for _ in range(syllables)))
    return tuple(made)


def _syllable(random: np.random.Generator) -> str:
    return "".join(part[int(random.integers(len(part)))] for part in (_ONSETS, _VOWELS, _CODAS))


def messages(count: int, seed: int = 0) -> Iterator[str]:
    """`count` messages, one after the other."""
    words = np.array(vocabulary(), dtype=object)
    chances = 1.0 / np.arange(1, len(words) + 1) ** EXPONENT
    borders = np.cumsum(chances / chances.sum())
    random = np.random.default_rng(seed)
    left = count
    while left > 0:
        size = min(left, 10_000)
        lengths = random.integers(SHORTEST, LONGEST + 1, size)
        drawn = words[np.minimum(np.searchsorted(borders, random.random(int(lengths.sum()))), len(words) - 1)]
        begin = 0
        for length in lengths:
            yield " ".join(drawn[begin : begin + length])
            begin += length
        left -= size


def questions(texts: list[str], count: int, seed: int = 1) -> list[str]:
    """Questions about some of the messages: words of one, the rarer the likelier, and how people ask."""
    rank = {word: place for place, word in enumerate(vocabulary())}
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        words = list(dict.fromkeys(texts[int(random.integers(len(texts)))].split()))
        weights = np.log1p([rank[word] for word in words]) + 0.1
        chosen = random.choice(
            len(words), min(ASKED_WORDS, len(words)), replace=False, p=weights / weights.sum()
        )
        made.append("What about " + " ".join(words[at] for at in chosen) + "?")
    return made
