"""Names: what a passage speaks of, found without a model."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.records import Draft, Engram
from engrams.step import Run, Step
from engrams.words import STOP_WORDS

_UPPER = (
    "A-ZÀ-ÖØ-ÞĀĂĄĆĈĊČĎĐĒĔĖĘĚĜĞĠĢĤĦĨĪĬĮİĲĴĶĹĻĽĿŁŃŅŇŊŌŎŐŒŔŖŘŚŜŞŠŢŤŦŨŪŬŮŰŲŴŶŸŹŻŽ"
    "ΆΈ-ΏΑ-Ϋ"  # Greek
    "Ѐ-Я"  # Cyrillic
    "Ա-Ֆ"  # Armenian
)
_WORD = rf"(?:[{_UPPER}]\.(?=[ {_UPPER}])|[{_UPPER}][\w'’&-]*)"
_JOINED = r"(?:of|the|de|da|di|du|del|des|van|von|der|la|le|al|el|ibn|bin|and|for|in|on|&)"
_SPAN = re.compile(rf"\b{_WORD}(?: (?:{_JOINED} ){{0,2}}(?:{_WORD}|\d{{1,4}}\b))*")
"""A word that begins with a capital, and those that follow; short words may join them ("Battle of the Bulge")."""

_PARTS = re.compile(rf"\s+(?:{_JOINED}\s+)+")
_BRACKETS = re.compile(r"\s*\([^)]*\)")
_EDGES = " .,;:'’-&"
_POSSESSIVE = re.compile(r"['’]s?$")

_NO_NAMES = STOP_WORDS | frozenset(
    """
    also although among another around because both despite during each even every first following further he here however
    in instead its later like most new other our several she since some still such their these they though through thus
    today tomorrow tonight together two under until upon when where whether while within without yesterday yet yes
    no ok okay well oh hi hey thanks please january february march april may june july august september october november
    december monday tuesday wednesday thursday friday saturday sunday
    """.split()
)
"""Capitalised for standing first in a sentence, or naming a time: they join passages that have nothing in common."""

_ANSWERING = frozenset({"assistant", "system", "tool"})
"""Roles that only a dialogue has."""

LONGEST = 80
"""Longer spans, in characters, are headlines or shouting."""


def names_in(text: str) -> tuple[str, ...]:
    """What a text speaks of by name, each once, as it is written: spans of capitalised words, without a model.

    A first line of at most `LONGEST` characters above others is a title, and names the whole. Of a name joined of several
    ("University of Bern") the parts count besides. Scripts without capitals give none.
    """
    found: dict[str, str] = {}
    first, _, rest = text.partition("\n")
    if rest.strip() and 0 < len(first.strip()) <= LONGEST:
        for name in (first, _BRACKETS.sub("", first)):
            _keep(found, name)
    for match in _SPAN.finditer(text):
        span = _trimmed(match.group())
        if len(span) > LONGEST:
            continue
        _keep(found, span)
        parts = _PARTS.split(span)
        if len(parts) > 1:
            for part in parts:
                _keep(found, _trimmed(part))
    return tuple(found.values())


def _trimmed(span: str) -> str:
    words = [_POSSESSIVE.sub("", word.strip(_EDGES)) for word in span.split()]
    while words and words[0].lower() in _NO_NAMES:
        words = words[1:]
    while words and words[-1].lower() in _NO_NAMES:
        words = words[:-1]
    return " ".join(word for word in words if word)


def _keep(found: dict[str, str], name: str) -> None:
    name = " ".join(name.split()).strip(_EDGES)
    key = name.lower()
    if len(key) > 2 and key not in _NO_NAMES and not key.isdigit():
        found.setdefault(key, name)


@dataclass(frozen=True)
class NameEntities(Step[Draft, Draft]):
    """Notes what each active engram of a draft speaks of by name (see `names_in`), at most `most` (>= 1) names each.

    Engrams that speak of the same are neighbours in the graph that `GraphScores` walks. Turns of a dialogue (said by
    somebody named, or by an assistant) are left out: there nobody walks. About 80 microseconds and 50 bytes for a
    passage of 500 characters; a name is kept as a hash alone.

    Source: the passage-entity graph of HippoRAG (Gutiérrez et al. 2024), section 2.3, with capitals in place of a
    language model's entities: both find as much of MuSiQue's evidence among the first five.
    """

    annotates: ClassVar[bool] = True

    most: int = 64

    def __post_init__(self) -> None:
        if self.most < 1:
            raise BadSetting("NameEntities.most", self.most, "a number of names, at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the names."""
        made = {e.id: names_in(e.content)[: self.most] for e in value.engrams if _stands_alone(e)}
        return replace(value, names={**value.names, **made})


def _stands_alone(engram: Engram) -> bool:
    return engram.state == "active" and engram.speaker is None and engram.role not in _ANSWERING
