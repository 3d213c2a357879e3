"""Chooses: a model says which of the engrams found serve the question."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import Engram, Ranked
from engrams.step import Run, Step

NUMBERS = {
    "type": "object",
    "properties": {"numbers": {"type": "array", "items": {"type": "integer", "minimum": 1}}},
    "required": ["numbers"],
}


@dataclass(frozen=True)
class KeepChosen(Step[Ranked[Engram], Ranked[Engram]]):
    """Keeps those of the items that a model chooses for the question, in the order of their scores; one call.

    The model sees them numbered from 1; numbers beyond the list are passed over. With no items there is nothing to ask. With `dated`
    it sees the day of each, and the day of the question where that has one.

    Source: HippoRAG 2 (Gutiérrez et al. 2025), section 3.2, recognition memory. There the model writes the facts out again
    and each is matched with the nearest; here it gives numbers, which need no matching.
    Without a model: all are kept (`KeepAll`).
    """

    asks: ClassVar[tuple[str, ...]] = ("choose",)

    prompt: Prompt = Prompt("keep_facts", "engrams.recall")
    block: str = "facts"
    dated: bool = False

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """Asks and keeps.

        Raises:
            ModelError: the model failed, or twice gave what are no numbers.
        """
        if not value.items:
            return value
        listed = "\n".join(
            f"{n}. {self._day(s.item)}{s.item.content}" for n, s in enumerate(value.items, start=1)
        )
        asked_at = f"[{value.query.asked_at:%Y-%m-%d}] " if self.dated and value.query.asked_at else ""
        answer = run.chat.ask(
            Ask(
                "choose",
                self.prompt,
                {"question": f"{asked_at}{value.query.text}", self.block: listed},
                NUMBERS,
                slots={"most": len(value.items)},
            )
        )
        chosen = set((answer.value or {})["numbers"])
        kept = tuple(scored for n, scored in enumerate(value.items, start=1) if n in chosen)
        return replace(value, items=kept)

    def _day(self, engram: Engram) -> str:
        return f"[{engram.occurred_at:%Y-%m-%d}] " if self.dated else ""

    def without_model(self) -> Step[Ranked[Engram], Ranked[Engram]]:
        """The counterpart that asks no model."""
        return KeepAll()


@dataclass(frozen=True)
class KeepAll(Step[Ranked[Engram], Ranked[Engram]]):
    """Passes everything on, in place of a model that would choose."""

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """The same."""
        return value
