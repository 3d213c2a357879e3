"""The same conversation answers the same each time it is written, though its memories get other ids each time."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from engrams import Memory
from engrams.lifecycle import writing
from engrams.recipes.catalogue import CATALOGUE
from engrams.records import EventId
from tests.papers.talks import START, Drawn, Standing

#: What somebody tells on one day after another; much of it about the same things, so that memories are linked, alike and equal.
TOLD = (
    "I bought a kiln.",
    "The kiln stands in the shed.",
    "The kiln takes an hour to warm up.",
    "I like the kiln.",
    "Ruth came by and saw the kiln.",
    "Ruth wants a bowl.",
    "I made a bowl for Ruth.",
    "I made a bowl for Tom.",
    "Tom likes blue.",
    "My train to Leeds was late.",
    "Ruth met me in Leeds.",
    "I moved to Leeds.",
    "I live near Ruth now.",
    "The kiln moved to Leeds with me.",
    "Tom drove the van.",
    "I sold the kiln to Tom.",
    "I like to throw bowls.",
    "Tom fires bowls in the kiln.",
    "Ruth painted a bowl blue.",
    "I bought a new kiln.",
    "The new kiln stands in Leeds.",
    "Ruth and Tom like the new kiln.",
    "Ruth bought a van.",
    "The van is blue.",
    "The bowl of Ruth broke on the train.",
)
#: Few directions for many words, so that much is equally alike.
WORDS = {
    "kiln": (1, 0, 0, 0),
    "bowl": (0.8, 0.6, 0, 0),
    "ruth": (0, 1, 0, 0),
    "tom": (0, 0.8, 0.6, 0),
    "leeds": (0, 0, 1, 0),
    "van": (0, 0, 0.6, 0.8),
}
ASKED = ("Where does the kiln stand?", "Who likes blue?", "What did Ruth paint?", "Where do I live?")


def answers(recipe: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What a new memory says to each question, hits with their scores and the context; its events have ids of that seed, in order."""
    count = itertools.count()
    monkeypatch.setattr(
        writing, "new_event_id", lambda: EventId(f"018f0000-0000-7000-8{seed:03x}-{next(count):012x}")
    )
    said: list[object] = []
    with Memory.open(
        ":memory:", recipe, models="none", embedder=Drawn(WORDS, dimensions=4), clock=Standing()
    ) as memory:
        for number, text in enumerate(TOLD):
            message = {"role": "user", "name": "Ines" if number % 3 else "Omar", "content": text}
            memory.add([message], session=f"s{number // 8}", occurred_at=START + timedelta(days=number // 4))
        memory.work()
        if memory.recipe.consolidate is not None:
            memory.consolidate()
        for question in ASKED:
            hits = memory.search(question, k=10)
            said += [[(h.content, h.score) for h in hits], memory.context(question, budget=80).text]
    return said


@pytest.mark.parametrize("recipe", CATALOGUE)
def test_a_conversation_that_is_written_again_answers_the_same(
    recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert answers(recipe, 0, monkeypatch) == answers(recipe, 1, monkeypatch)
