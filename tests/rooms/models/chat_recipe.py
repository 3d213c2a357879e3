"""A recipe for tests whose write chain asks a language model for one note of each message."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.recipe import Recipe
from engrams.recipes.reference import BM25
from engrams.records import Draft, Engram, derived_id
from engrams.step import Run, Step

SCHEMA = {
    "type": "object",
    "properties": {
        "note": {"type": "string", "minLength": 1},
        "keywords": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["note", "keywords"],
}
NOTE = Prompt("note", inline="Write one note of the message, and at most {{most}} keywords.")


@dataclass(frozen=True)
class TakeNotes(Step[Draft, Draft]):
    """One note for each message, as a model writes it."""

    asks: ClassVar[tuple[str, ...]] = ("extract",)

    prompt: Prompt = NOTE
    most: int = 3

    def __call__(self, value: Draft, run: Run) -> Draft:
        asks = [
            Ask("extract", self.prompt, {"message": e.content}, SCHEMA, {"most": self.most}, most_tokens=200)
            for e in value.events
        ]
        made = tuple(
            Engram(
                id=derived_id(run.recipe, "note", (e.id,)),
                namespace=e.namespace,
                recipe=run.recipe,
                kind="note",
                content=str(answer.value["note"]) if answer.value else "",
                occurred_at=e.occurred_at,
                recorded_at=e.recorded_at,
                sources=(e.id,),
                role=e.role,
                session=e.session,
                thread=e.thread,
            )
            for e, answer in zip(value.events, run.chat.ask_many(asks), strict=True)
        )
        return replace(value, engrams=(*value.engrams, *made))


NOTES: Recipe = replace(BM25, name="notes", writer="notes", write=TakeNotes(), needs=("chat",))
