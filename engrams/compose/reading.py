"""Reads before it composes: a model notes what of each hit serves the question, or chooses what an answer rests on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import Engram, Ranked
from engrams.step import Run, Step

NOTE = {
    "type": "object",
    "properties": {"note": {"type": "string"}},
    "required": ["note"],
}


@dataclass(frozen=True)
class NoteEach(Step[Ranked[Engram], Ranked[Engram]]):
    """Asks a model to note what each of the best `most` (>= 1) hits says to the question; a hit that says nothing is left out.

    The note takes the place of the text, up to `tokens` (>= 1) long; the citation stays that of the hit. One call a hit. Hits
    behind the best are left out.

    Source: LongMemEval (Wu et al. 2024), section 5.5, chain-of-note with one call an item, 500 tokens (`con-separate` in the
    authors' code).
    Without a model: the hits as they are (`AsFound`).
    """

    asks: ClassVar[tuple[str, ...]] = ("note",)
    composes: ClassVar[bool] = True

    most: int = 10
    tokens: int = 500
    prompt: Prompt = Prompt("note_of_hit", "engrams.compose")

    def __post_init__(self) -> None:
        if self.most < 1:
            raise BadSetting("NoteEach.most", self.most, "a number of hits, at least 1")
        if self.tokens < 1:
            raise BadSetting("NoteEach.tokens", self.tokens, "a number of tokens, at least 1")

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """Reads and notes.

        Raises:
            ModelError: the model failed, or twice gave what is no note.
        """
        best = value.items[: self.most]
        asks = [
            Ask(
                "note",
                self.prompt,
                {
                    "question": value.query.text,
                    "memory": f"[{s.item.occurred_at:%Y-%m-%d}] {s.item.speaker or s.item.role}: {s.item.content}",
                },
                NOTE,
                most_tokens=self.tokens,
            )
            for s in best
        ]
        notes = [" ".join((a.value or {})["note"].split()) for a in run.chat.ask_many(asks)]
        kept = tuple(
            replace(scored, item=replace(scored.item, content=note))
            for scored, note in zip(best, notes, strict=True)
            if note
        )
        return replace(value, items=kept)

    def without_model(self) -> Step[Ranked[Engram], Ranked[Engram]]:
        """The counterpart that asks no model."""
        return AsFound()


@dataclass(frozen=True)
class AsFound(Step[Ranked[Engram], Ranked[Engram]]):
    """Passes the hits on as they are, in place of a model that would read them first."""

    composes: ClassVar[bool] = True

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """The same."""
        return value
