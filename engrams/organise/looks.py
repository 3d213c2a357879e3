"""What a trained policy sees of a statement: a few numbers that hold in any conversation."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache

from engrams.organise.facts import read_fact
from engrams.words import STOP_WORDS, words

#: Words at which the length counts 1: a long sentence of talk.
LONG = 30
#: Texts whose looks are kept: one statement is weighed several times, against each thing that could be done with it.
REMEMBERED = 4_096
#: By which words somebody speaks of oneself, in the languages of the samples.
SELF = frozenset("i me my mine we us our ours 我 我们 我的".split())
#: A capital inside a sentence, but for "I" alone: most often a name.
_NAME = re.compile(r"(?<=[^.!?\s] )(?!I\b)[A-Z]\w")
_DIGIT = re.compile(r"\d")

LOOKS = ("any", "length", "content", "number", "name", "self", "fact", "assistant", "known")
"""The names: 1 for anything; the length in words on a logarithmic scale, 1 at `LONG`; the share of words with content; whether a
digit, a name, oneself is in it; whether a rule reads a lasting fact in it; whether an assistant said it; how near the nearest that
stands is (a cosine, or a share of words)."""


def looks(text: str, role: str, known: float) -> dict[str, float]:
    """The numbers of a statement of a role, `known` (-1..1) being how near what stands is to it."""
    return {**_alone(text), "assistant": float(role == "assistant"), "known": known}


def words_shared(text: str, others: Sequence[str]) -> float:
    """The largest share (0..1) of a text's content words that one other text holds; 0 without content or others."""
    own = _content(text)
    return max((len(own & _content(other)) / len(own) for other in others), default=0.0) if own else 0.0


@lru_cache(maxsize=REMEMBERED)
def _alone(text: str) -> dict[str, float]:
    said = words(text)
    return {
        "any": 1.0,
        "length": math.log1p(len(said)) / math.log1p(LONG),
        "content": sum(w not in STOP_WORDS for w in said) / max(len(said), 1),
        "number": float(_DIGIT.search(text) is not None),
        "name": float(_NAME.search(text) is not None),
        "self": float(not SELF.isdisjoint(said)),
        "fact": float(read_fact(text.strip().rstrip(".!…")) is not None),
    }


@lru_cache(maxsize=REMEMBERED)
def _content(text: str) -> frozenset[str]:
    return frozenset(w for w in words(text) if w not in STOP_WORDS)
