"""Who rules on new facts: a judge that is asked, a model that calls the four operations as tools, or a trained policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product

from engrams.deciding import Act, Argument, Called, Done, Features, Offer
from engrams.errors import BadSetting
from engrams.organise.judge import Case, Operation, Verdict, numbered
from engrams.organise.looks import LOOKS, looks
from engrams.records import Json
from engrams.step import Run, Step


@dataclass(frozen=True, slots=True)
class Ruling:
    """A case, and what was said about it so far."""

    case: Case
    verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class Ruled(Step[Case, tuple[Verdict, ...]]):
    """A judge for `Reconcile` whose verdicts `by` brings about, step by step: the place of the policy.

    Source: Memory-R1 (Yan et al. 2025), section 3.2: the policy gives an operation and new content for a fact and what was found.
    """

    by: Step[Ruling, Ruling]

    def __call__(self, value: Case, run: Run) -> tuple[Verdict, ...]:
        """Rules. Raises what `by` raises."""
        return self.by(Ruling(value), run).verdicts


@dataclass(frozen=True)
class Judged(Step[Ruling, Ruling]):
    """Rules at once, by a judge: the fixed chain beside tools and a trained policy."""

    judge: Step[Case, tuple[Verdict, ...]]

    def __call__(self, value: Ruling, run: Run) -> Ruling:
        """Adds the judge's verdicts. Raises what the judge raises."""
        return replace(value, verdicts=(*value.verdicts, *self.judge(value.case, run)))


@dataclass(frozen=True)
class ShowCase(Step[Ruling, Mapping[str, str]]):
    """Shows a model the memories that were found and the new facts, each numbered from 1, so that it cannot make up an id."""

    def __call__(self, value: Ruling, run: Run) -> Mapping[str, str]:
        """The two blocks."""
        return {"memories": numbered(value.case.old), "facts": numbered(value.case.facts)}


@dataclass(frozen=True)
class Rule(Step[Called[Ruling], Done[Ruling]]):
    """Does one operation as a tool: a verdict more. A number that is none of those shown is told, and nothing is done."""

    operation: Operation

    def __call__(self, value: Called[Ruling], run: Run) -> Done[Ruling]:
        """Rules."""
        case, given = value.value.case, value.arguments
        fact, memory = int(given.get("fact") or 1), int(given.get("memory") or 0)
        if not 1 <= fact <= len(case.facts):
            return Done(value.value, f"Not done: there is no fact {fact}; there are 1 to {len(case.facts)}.")
        if "memory" in given and not 1 <= memory <= len(case.old):
            return Done(
                value.value, f"Not done: there is no memory {memory}; there are 1 to {len(case.old)}."
            )
        text = " ".join(str(given.get("text") or "").split())
        verdict = Verdict(fact - 1, self.operation, memory - 1, text)
        return Done(replace(value.value, verdicts=(*value.value.verdicts, verdict)))


@dataclass(frozen=True)
class ProposeRulings(Step[Ruling, tuple[Mapping[str, Json], ...]]):
    """With which arguments a trained policy may call an operation now: of the first fact, on the `nearest` (>= 1) memories.

    One verdict for a case. ADD is none, since a fact about which nothing is said is kept; nor is DELETE, since a policy of a few looks
    cannot tell what is wrong by now. UPDATE puts the fact behind what the memory says: a policy writes no words of its own.

    Source: Memory-R1 (Yan et al. 2025), Algorithm 3: UPDATE merges the memory with the fact.
    """

    operation: Operation
    nearest: int = 1

    def __post_init__(self) -> None:
        if self.nearest < 1:
            raise BadSetting("ProposeRulings.nearest", self.nearest, "a number of memories, at least 1")

    def __call__(self, value: Ruling, run: Run) -> tuple[Mapping[str, Json], ...]:
        """The arguments."""
        if value.verdicts or self.operation not in WEIGHED:
            return ()
        if self.operation == "NOOP":
            return ({},)
        fact, near = value.case.facts[0], value.case.old[: self.nearest]
        return tuple(
            {"memory": n, "text": f"{old.content} {fact.content}"} for n, old in enumerate(near, start=1)
        )


#: The operations that a trained policy weighs against keeping the fact.
WEIGHED: tuple[Operation, ...] = ("UPDATE", "NOOP")


@dataclass(frozen=True)
class LooksOfRuling(Features):
    """What a trained policy sees of an operation: how the fact looks (`looks`), by the name of the operation.

    `known` is the cosine of the memory that the operation would change, of the nearest where it changes none.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """ "UPDATE any" to "NOOP known"."""
        return tuple(f"{operation} {look}" for operation, look in product(WEIGHED, LOOKS))

    def __call__(self, value: Offer[Ruling], run: Run) -> Mapping[str, float]:
        """The numbers."""
        case, action = value.value.case, value.action
        at = int(action.arguments.get("memory") or 1) - 1
        known = case.closeness[at] if at < len(case.closeness) else 0.0
        fact = case.facts[0]
        return {f"{action.tool} {n}": x for n, x in looks(fact.content, fact.role, known).items()}


_FACT = Argument("fact", "integer", "The number of the fact; without it the first.", required=False)
_MEMORY = Argument("memory", "integer", "The number of the memory.")

OPERATION_TOOLS: tuple[Act, ...] = (
    Act("ADD", "Keeps the fact as a new memory.", Rule("ADD"), (_FACT,), ProposeRulings("ADD")),
    Act(
        "UPDATE",
        "Rewrites a memory that speaks of the same, so that it holds the fact too.",
        Rule("UPDATE"),
        (_MEMORY, Argument("text", says="All that the memory should say from now on."), _FACT),
        ProposeRulings("UPDATE"),
    ),
    Act(
        "DELETE",
        "Takes a memory away that is wrong because of the fact; the fact itself is kept, unless NOOP is called.",
        Rule("DELETE"),
        (_MEMORY, _FACT),
        ProposeRulings("DELETE"),
    ),
    Act(
        "NOOP",
        "Leaves the fact out: a memory says it already.",
        Rule("NOOP"),
        (_FACT,),
        ProposeRulings("NOOP"),
    ),
)
"""The operations of Memory-R1 (and of Mem0, from which it takes them) as tools."""
