"""The places in recipes where a policy decides what is kept, and policies that are no learnt ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from engrams import Recipe
from engrams.recipes.mem_alpha import FILER, MEM_ALPHA
from engrams.recipes.memory_r1 import MANAGER, MEMORY_R1
from engrams_bench.errors import BenchError

FIELD = "write.Decide.policy"


@dataclass(frozen=True, slots=True)
class About:
    """What a decision is about: a statement of one turn; `other`: turns and text of the memory it would change. While a conversation
    is written the ids are those of events."""

    turn: str
    text: str
    other: tuple[tuple[str, ...], str] | None = None


@dataclass(frozen=True)
class Seam:
    """A recipe in its form without a model, whose policy is learnt.

    `linear` holds the features. `group`: the argument whose values are decided each by itself; without one a loop takes one
    decision. `about` says of what loop and action speak. `kinds` are the kinds of memories that are written. `keeps`: whether
    what is kept is what a policy does, not what it leaves.
    """

    recipe: Recipe
    linear: Any
    kinds: tuple[str, ...]
    about: Callable[[Any, Any], About]
    group: str = ""
    keeps: bool = False

    def with_policy(self, policy: object) -> Recipe:
        """The recipe with another policy, without a model."""
        return self.recipe.replace(FIELD, policy).without_models()

    def with_weights(self, weights: Mapping[str, float]) -> Any:
        """The learnt policy."""
        return type(self.linear)(self.linear.features, tuple(sorted(weights.items())))


def _of_fact(value: Any, action: Any) -> About:
    case = value.case
    fact, at = case.facts[0], int(action.arguments.get("memory") or 0)
    old = case.old[at - 1] if at else None
    return About(
        fact.sources[0], fact.content, None if old is None else (tuple(old.sources), str(old.content))
    )


def _of_statement(value: Any, action: Any) -> About:
    given = action.arguments
    return About(value.events[int(given["message"]) - 1].id, str(given["content"]))


SEAMS: Mapping[str, Seam] = MappingProxyType(
    {
        seam.recipe.name: seam
        for seam in (
            Seam(MEMORY_R1, MANAGER.trained, ("fact",), _of_fact),
            # Ranked by words however little there is, so that what is found depends on what was kept.
            Seam(
                MEM_ALPHA.replace("read.WhileItFits.tokens", 0),
                FILER.trained,
                ("semantic", "episodic"),
                _of_statement,
                group="content",
                keeps=True,
            ),
        )
    }
)


def seam_of(name: str) -> Seam:
    """The seam of a recipe.

    Raises:
        BenchError: that recipe has none.
    """
    if name not in SEAMS:
        raise BenchError(f"{name}: no recipe whose policy is learnt here; there are {', '.join(SEAMS)}")
    return SEAMS[name]


class Everything:
    """Keeps every statement."""

    def __init__(self, seam: Seam) -> None:
        self._keeps = seam.keeps

    def scores(self, value: Any, done: Sequence[Any], actions: Sequence[Any], run: Any) -> list[float]:
        """What keeps is above leaving, all else is below."""
        return [0.0, *[1.0 if self._keeps else -1.0] * (len(actions) - 1)]


class AtRandom:
    """Keeps each statement with the chance `share`, drawn from its text and a seed."""

    def __init__(self, seam: Seam, share: float, seed: int) -> None:
        self._seam, self._share, self._seed = seam, share, seed

    def scores(self, value: Any, done: Sequence[Any], actions: Sequence[Any], run: Any) -> list[float]:
        """Keeps or leaves."""
        return [0.0, *(1.0 if self._does(value, action) else -1.0 for action in actions[1:])]

    def _does(self, value: Any, action: Any) -> bool:
        about = self._seam.about(value, action)
        kept = random.Random(f"{self._seed} {about.text}").random() < self._share
        return kept if self._seam.keeps else action.tool == "NOOP" and not kept
