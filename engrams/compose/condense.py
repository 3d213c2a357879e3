"""Shortens a passage to the sentences that speak to the question: whole sentences in their order, nothing rewritten."""

from __future__ import annotations

import re
from collections.abc import Callable

from engrams.words import terms

#: Sentence ends of Latin, CJK, Devanagari and Arabic writing, and line breaks.
_SENTENCE = re.compile(r"[^.!?\n。！？।؟]*(?:[.!?。！？।؟]+[\"'”’)\]]*|\n|$)\s*")
#: Stands where sentences were left out.
GAP = " … "


def sentences(text: str) -> list[str]:
    """The sentences of a text with their white space: joined they are the text again."""
    return [s for s in _SENTENCE.findall(text) if s]


def condense(text: str, question: str, budget: int, count: Callable[[str], int]) -> str:
    """The sentences that share most terms with the question, as many as `budget` tokens allow, in their order.

    The first sentence wins ties, so a text that shares nothing with the question keeps its opening. Where not even
    the best sentence fits, it is cut after the last word that does; empty when none does.
    """
    if count(text) <= budget:
        return text
    wanted = set(terms(question))
    pieces = sentences(text)
    shared = [len(wanted & set(terms(p))) for p in pieces]
    kept: set[int] = set()
    spent = 0
    for i in sorted(range(len(pieces)), key=lambda i: (-shared[i], i)):
        cost = count(pieces[i]) + 1  # one for the gap that may stand beside it
        if spent + cost <= budget and pieces[i].strip():
            kept.add(i)
            spent += cost
    if not kept and pieces:
        best = max(range(len(pieces)), key=lambda i: (shared[i], -i))
        return _cut(pieces[best], budget, count)
    out: list[str] = []
    before = -1
    for i in sorted(kept):
        if i != before + 1:
            out.append(GAP.strip() + " " if not out else GAP)
        out.append(pieces[i].strip() if i + 1 not in kept else pieces[i])
        before = i
    if kept and before != len(pieces) - 1:
        out.append(GAP.rstrip())
    return "".join(out)


def _cut(sentence: str, budget: int, count: Callable[[str], int]) -> str:
    """The first words of a sentence that fit with the gap behind them (letters, where nothing parts the words)."""
    parts = re.findall(r"\S+\s*", sentence)
    if len(parts) == 1:
        parts = list(parts[0])
    low, high = 0, len(parts)
    while low < high:  # the longest beginning that fits
        middle = (low + high + 1) // 2
        if count("".join(parts[:middle]).rstrip() + GAP.rstrip()) <= budget:
            low = middle
        else:
            high = middle - 1
    return "".join(parts[:low]).rstrip() + GAP.rstrip() if low else ""
