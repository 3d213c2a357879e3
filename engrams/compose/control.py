"""Makes hits fit a budget one by one: whole, as their summary, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import Engram, Ranked, Scored
from engrams.step import Run, Step

ENOUGH = {"type": "object", "properties": {"enough": {"type": "boolean"}}, "required": ["enough"]}
#: The signal of what stands first whatever was asked (`engrams.recall.always`): it is counted, and not judged.
ALWAYS = "always"


@dataclass(frozen=True)
class AskRawOrSummary(Step[Ranked[Engram], Ranked[Engram]]):
    """Where the hits are longer than the budget, asks a model of each but the best whether it answers the question, raw and as summary.

    One whose raw text does not help is dropped; one whose summary (`summary` in its metadata; its text where it has none) helps as
    well is given as that; else it stays raw. If all is still longer than the budget, the lesser of the query's and `tokens` (>= 1),
    raw texts become summaries one by one, the least alike first. One call a hit, two where its text helps; none where all fits.

    No option of `NoteEach` or `FitBudget`: the first writes something new of each hit, the second cuts by rank; this picks
    between two texts that are there.

    Source: SCM (Wang et al. 2023), section 2.3, memory controller, the second question; `get_related_turn` of the authors' code, 2500
    tokens, which never ends where all summaries together are too long: here the budget then leaves out the worst.
    Without a model: nothing is dropped for what it says (`RawOrSummary`).
    """

    asks: ClassVar[tuple[str, ...]] = ("judge",)
    composes: ClassVar[bool] = True

    tokens: int = 2500
    prompt: Prompt = Prompt("enough_to_answer", "engrams.compose")

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise BadSetting("AskRawOrSummary.tokens", self.tokens, "a number of tokens, at least 1")

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """Asks and shortens.

        Raises:
            ModelError: the model failed, or twice gave what is no decision.
        """
        if _length(value.items, run) <= _budget(value, self.tokens):
            return value
        found = [s for s in value.items if ALWAYS not in s.parts]
        judged = found[1:]
        helps = self._enough(value.query.text, [s.item.content for s in judged], run)
        useful = [s for s, yes in zip(judged, helps, strict=True) if yes]
        short = self._enough(value.query.text, [_summary(s.item) for s in useful], run)
        form = {s.item.id: _as_summary(s) if yes else s for s, yes in zip(useful, short, strict=True)}
        dropped = {s.item.id for s in judged} - form.keys()
        kept = tuple(form.get(s.item.id, s) for s in value.items if s.item.id not in dropped)
        return _shortened(replace(value, items=kept), self.tokens, run)

    def _enough(self, question: str, texts: Sequence[str], run: Run) -> list[bool]:
        asks = [Ask("judge", self.prompt, {"question": question, "memory": text}, ENOUGH) for text in texts]
        return [bool((a.value or {})["enough"]) for a in run.chat.ask_many(asks)]

    def without_model(self) -> Step[Ranked[Engram], Ranked[Engram]]:
        """The counterpart that asks no model."""
        return RawOrSummary(tokens=self.tokens)


@dataclass(frozen=True)
class RawOrSummary(Step[Ranked[Engram], Ranked[Engram]]):
    """Gives hits as their summaries, the least alike first, until all fit the lesser of the query's budget and `tokens` (>= 1).

    In place of a model that would judge what each says: nothing is dropped.
    """

    composes: ClassVar[bool] = True

    tokens: int = 2500

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise BadSetting("RawOrSummary.tokens", self.tokens, "a number of tokens, at least 1")

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """Shortens."""
        return _shortened(value, self.tokens, run)


def _shortened(value: Ranked[Engram], tokens: int, run: Run) -> Ranked[Engram]:
    items = list(value.items)
    for at in reversed(range(len(items))):
        if _length(items, run) <= _budget(value, tokens):
            break
        if ALWAYS not in items[at].parts:
            items[at] = _as_summary(items[at])
    return replace(value, items=tuple(items))


def _budget(value: Ranked[Engram], tokens: int) -> int:
    return tokens if value.query.budget is None else min(tokens, value.query.budget)


def _length(items: Sequence[Scored[Engram]], run: Run) -> int:
    return sum(run.tokenizer.count(s.item.content) for s in items)


def _summary(engram: Engram) -> str:
    return str(engram.metadata.get("summary") or engram.content)


def _as_summary(scored: Scored[Engram]) -> Scored[Engram]:
    return replace(scored, item=replace(scored.item, content=_summary(scored.item)))
