"""Sums a text up by its own sentences: those nearest to the middle of all."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from engrams.organise.facts import sentences
from engrams.words import STOP_WORDS, terms


def central_sentences(texts: Sequence[str], most: int) -> list[str]:
    """The sentences that have most in common with all others, at most `most`, in their order; repeats count once.

    Each sentence is a vector of its terms, weighted by count and rarity among the sentences; it scores the cosine with their
    sum. Questions are left out where anything else is said.

    Source: centroid-based summarisation, Radev et al. 2004, without its redundancy penalty.
    """
    said = list(dict.fromkeys(s.strip() for text in texts for s in sentences(text) if s.strip()))
    told = [s for s in said if not s.endswith(("?", "？"))] or said
    counts = [Counter(t for t in terms(s) if t not in STOP_WORDS) for s in told]
    held = Counter(term for found in counts for term in found)
    rare = {term: math.log(1 + len(told) / n) for term, n in held.items()}
    vectors = [{term: n * rare[term] for term, n in found.items()} for found in counts]
    middle: Counter[str] = Counter()
    for vector in vectors:
        middle.update(vector)
    scores = [_cosine(vector, middle) for vector in vectors]
    best = sorted(range(len(told)), key=lambda i: (-scores[i], i))[:most]
    return [told[i] for i in sorted(best)]


def _cosine(one: dict[str, float], other: Counter[str]) -> float:
    size = math.sqrt(sum(v * v for v in one.values())) * math.sqrt(sum(v * v for v in other.values()))
    return sum(v * other[term] for term, v in one.items()) / size if size else 0.0
