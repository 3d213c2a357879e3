"""A world as lessons, sessions and a reserve."""

from __future__ import annotations

from engrams.weights.lessons import Lesson, Reserve, Session
from engrams_bench.parametric.world import WAYS, WRITTEN, Fact, World, answer, asked

REPLAYED = 64  # facts of the base that methods may train on again; the others are only measured


def lesson(fact: Fact, value: int) -> Lesson:
    """A fact as it is taught: two ways to ask are written, the third is kept back."""
    prompts = [asked(fact, way) for way in range(len(WAYS))]
    return Lesson(
        tuple(prompts[:WRITTEN]), answer(value), tuple(prompts[WRITTEN:]), f"fact-{fact[0]}-{fact[1]}"
    )


def sessions(world: World) -> tuple[Session, ...]:
    """What is told, session after session."""
    return tuple(
        Session(f"session-{number}", tuple(lesson(fact, value) for fact, value in told.items()))
        for number, told in enumerate(world.sessions, 1)
    )


def reserve(world: World) -> Reserve:
    """What nobody changes: some of it may be replayed, the rest is held back to judge by."""
    kept = [lesson(fact, value) for fact, value in world.kept.items()]
    half = len(world.unseen) // 2
    return Reserve(tuple(kept[:REPLAYED]), tuple(kept[REPLAYED:]), world.unseen[:half], world.unseen[half:])
