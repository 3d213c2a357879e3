"""Recipes for tests: one whose write chain fails when told to, one with a write chain of its own, one that consolidates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from engrams.ingest.segment import SplitPassages
from engrams.recipe import Recipe
from engrams.recipes.engrams import ENGRAMS
from engrams.recipes.reference import BM25
from engrams.records import Decision, Draft, Engram, derived_id
from engrams.step import Run, Step

TOLD: list[str] = []  # every message that a chain with the step `Told` was given
FAULTS: dict[str, int] = {}  # word: how often a message that holds it still makes the chain fail


@dataclass(frozen=True)
class Fragile(Step[Draft, Draft]):
    """Fails on messages that hold a word of `FAULTS`, as often as it says."""

    def __call__(self, value: Draft, run: Run) -> Draft:
        for event in value.events:
            for word in FAULTS:
                if word in event.content and FAULTS[word] > 0:
                    FAULTS[word] -= 1
                    raise ValueError(f"cannot read {word}")
        return value


@dataclass(frozen=True)
class Shout(Step[Draft, Draft]):
    """One note for each message, in capitals."""

    def __call__(self, value: Draft, run: Run) -> Draft:
        made = tuple(
            Engram(
                id=derived_id(run.recipe, "note", (e.id,)),
                namespace=e.namespace,
                recipe=run.recipe,
                kind="note",
                content=e.content.upper(),
                occurred_at=e.occurred_at,
                recorded_at=e.recorded_at,
                sources=(e.id,),
                role=e.role,
                session=e.session,
                thread=e.thread,
            )
            for e in value.events
        )
        return replace(value, engrams=(*value.engrams, *made))


@dataclass(frozen=True)
class Told(Step[Draft, Draft]):
    """Writes down in `TOLD` what it is given: what a model would have been asked."""

    how: str = "plain"

    def __call__(self, value: Draft, run: Run) -> Draft:
        TOLD.extend(e.content for e in value.events)
        return value


@dataclass(frozen=True)
class ForgetShort(Step[Draft, Draft]):
    """Takes back engrams shorter than so many characters."""

    least: int = 10

    def __call__(self, value: Draft, run: Run) -> Draft:
        short = [e for e in value.engrams if len(e.content) < self.least]
        made = tuple(Decision("INVALIDATE", replace(e, state="superseded"), "too short", 0.9) for e in short)
        return replace(value, decisions=made)


FRAGILE: Recipe = replace(ENGRAMS, name="fragile", writer="fragile", write=Fragile() >> SplitPassages())
SHOUTING: Recipe = replace(BM25, name="shouting", writer="shouting", write=Shout())
TIDY: Recipe = replace(ENGRAMS, name="tidy", consolidate=ForgetShort())


class Ticking:
    """A clock that stands still until it is moved; each look is a microsecond later."""

    def __init__(self, start: str = "2024-03-01") -> None:
        self.at = datetime.fromisoformat(start).replace(tzinfo=UTC)

    def now(self) -> datetime:
        self.at += timedelta(microseconds=1)
        return self.at

    def move(self, **passed: float) -> None:
        self.at += timedelta(**passed)


def faults(**words: int) -> Iterator[None]:
    """For the length of a fixture, these words fail so often."""
    FAULTS.update(words)
    yield
    FAULTS.clear()
