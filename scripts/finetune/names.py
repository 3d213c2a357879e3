"""People's names in training texts: put in, taken out and exchanged, so that a name tells nothing about the answer."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping

#: Ours, from many places; none is special.
NAMES = (
    *(
        "Aisha",
        "Amara",
        "Anselm",
        "Arturo",
        "Beatriz",
        "Bogdan",
        "Camille",
        "Chidi",
        "Dagny",
        "Dmitri",
        "Elif",
    ),
    *(
        "Emeka",
        "Fatima",
        "Felix",
        "Greta",
        "Hamid",
        "Hana",
        "Ingrid",
        "Ismail",
        "Jorge",
        "Kaito",
        "Kavya",
        "Lars",
    ),
    *(
        "Leila",
        "Lucia",
        "Malik",
        "Marta",
        "Mikael",
        "Nadia",
        "Nikhil",
        "Noor",
        "Olga",
        "Oskar",
        "Paloma",
        "Pieter",
    ),
    *(
        "Priya",
        "Quentin",
        "Rahul",
        "Rosa",
        "Samir",
        "Sanna",
        "Tariq",
        "Thandi",
        "Ulrike",
        "Viktor",
        "Wanjiru",
    ),
    *("Ximena", "Yara", "Yusuf", "Zofia"),
)

# "do I have" asks in the plural form; about somebody it is "does Anna have".
_VERBS = {
    "do": "does",
    "have": "has",
    "am": "is",
    "was": "was",
    "were": "was",
    "don't": "doesn't",
    "haven't": "hasn't",
}
_OWN = {
    "my": "{}'s",
    "mine": "{}'s",
    "me": "{}",
    "myself": "{}",
    "i'm": "{} is",
    "i've": "{} has",
    "i'd": "{} would",
}
_AUXILIARY = re.compile(r"\b(do|have|am|was|were|don't|haven't)\s+i\b(?!')", re.IGNORECASE)
_AFTER = re.compile(r"\bi\s+(do|have|am|was|were|don't|haven't)\b", re.IGNORECASE)
_FIRST = re.compile(r"\b(i'm|i've|i'd|myself|mine|my|me|i)\b", re.IGNORECASE)


def told_of(question: str, name: str) -> str:
    """A question somebody asks about themselves, asked about `name` by somebody else.

    >>> told_of("How long have I owned my bike?", "Rosa")
    "How long has Rosa owned Rosa's bike?"
    """
    text = question.replace("’", "'")
    text = _AUXILIARY.sub(lambda found: f"{_like(found[1], _VERBS[found[1].lower()])} {name}", text)
    text = _AFTER.sub(lambda found: f"{name} {_VERBS[found[1].lower()]}", text)
    return _FIRST.sub(lambda found: _OWN.get(found[1].lower(), "{}").format(name), text)


def without(text: str, name: str) -> str:
    """The text with `name` (and its possessive) left out.

    >>> without("How long has Rosa owned Rosa's bike?", "Rosa")
    'How long has owned bike?'
    """
    return " ".join(re.sub(rf"\b{re.escape(name)}(?:'s|’s)?(?!\w)", " ", text).split())


def exchanged(text: str, others: Mapping[str, str]) -> str:
    """The text with each name of `others`, as a whole word, replaced by its partner, all at once.

    >>> exchanged("Anna met Ben. Anna's dog", {"Anna": "Ben", "Ben": "Olga"})
    "Ben met Olga. Ben's dog"
    """
    if not others:
        return text
    known = re.compile(
        r"\b(" + "|".join(re.escape(name) for name in sorted(others, key=len, reverse=True)) + r")\b"
    )
    return known.sub(lambda found: others[found[1]], text)


def exchange(draw: random.Random, present: tuple[str, ...]) -> dict[str, str]:
    """New names for those that are present, each another one, none of them its own."""
    fresh = [name for name in NAMES if name not in present]
    return dict(zip(present, draw.sample(fresh, len(present)), strict=True))


def mentioned(*texts: str) -> tuple[str, ...]:
    """Which of `NAMES` stand in the texts as whole words, in their order there."""
    words = {word for text in texts for word in re.findall(r"\b[A-Z]\w+\b", text)}
    return tuple(name for name in NAMES if name in words)


def said_by(name: str, text: str) -> str:
    """A turn as the index holds it, behind the name of who said it."""
    return f"{name}: {text}"


def _like(written: str, word: str) -> str:
    return word.capitalize() if written[0].isupper() else word
