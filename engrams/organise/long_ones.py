"""Notes a summary beside what is long, for a reader who has no room for all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.organise.central import central_sentences
from engrams.organise.groups import TEXT
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import Draft, Engram, EngramId
from engrams.step import Run, Step

#: The key of an engram's metadata under which its summary stands.
SUMMARY = "summary"


@dataclass(frozen=True)
class SummariseLong(Step[Draft, Draft]):
    """Asks a model for one sentence on each engram of `kind` of more than `tokens` (>= 1) tokens; it stands in its metadata, as `summary`.

    What is shorter is its own summary, and none is noted. One that has grown is summed up anew. One call for each long engram.

    No option of `SummariseGroups`, which makes an engram of its own of many: this is another form of the same one, and goes with it.

    Source: SCM (Wang et al. 2023), the authors' code: turns of more than 300 tokens.
    Without a model: the sentence that has most in common with all others (`TakeCentralOfLong`).
    """

    asks: ClassVar[tuple[str, ...]] = ("summarise",)

    kind: str = "round"
    tokens: int = 300
    prompt: Prompt = Prompt("turn_summary")

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise BadSetting("SummariseLong.tokens", self.tokens, "a number of tokens, at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Asks and notes.

        Raises:
            ModelError: the model failed, or twice gave what is no text.
        """
        long = _long(value, self.kind, self.tokens, run)
        asks = [
            Ask("summarise", self.prompt, {"turn": e.content}, TEXT, most_tokens=self.tokens) for e in long
        ]
        said = [" ".join(str((a.value or {})["text"]).split()) for a in run.chat.ask_many(asks)]
        return _noted(value, dict(zip((e.id for e in long), said, strict=True)))

    def without_model(self) -> Step[Draft, Draft]:
        """The counterpart that asks no model."""
        return TakeCentralOfLong(kind=self.kind, tokens=self.tokens)


@dataclass(frozen=True)
class TakeCentralOfLong(Step[Draft, Draft]):
    """Takes the `most` (>= 1) central sentences of each engram of `kind` of more than `tokens` (>= 1) tokens for its summary.

    In place of a model's sentence: nothing is said in other words.
    """

    kind: str = "round"
    tokens: int = 300
    most: int = 1

    def __post_init__(self) -> None:
        for name in ("tokens", "most"):
            if getattr(self, name) < 1:
                raise BadSetting(f"TakeCentralOfLong.{name}", getattr(self, name), "a number of at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Notes."""
        long = _long(value, self.kind, self.tokens, run)
        return _noted(value, {e.id: " ".join(central_sentences([e.content], self.most)) for e in long})


def _long(value: Draft, kind: str, tokens: int, run: Run) -> Sequence[Engram]:
    """What a draft makes, or makes longer, of that kind and of more than so many tokens."""
    grown = (d.engram for d in value.decisions if d.change == "UPDATE")
    return [
        e
        for e in (*value.engrams, *grown)
        if e.kind == kind and e.state == "active" and run.tokenizer.count(e.content) > tokens
    ]


def _noted(value: Draft, summaries: dict[EngramId, str]) -> Draft:
    def noted(engram: Engram) -> Engram:
        said = summaries.get(engram.id)
        return replace(engram, metadata={**engram.metadata, SUMMARY: said}) if said else engram

    return replace(
        value,
        engrams=tuple(noted(e) for e in value.engrams),
        decisions=tuple(replace(d, engram=noted(d.engram)) for d in value.decisions),
    )
