"""Reconciles new facts with what stands nearest to them: a judge says add, update, delete or nothing, one alphabet for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, cast

from engrams.errors import BadSetting
from engrams.organise.extract import plain
from engrams.organise.facts import read_fact, sentences
from engrams.organise.reconcile import decide
from engrams.organise.trust import AGREED, DISAGREED, LEAST_TRUST, counted, trust
from engrams.ports import Ask
from engrams.prompts import Prompt
from engrams.records import Change, Decision, Draft, Engram, EventId, Query, Ranked, Scope, Scored
from engrams.step import Run, Step

Operation = Literal["ADD", "UPDATE", "MERGE", "DELETE", "INVALIDATE", "AGREE", "DISAGREE", "NOOP"]
OPERATIONS: tuple[Operation, ...] = ("ADD", "UPDATE", "DELETE", "NOOP")
NUMBERS = {
    "type": "object",
    "properties": {"numbers": {"type": "array", "items": {"type": "integer", "minimum": 1}}},
    "required": ["numbers"],
}


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged at once: new facts, and the standing ones they are held against, best first.

    `closeness`: how alike each standing one is to a single new one, a cosine; none where nobody worked it out.
    """

    facts: tuple[Engram, ...]
    old: tuple[Engram, ...]
    closeness: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is done about fact number `fact` (from 0): `operation`, on `old` (from 0; -1: none), with the text it should have."""

    fact: int
    operation: Operation
    old: int = -1
    text: str = ""
    why: str = ""


@dataclass(frozen=True)
class AskVerdicts(Step[Case, tuple[Verdict, ...]]):
    """Asks a model what to do about each new fact; both lists are numbered from 1, so that it cannot make up an id. One call.

    Source: Mem0 (Chhikara et al. 2025), section 2.1, the update phase; Memory-R1 (2025) takes its operations and prompt over.
    Without a model: repeats and outright changes, by rules (`RuleVerdicts`).
    """

    asks: ClassVar[tuple[str, ...]] = ("reconcile",)

    operations: tuple[Operation, ...] = OPERATIONS
    prompt: Prompt = Prompt("reconcile")

    def __post_init__(self) -> None:
        if "ADD" not in self.operations:
            raise BadSetting("AskVerdicts.operations", self.operations, "operations with 'ADD' among them")

    def __call__(self, value: Case, run: Run) -> tuple[Verdict, ...]:
        """Asks.

        Raises:
            ModelError: the model failed, or twice gave what are no decisions.
        """
        answer = run.chat.ask(
            Ask(
                "reconcile",
                self.prompt,
                {"memories": numbered(value.old), "facts": numbered(value.facts)},
                self._schema(),
            )
        )
        return tuple(
            Verdict(
                int(d["fact"]) - 1,
                cast(Operation, d["operation"]),
                int(d.get("memory") or 0) - 1,
                " ".join(str(d.get("text") or "").split()),
            )
            for d in (answer.value or {})["decisions"]
        )

    def without_model(self) -> Step[Case, tuple[Verdict, ...]]:
        """The counterpart that asks no model."""
        if "AGREE" in self.operations:
            return RuleVerdicts(repeats="AGREE", ends="DISAGREE")
        return RuleVerdicts()

    def _schema(self) -> Mapping[str, object]:
        one = {
            "type": "object",
            "properties": {
                "fact": {"type": "integer", "minimum": 1},
                "operation": {"type": "string", "enum": list(self.operations)},
                "memory": {"type": "integer", "minimum": 0},
                "text": {"type": "string"},
            },
            "required": ["fact", "operation"],
        }
        return {
            "type": "object",
            "properties": {"decisions": {"type": "array", "items": one}},
            "required": ["decisions"],
        }


Ending = Literal["INVALIDATE", "DELETE"]


@dataclass(frozen=True)
class AskOutdated(Step[Case, tuple[Verdict, ...]]):
    """Asks a model which of the standing relations the new ones end, by their numbers; all copies of such a one end. One call.

    What ends is closed at the time of the new one (`ending="INVALIDATE"`), or taken away ("DELETE"). No option of `AskVerdicts`: that
    decides about each new one; here all new ones are kept, and only the standing ones are decided about.

    Source: Mem0 (Chhikara et al. 2025), section 2.2: relations are marked invalid, for questions about the past; in the authors'
    code (v0.1.100) they are deleted.
    Without a model: repeats and outright changes, by rules (`RuleVerdicts`).
    """

    asks: ClassVar[tuple[str, ...]] = ("reconcile",)

    ending: Ending = "INVALIDATE"
    prompt: Prompt = Prompt("outdated")

    def __post_init__(self) -> None:
        if self.ending not in ("INVALIDATE", "DELETE"):
            raise BadSetting("AskOutdated.ending", self.ending, "'INVALIDATE' or 'DELETE'")

    def __call__(self, value: Case, run: Run) -> tuple[Verdict, ...]:
        """Asks.

        Raises:
            ModelError: the model failed, or twice gave what are no numbers.
        """
        told = list({e.content: e for e in value.old}.values())
        blocks = {"relations": numbered(told), "new": numbered(value.facts)}
        answer = run.chat.ask(Ask("reconcile", self.prompt, blocks, NUMBERS))
        ended = {told[n - 1].content for n in (answer.value or {})["numbers"] if n <= len(told)}
        return tuple(Verdict(0, self.ending, n) for n, old in enumerate(value.old) if old.content in ended)

    def without_model(self) -> Step[Case, tuple[Verdict, ...]]:
        """The counterpart that asks no model."""
        return RuleVerdicts()


@dataclass(frozen=True)
class RuleVerdicts(Step[Case, tuple[Verdict, ...]]):
    """NOOP for a fact that stands word for word, INVALIDATE for what it ends by the rules of `Supersede`, else ADD.

    In place of a model: it never rewrites, and misses every change that is not said outright. With `additive` nothing ends: repeats
    alone are left out, as in Mem0's code of 2026, which only ever adds. `repeats` and `ends` say what is decided in these two cases.
    """

    additive: bool = False
    repeats: Operation = "NOOP"
    ends: Operation = "INVALIDATE"

    def __call__(self, value: Case, run: Run) -> tuple[Verdict, ...]:
        """Judges."""
        made: list[Verdict] = []
        standing: dict[str, int] = {}  # the first that says it
        for n, old in enumerate(value.old):
            standing.setdefault(plain(old.content), n)
        for number, fact in enumerate(value.facts):
            repeated = standing.get(plain(fact.content))
            if repeated is not None:
                made.append(Verdict(number, self.repeats, repeated, why="said before"))
                continue
            made.append(Verdict(number, "ADD"))
            if self.additive:
                continue
            read = [f for s in sentences(fact.content) if (f := read_fact(s)) is not None]
            for n, old in enumerate(value.old if read else ()):
                if old.speaker == fact.speaker and old.occurred_at <= fact.occurred_at:
                    found = next((d for f in read if (d := decide(f, fact, old)) is not None), None)
                    if found is not None:
                        made.append(Verdict(number, self.ends, n, why=found.reason))
        return tuple(made)


@dataclass(frozen=True)
class Reconcile(Step[Draft, Draft]):
    """Holds the new engrams of `kind` in a draft against those that `find` gives for each, and does as `judge` says.

    ADD keeps a new one; NOOP leaves it out; UPDATE and MERGE rewrite the standing one, which then rests on both; DELETE
    archives it, INVALIDATE closes it at the time of the new one: both keep its history. AGREE leaves the new one out and counts it
    for the standing one, which rests on both; DISAGREE keeps the new one and counts it against the standing one, which is closed
    where its trust falls below 1/2. A new one about which nothing, or nothing that can be done, was decided is kept. With `each`
    every new one is judged by itself, else all at once against all that was found. What stands is judged once: the first decision
    about it holds. What is looked up for a new one are its words, or those parts of it that `by` names (metadata: "subject",
    "object").

    Source: Mem0 (Chhikara et al. 2025), section 2.1: 10 similar memories; its code takes 5 for each fact and one call.
    """

    find: Step[Query, Ranked[Engram]]
    judge: Step[Case, tuple[Verdict, ...]] = AskVerdicts()
    kind: str = "fact"
    each: bool = False
    by: tuple[str, ...] = ()

    def __call__(self, value: Draft, run: Run) -> Draft:
        """Judges and applies."""
        new = [e for e in value.engrams if e.kind == self.kind and e.state == "active"]
        around = self._around(new, run)
        dropped: set[str] = set()
        decisions: dict[str, Decision] = {}
        for facts in [(fact,) for fact in new] if self.each else [tuple(new)]:
            found: dict[str, Scored[Engram]] = {}
            for scored in (each for fact in facts for each in around[fact.id]):
                found.setdefault(scored.item.id, scored)
            open_ones = [each for id, each in found.items() if id not in decisions]
            if not open_ones:  # nothing to hold them against: no judge need be asked
                continue
            near = tuple(each.score for each in open_ones) if len(facts) == 1 else ()
            case = Case(facts, tuple(each.item for each in open_ones), near)
            for verdict in self.judge(case, run):
                apply(verdict, case, dropped, decisions)
        return replace(
            value,
            engrams=tuple(e for e in value.engrams if e.id not in dropped),
            decisions=(*value.decisions, *decisions.values()),
        )

    def _around(self, facts: Sequence[Engram], run: Run) -> dict[str, list[Scored[Engram]]]:
        """What stands around each new one, by its id, as it was found; all are looked up together."""
        asked = [(fact, text) for fact in facts for text in self._looked_up(fact)]
        queries = [Query(text, Scope(fact.namespace), writer=run.recipe) for fact, text in asked]
        found: dict[str, list[Scored[Engram]]] = {fact.id: [] for fact in facts}
        for (fact, _), ranked in zip(asked, self.find.many(queries, run), strict=True):
            found[fact.id] += ranked.items
        return found

    def _looked_up(self, fact: Engram) -> list[str]:
        """The texts by which what stands around a new one is found."""
        return [str(fact.metadata[part]) for part in self.by if part in fact.metadata] or [fact.content]


def apply(verdict: Verdict, case: Case, dropped: set[str], decisions: dict[str, Decision]) -> None:
    """Notes what one verdict means: which new facts are left out, what becomes of a standing one."""
    if not 0 <= verdict.fact < len(case.facts):
        return
    fact = case.facts[verdict.fact]
    old = case.old[verdict.old] if 0 <= verdict.old < len(case.old) else None
    if verdict.operation == "NOOP":
        dropped.add(fact.id)
    if old is None or old.id in decisions or verdict.operation in ("ADD", "NOOP"):
        return
    if verdict.operation in ("UPDATE", "MERGE"):
        changed = replace(
            old,
            content=verdict.text or fact.content,
            sources=tuple(dict.fromkeys((*old.sources, *fact.sources))),
            occurred_at=max(old.occurred_at, fact.occurred_at),
        )
        dropped.add(fact.id)
    elif verdict.operation == "DELETE":
        changed = replace(old, state="archived")
    elif verdict.operation == "AGREE":
        changed = counted(replace(old, sources=tuple(dict.fromkeys((*old.sources, *fact.sources)))), AGREED)
        dropped.add(fact.id)
    elif verdict.operation == "DISAGREE" and trust(counted(old, DISAGREED)) >= LEAST_TRUST:
        changed = counted(old, DISAGREED)
    else:
        changed = replace(old, state="superseded", valid_to=fact.occurred_at)
    source = EventId(fact.sources[-1]) if fact.sources else None
    why = verdict.why or f"{verdict.operation.lower()}: {fact.content}"
    decisions[old.id] = Decision(cast(Change, verdict.operation), changed, why, event_id=source)


def numbered(engrams: Sequence[Engram]) -> str:
    """Engrams as a numbered list with the day of each."""
    return "\n".join(f"{n}. [{e.occurred_at:%Y-%m-%d}] {e.content}" for n, e in enumerate(engrams, start=1))
