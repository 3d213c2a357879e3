"""Widens what a round is found by: facts a model reads in it stand beside its own words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.organise.extract import FACTS, named
from engrams.organise.notes import keywords
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import Draft, Engram
from engrams.step import Run, Step


@dataclass(frozen=True)
class AddFactKeys(Step[Draft, Draft]):
    """Asks a model for the facts that a person tells in each engram of `kind`, and puts them before its key. One call each.

    With `join="merge"` facts and the words themselves are one key; with "replace" the facts alone are, where there are any.

    No option of `ExtractFacts`: that makes engrams of their own of facts; here they make no engram and change by what one is
    found.

    Source: LongMemEval (Wu et al. 2024), section 5.3, key expansion with user facts; `join` as in the authors' code, whose
    "separate" (a key for each fact) is not offered: an engram here is found by one key.
    Without a model: the words that stand out, once more (`AddKeyWords`).
    """

    asks: ClassVar[tuple[str, ...]] = ("facts",)

    kind: str = "round"
    join: str = "merge"
    prompt: Prompt = Prompt("facts_of_turn")

    def __post_init__(self) -> None:
        if self.join not in ("merge", "replace"):
            raise BadSetting("AddFactKeys.join", self.join, "'merge' or 'replace'")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Asks and widens.

        Raises:
            ModelError: the model failed, or twice gave what is no list of facts.
        """
        rounds = [e for e in value.engrams if e.kind == self.kind and e.state == "active"]
        asks = [
            Ask("facts", self.prompt, {"message": "\n".join(e.keys or (e.content,))}, FACTS) for e in rounds
        ]
        facts = {
            e.id: [" ".join(fact.split()) for fact in (answer.value or {})["facts"] if fact.strip()]
            for e, answer in zip(rounds, run.chat.ask_many(asks), strict=True)
        }
        return replace(value, engrams=tuple(self._keyed(e, facts.get(e.id, [])) for e in value.engrams))

    def _keyed(self, engram: Engram, facts: list[str]) -> Engram:
        if not facts:
            return engram
        own = engram.keys or (engram.content,)
        return replace(engram, keys=tuple(facts) if self.join == "replace" else (" ".join([*facts, *own]),))

    def without_model(self) -> Step[Draft, Draft]:
        """The counterpart that asks no model."""
        return AddKeyWords(kind=self.kind)


@dataclass(frozen=True)
class AddKeyWords(Step[Draft, Draft]):
    """Puts the `most` (>= 1) words that stand out in an engram of `kind` before its key, so that they count twice, and who said it.

    In place of a model's facts: what is said often weighs more, and nothing is told in other words.
    """

    kind: str = "round"
    most: int = 5

    def __post_init__(self) -> None:
        if self.most < 1:
            raise BadSetting("AddKeyWords.most", self.most, "a number of words, at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Widens."""
        return replace(value, engrams=tuple(self._keyed(e) for e in value.engrams))

    def _keyed(self, engram: Engram) -> Engram:
        if engram.kind != self.kind:
            return engram
        own = " ".join(engram.keys or (engram.content,))
        found = " ".join(named(engram) or (own,))
        return replace(engram, keys=(" ".join([*keywords(own, self.most), found]),))
