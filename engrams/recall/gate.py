"""Decides whether a question needs the memory at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from engrams.errors import BadSetting
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.recall.choose import KeepAll
from engrams.records import Engram, Ranked
from engrams.step import Run, Step

Controller = Literal["paper", "released"]
NEEDED = {"type": "object", "properties": {"needed": {"type": "boolean"}}, "required": ["needed"]}


@dataclass(frozen=True)
class AskNeeded(Step[Ranked[Engram], Ranked[Engram]]):
    """Asks a model whether the question can be answered without what was said before; then nothing that was found is given. One call.

    It composes: a search, which is asked for hits, gives them. With `controller="released"` nothing is asked and all is kept.

    Source: SCM (Wang et al. 2023), section 2.3, memory controller, the first question; the authors' code has it and calls it nowhere.
    Without a model: everything is kept (`KeepAll`).
    """

    asks: ClassVar[tuple[str, ...]] = ("gate",)
    composes: ClassVar[bool] = True

    controller: Controller = "paper"
    prompt: Prompt = Prompt("memory_needed", "engrams.recall")

    def __post_init__(self) -> None:
        if self.controller not in ("paper", "released"):
            raise BadSetting("AskNeeded.controller", self.controller, "'paper' or 'released'")

    def __call__(self, value: Ranked[Engram], run: Run) -> Ranked[Engram]:
        """Asks and keeps all or nothing.

        Raises:
            ModelError: the model failed, or twice gave what is no decision.
        """
        if self.controller == "released" or not value.items:
            return value
        answer = run.chat.ask(Ask("gate", self.prompt, {"question": value.query.text}, NEEDED))
        return value if (answer.value or {})["needed"] else replace(value, items=())

    def without_model(self) -> Step[Ranked[Engram], Ranked[Engram]]:
        """The counterpart that asks no model."""
        return KeepAll()
