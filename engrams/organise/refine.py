"""Refines a conversation into three kinds of knowledge: what was implied, what the user brought, what of the answers was accepted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.organise.extract import (
    FACTS,
    TakeSentences,
    before_this,
    dialogue,
    of_messages,
    spoken,
)
from engrams.organise.facts import read_fact
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import Draft, Engram
from engrams.step import Run, Step

#: The key of a memory's metadata that says of which kind it is, and the kinds.
REFINED = "refined"
RESIDUAL, QUESTION, RESPONSE = "residual", "user-question", "llm-response"
AGENTS = (RESIDUAL, QUESTION, RESPONSE)
#: Roles that answer.
ANSWERING = frozenset({"assistant", "ai", "model"})


@dataclass(frozen=True)
class Refine(Step[Draft, Draft]):
    """Asks a model three times what is to be kept of the messages of a draft, once for each kind; facts with `refined` in their metadata.

    "residual" is what was implied or corrected and not taken up, "user-question" what the user told of terms and facts,
    "llm-response" what the user accepted of the answers. The `recent` (>= 0) messages before are shown to be understood by.

    No option of `ExtractFacts`, which asks once for one kind: three questions over the same messages are asked at once here.

    Source: MARK (Ganguli et al. 2025), memory builder service: residual, user question and LLM response refined memory agents.
    Without a model: sentences by who says them; those that end what was said before are residual (`TakeRefined`).
    """

    asks: ClassVar[tuple[str, ...]] = ("extract",)

    recent: int = 10
    residual: Prompt = Prompt("residual_memory")
    question: Prompt = Prompt("user_question_memory")
    response: Prompt = Prompt("llm_response_memory")

    def __post_init__(self) -> None:
        if self.recent < 0:
            raise BadSetting("Refine.recent", self.recent, "a number of messages, at least 0")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Asks and adds.

        Raises:
            ModelError: the model failed, or twice gave what is no list of facts.
        """
        said = spoken(value.events)
        if not said:
            return value
        shown = {"earlier": dialogue(before_this(said, self.recent, run)), "messages": dialogue(said)}
        prompts = (self.residual, self.question, self.response)
        answers = run.chat.ask_many([Ask("extract", prompt, shown, FACTS) for prompt in prompts])
        made: list[Engram] = []
        for agent, answer in zip(AGENTS, answers, strict=True):
            facts = dict.fromkeys(" ".join(fact.split()) for fact in (answer.value or {})["facts"])
            for text in filter(None, facts):
                made.append(_refined(of_messages(said, run, "fact", text, len(made)), agent))
        return replace(value, engrams=(*value.engrams, *made))

    def without_model(self) -> Step[Draft, Draft]:
        """The counterpart that asks no model."""
        return TakeRefined(take=TakeSentences())


@dataclass(frozen=True)
class TakeRefined(Step[Draft, Draft]):
    """Takes each sentence that states something (as `take` does) for a memory, of the kind that follows from who says it.

    What somebody who does not answer says is "user-question", or "residual" where a rule reads in it that something changed or ended;
    what an assistant says is "llm-response", accepted or not. In place of a model, which would leave most of it out.
    """

    take: Step[Draft, Draft]

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds the memories."""
        held = {e.id for e in value.engrams}
        made = self.take(value, run)
        return replace(
            made, engrams=tuple(e if e.id in held else _refined(e, _kind(e)) for e in made.engrams)
        )


def _kind(engram: Engram) -> str:
    if engram.role in ANSWERING:
        return RESPONSE
    fact = read_fact(engram.content)
    return RESIDUAL if fact is not None and fact.mode != "state" else QUESTION


def _refined(engram: Engram, kind: str) -> Engram:
    return replace(engram, metadata={**engram.metadata, REFINED: kind})
