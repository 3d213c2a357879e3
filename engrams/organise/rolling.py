"""Keeps a running summary: one sentence, said anew with every turn, begun afresh after so many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from engrams.errors import BadSetting
from engrams.organise.central import central_sentences
from engrams.organise.groups import GRAIN, TEXT, Group, groups_of, lines
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import Decision, Draft, Engram, EngramId, derived_id
from engrams.step import Run, Step

#: The grain of a running summary, and the kind of both levels.
BLOCK, SUMMARY = "block", "summary"


@dataclass(frozen=True)
class Rolling:
    """A running summary as it stands (none: it begins), and the turns that it has not told yet, oldest first."""

    number: int
    standing: Engram | None
    new: tuple[Engram, ...]


@dataclass(frozen=True)
class RollSummary(Step[Draft, Draft]):
    """Asks a model, turn by turn, for the summary so far with this turn: S_t = summarise(S_t-1, u_t). One call a turn.

    Turns are engrams of kind `of`. After `every` (>= 1) turns a summary is closed and the next begins, so that what it tells does
    not drift. It is an engram of kind `summary`, grain "block", at most `tokens` (>= 1) long, which rests on all of its turns; a turn
    that one has told is not told again. For a consolidate chain, whose draft holds all that stands.

    No option of `SummariseGroups`, which sums a whole group up at once and again when it grows.

    Source: HEMA (Ahn 2025), compact memory: a sentence, every turn; a second level every 100 turns.
    Without a model: the sentence that has most in common with all others of its turns (`RollCentral`).
    """

    asks: ClassVar[tuple[str, ...]] = ("summarise",)

    of: str = "passage"
    every: int = 100
    tokens: int = 120
    prompt: Prompt = Prompt("rolling_summary")

    def __post_init__(self) -> None:
        _require_every("RollSummary", self.every)
        if self.tokens < 1:
            raise BadSetting("RollSummary.tokens", self.tokens, "a number of tokens, at least 1")

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Asks and adds.

        Raises:
            ModelError: the model failed, or twice gave what is no text. No turn counts as told.
        """
        due = rolling(value, self.of, self.every)
        return with_rolled(value, due, [self._rolled(one, run) for one in due], run)

    def _rolled(self, one: Rolling, run: Run) -> str:
        text = one.standing.content if one.standing is not None else ""
        for turn in one.new:
            blocks = {"summary": text, "turn": lines(Group("", (turn,)))}
            answer = run.chat.ask(Ask("summarise", self.prompt, blocks, TEXT, most_tokens=self.tokens))
            text = " ".join(str((answer.value or {})["text"]).split()) or text
        return text

    def without_model(self) -> Step[Draft, Draft]:
        """The counterpart that asks no model."""
        return RollCentral(of=self.of, every=self.every)


@dataclass(frozen=True)
class RollCentral(Step[Draft, Draft]):
    """Takes the sentence of a summary's turns that has most in common with all others, in place of a model that says it anew."""

    of: str = "passage"
    every: int = 100

    def __post_init__(self) -> None:
        _require_every("RollCentral", self.every)

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Adds."""
        due = rolling(value, self.of, self.every)
        texts = []
        for one in due:
            told = one.standing.sources if one.standing is not None else ()
            events = run.store.events(told)
            said = [events[id].content for id in told if id in events] + [e.content for e in one.new]
            texts.append(" ".join(central_sentences(said, 1)))
        return with_rolled(value, due, texts, run)


def rolling(value: Draft, of: str, every: int) -> list[Rolling]:
    """The running summaries that have turns to tell: the last one while it is open, then new ones, `every` turns each."""
    blocks = sorted(
        (e for e in value.engrams if e.kind == SUMMARY and e.metadata.get(GRAIN) == BLOCK),
        key=lambda e: int(e.metadata["of"]),
    )
    told = {source for block in blocks for source in block.sources}
    [turns] = [group.engrams for group in groups_of(value, "all", of, "")] or [()]
    left = [turn for turn in turns if not told.issuperset(turn.sources)]
    number = int(blocks[-1].metadata["of"]) if blocks else 0
    found: list[Rolling] = []
    room = every - len(blocks[-1].sources) if blocks else 0
    if left and room > 0:
        found.append(Rolling(number, blocks[-1], tuple(left[:room])))
        left = left[room:]
    for begin in range(0, len(left), every):
        number += 1
        found.append(Rolling(number, None, tuple(left[begin : begin + every])))
    return found


def with_rolled(value: Draft, due: Sequence[Rolling], texts: Sequence[str], run: Run) -> Draft:
    """A draft with running summaries: new ones, and new versions of one that goes on."""
    changed: dict[EngramId, Engram] = {}
    made: list[Engram] = []
    decisions = list(value.decisions)
    for one, text in zip(due, texts, strict=True):
        if not text:
            continue
        last = one.new[-1]
        sources = tuple(dict.fromkeys(source for turn in one.new for source in turn.sources))
        if one.standing is not None:
            longer = replace(
                one.standing,
                content=text,
                sources=tuple(dict.fromkeys((*one.standing.sources, *sources))),
                occurred_at=last.occurred_at,
            )
            changed[longer.id] = longer
            decisions.append(Decision("UPDATE", longer, f"{len(one.new)} turns more"))
            continue
        made.append(
            Engram(
                id=derived_id(run.recipe, SUMMARY, (last.namespace, BLOCK, str(one.number))),
                namespace=last.namespace,
                recipe=run.recipe,
                kind=SUMMARY,
                content=text,
                occurred_at=last.occurred_at,
                recorded_at=run.clock.now(),
                sources=sources,
                metadata={GRAIN: BLOCK, "of": str(one.number)},
            )
        )
    kept = (changed.get(e.id, e) for e in value.engrams)
    return replace(value, engrams=(*kept, *made), decisions=tuple(decisions))


def _require_every(step: str, every: int) -> None:
    if every < 1:
        raise BadSetting(f"{step}.every", every, "a number of turns, at least 1")
