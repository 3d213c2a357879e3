"""What answers hold, where it is more than one record of `Memory`: lists under a name, so that more can stand beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from engrams.records import Engram, Event, Hit, Job, Page, Problem, Revision


def gives(call: str) -> Any:
    """The type of what a call of `Memory` returns, for the OpenAPI."""
    from engrams.memory import Memory

    return get_type_hints(getattr(Memory, call))["return"]


@dataclass(frozen=True, slots=True)
class Hits:
    """What a search found, best first."""

    hits: list[Hit]


@dataclass(frozen=True, slots=True)
class Memories:
    """One page of what is remembered; `next`: the cursor of the following page, null at the end."""

    items: list[Engram]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Journal:
    """One page of the journal; `next`: the cursor of the following page, null at the end."""

    items: list[Event]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class AuditPage:
    """One page of the audit, oldest first; `next`: the cursor of the following page, null at the end."""

    items: list[dict[str, Any]]
    next: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """How many messages a bulk load wrote."""

    written: int


@dataclass(frozen=True, slots=True)
class Restored:
    """How many journal entries came back."""

    restored: int


@dataclass(frozen=True, slots=True)
class History:
    """Every version, oldest first."""

    revisions: list[Revision]


@dataclass(frozen=True, slots=True)
class Namespaces:
    """The namespaces in which something lies."""

    namespaces: list[str]


@dataclass(frozen=True, slots=True)
class RecipeCard:
    """A memory system: its name, whether it is the open one, and its card as text."""

    name: str
    current: bool
    card: str


@dataclass(frozen=True, slots=True)
class Recipes:
    """The memory systems that can be run here."""

    recipes: list[RecipeCard]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What each recipe made of the question, in the order asked."""

    compared: gives("compare")  # type: ignore[valid-type]


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The id of a job; null where the same waits already."""

    id: str | None


@dataclass(frozen=True, slots=True)
class Jobs:
    """Jobs that wait, run or were given up, oldest first."""

    jobs: list[Job]


@dataclass(frozen=True, slots=True)
class Problems:
    """What is wrong and what mends it; empty when all is well."""

    problems: list[Problem]


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys, without their secrets."""

    keys: gives("list_keys")  # type: ignore[valid-type]


@dataclass(frozen=True, slots=True)
class Rules:
    """Every rule, by path."""

    rules: gives("rules")  # type: ignore[valid-type]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of each text, in the order given."""

    tokens: list[int]


@dataclass(frozen=True, slots=True)
class Days:
    """What jobs cost, by day, the latest first."""

    days: gives("spent")  # type: ignore[valid-type]


@dataclass(frozen=True, slots=True)
class Costs:
    """Lines of the ledger of language models."""

    costs: gives("costs")  # type: ignore[valid-type]


@dataclass(frozen=True, slots=True)
class Health:
    """That the server answers, and its version."""

    status: str
    version: str


def page(found: Page[Any]) -> Mapping[str, Any]:
    """A page as JSON shows it."""
    return {"items": found.items, "next": found.next}
