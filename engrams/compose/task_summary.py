"""Sums all hits up for one question: points, each resting on the hits that say it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.compose.condense import condense
from engrams.errors import BadSetting
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import Engram, Ranked, Scored
from engrams.step import Run, Step

POINTS = {
    "type": "object",
    "properties": {
        "points": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "text": {"type": "string"},
                    "memories": {"type": "array", "items": {"type": "integer", "minimum": 1}},
                },
                "required": ["text", "memories"],
            },
        }
    },
    "required": ["points"],
}


@dataclass(frozen=True)
class SummariseForTask(Step[Ranked[Engram], Ranked[Engram]]):
    """Asks a model for what all hits together say to the question, as points of at most `tokens` (>= 1) in all. One call.

    A point takes the place of the hits that it names: it is cited as the first of them, and rests on what they rest on. A point
    that names none of the hits is left out. With no hits nothing is asked.

    No option of `NoteEach`, which reads every hit by itself: what leads from one hit to another, and what two say alike, shows only here.

    Source: MetRag (Gan et al. 2024), compactness-oriented thought: a task-adaptive summary of all documents. There the summariser is
    trained to the answers that follow from its summaries.
    Without a model: of each hit the sentences that share most words with the question (`CondenseEach`).
    """

    asks: ClassVar[tuple[str, ...]] = ("note",)
    composes: ClassVar[bool] = True

    tokens: int = 500
    prompt: Prompt = Prompt("task_summary", "engrams.compose")

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise BadSetting("SummariseForTask.tokens", self.tokens, "a number of tokens, at least 1")

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """Asks and sums up.

        Raises:
            ModelError: the model failed, or twice gave what are no points.
        """
        if not value.items:
            return value
        shown = "\n".join(
            f"{n}. [{s.item.occurred_at:%Y-%m-%d}] {s.item.speaker or s.item.role}: {s.item.content}"
            for n, s in enumerate(value.items, start=1)
        )
        asked = {"question": value.query.text, "memories": shown}
        answer = run.chat.ask(Ask("note", self.prompt, asked, POINTS, most_tokens=self.tokens))
        points = []
        for told in (answer.value or {})["points"]:
            text = " ".join(told["text"].split())
            named = [value.items[n - 1] for n in dict.fromkeys(told["memories"]) if n <= len(value.items)]
            if text and named:
                points.append(_point(text, named))
        return replace(value, items=tuple(points))

    def without_model(self) -> Step[Ranked[Engram], Ranked[Engram]]:
        """The counterpart that asks no model."""
        return CondenseEach()


@dataclass(frozen=True)
class CondenseEach(Step[Ranked[Engram], Ranked[Engram]]):
    """Shortens each hit to the sentences that share most words with the question, `tokens` (>= 1) at most; nothing is said in other words.

    In place of a model's summary: what two hits say alike stands twice.
    """

    composes: ClassVar[bool] = True

    tokens: int = 60

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise BadSetting("CondenseEach.tokens", self.tokens, "a number of tokens, at least 1")

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """Shortens."""
        count = run.tokenizer.count
        short = [
            (s, condense(s.item.content, value.query.text, self.tokens, count) or s.item.content)
            for s in value.items
        ]
        return replace(
            value, items=tuple(replace(s, item=replace(s.item, content=text)) for s, text in short)
        )


def _point(text: str, named: list[Scored[Engram]]) -> Scored[Engram]:
    first = named[0]
    sources = tuple(dict.fromkeys(source for s in named for source in s.item.sources))
    speakers = {s.item.speaker for s in named}
    own = first.item.speaker if len(speakers) == 1 else None
    role = first.item.role if len(speakers) == 1 else ""
    return replace(first, item=replace(first.item, content=text, sources=sources, speaker=own, role=role))
