"""Joins that are no line: a choice, several at once, one per item, a condition. Each is a step that holds steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from engrams.errors import EngramsError
from engrams.step import In, Out, Run, Step

Part = TypeVar("Part")
Made = TypeVar("Made")


class NothingFound(EngramsError):
    """What a step inside `OrElse(first=…)` raises to say: not me, take the backup."""


@dataclass(frozen=True)
class OrElse(Step[In, Out]):
    """Runs `first`; when a step in it says `NothingFound`, runs `backup` on the same value. No other error is caught."""

    first: Step[In, Out]
    backup: Step[In, Out]

    def __call__(self, value: In, run: Run) -> Out:
        try:
            return self.first(value, run)
        except NothingFound:
            return self.backup(value, run)


@dataclass(frozen=True)
class Fuse(Step[In, Out], Generic[In, Part, Out]):
    """Runs every branch on the same value and hands the tuple of what they gave to `join`."""

    branches: tuple[Step[In, Part], ...]
    join: Step[tuple[Part, ...], Out]

    def __call__(self, value: In, run: Run) -> Out:
        return self.join(tuple(branch(value, run) for branch in self.branches), run)


@dataclass(frozen=True)
class ForEach(Step[tuple[Part, ...], tuple[Made, ...]], Generic[Part, Made]):
    """Runs `step` on every item, in order."""

    step: Step[Part, Made]

    def __call__(self, value: tuple[Part, ...], run: Run) -> tuple[Made, ...]:
        return tuple(self.step(item, run) for item in value)


@dataclass(frozen=True)
class When(Step[Part, Part], Generic[Part]):
    """Runs `step` where `test` (a pure function of value and run) holds; else the value passes unchanged."""

    test: Callable[[Part, Run], bool]
    step: Step[Part, Part]

    def __call__(self, value: Part, run: Run) -> Part:
        return self.step(value, run) if self.test(value, run) else value


@dataclass(frozen=True)
class Composing(Step[Part, Part], Generic[Part]):
    """Runs `step` only where a context is composed: a search, which ranks alone, stops before it."""

    composes: ClassVar[bool] = True

    step: Step[Part, Part]

    def __call__(self, value: Part, run: Run) -> Part:
        return self.step(value, run)
