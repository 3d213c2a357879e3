"""A closed world: who has what, asked in three ways, and text that speaks of something else. Made from a seed, by us."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

Fact = tuple[int, int]  # a name and an attribute, by number

SPECIAL = ("<pad>", "<s>", "<unk>")
NAMES = tuple(
    "anna boris clara david elena felix greta henry irene jakob karin lukas maria nils olga peter "
    "quinn rosa simon tilda ulla victor wanda xaver yara zeno alma bruno carla dario edda fabio "
    "gina hugo ines jonas kira leon mona noah otto paula rita sven tara udo vera willi "
    "xenia yuri zara arno berta cyril dora emil flora georg hanna igor jutta kai lena max".split()
)
ATTRIBUTES = tuple("city job pet colour food sport drink plant".split())
VALUES = tuple(
    "porto turin oslo baker pilot nurse mason otter robin tiger zebra amber coral ivory khaki olive "
    "pasta curry bread salad chess tennis rowing skiing cocoa coffee water lemonade fern ivy rose tulip".split()
)
#: Each way to ask, N the name and A the attribute. The first two are written; the last is only asked.
WAYS = ("tell N A is", "A of N is", "N whose A is")
WRITTEN = 2
ASKING = tuple(sorted({word for way in WAYS for word in way.split()} - {"N", "A"}))
#: Words of the text that speaks of something else.
ELSEWHERE = tuple(
    "rain wind snow cloud storm sun river lake hill field road bridge falls blows melts drifts ends "
    "rises flows freezes grows lies turns stands".split()
)
WORDS = (*SPECIAL, *NAMES, *ATTRIBUTES, *VALUES, *ASKING, *ELSEWHERE)
BEGIN = WORDS.index("<s>")
KNOWN = 256  # facts the base model holds
SESSIONS, IN_SESSION = 3, 32
#: The share of a session that says something else than the base model holds.
EDITED = 0.25
FOLLOWERS = 2  # words that may follow a word in the text about something else
LINES, LINE = 256, 8  # of that text


@dataclass(frozen=True)
class World:
    """What a seed makes of it: `base` facts that the model holds, `sessions` told later, and `lines` of other text."""

    seed: int
    base: Mapping[Fact, int]
    sessions: tuple[Mapping[Fact, int], ...]
    lines: tuple[tuple[int, ...], ...]
    unseen: tuple[tuple[int, ...], ...]

    @cached_property
    def edited(self) -> frozenset[Fact]:
        """The facts of the base model that a session changes."""
        return frozenset(fact for told in self.sessions for fact in told if fact in self.base)

    @cached_property
    def kept(self) -> Mapping[Fact, int]:
        """The facts of the base model that nobody changes: they have to survive."""
        return {fact: value for fact, value in self.base.items() if fact not in self.edited}


def ids(text: str) -> tuple[int, ...]:
    """The token ids of words; a word that is none of ours is `<unk>`."""
    return tuple(WORDS.index(word) if word in WORDS else WORDS.index("<unk>") for word in text.split())


def asked(fact: Fact, way: int) -> tuple[int, ...]:
    """The token ids that ask for a fact."""
    words = {"N": NAMES[fact[0]], "A": ATTRIBUTES[fact[1]]}
    return (BEGIN, *ids(" ".join(words.get(word, word) for word in WAYS[way].split())))


def answer(value: int) -> tuple[int, ...]:
    """The token ids of a value."""
    return ids(VALUES[value])


def build(seed: int, sessions: int = SESSIONS, in_session: int = IN_SESSION) -> World:
    """A world. Values are drawn evenly, so that guessing is right once in 32 times."""
    draw = random.Random(seed)
    facts = [(name, kind) for name in range(len(NAMES)) for kind in range(len(ATTRIBUTES))]
    draw.shuffle(facts)
    base = {fact: draw.randrange(len(VALUES)) for fact in facts[:KNOWN]}
    changed = iter(draw.sample(facts[:KNOWN], sessions * in_session))
    fresh = iter(facts[KNOWN:])
    edits = round(in_session * EDITED)
    told = []
    for _ in range(sessions):
        session = {next(fresh): draw.randrange(len(VALUES)) for _ in range(in_session - edits)}
        for fact in (next(changed) for _ in range(edits)):
            session[fact] = (base[fact] + draw.randrange(1, len(VALUES))) % len(VALUES)
        told.append(session)
    after = {word: draw.sample(range(len(ELSEWHERE)), FOLLOWERS) for word in range(len(ELSEWHERE))}
    lines = [_line(draw, after) for _ in range(2 * LINES)]
    return World(seed, base, tuple(told), tuple(lines[:LINES]), tuple(lines[LINES:]))


def _line(draw: random.Random, after: Mapping[int, Sequence[int]]) -> tuple[int, ...]:
    first = WORDS.index(ELSEWHERE[0])
    word, line = draw.randrange(len(ELSEWHERE)), [BEGIN]
    for _ in range(LINE):
        line.append(first + word)
        word = draw.choice(after[word])
    return tuple(line)
