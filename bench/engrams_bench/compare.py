"""Two results over the same questions, measure by measure, with paired intervals."""

from __future__ import annotations

from dataclasses import dataclass

from engrams_bench.errors import NotComparable
from engrams_bench.measures.paired import Difference, paired
from engrams_bench.results import Outcome, Result
from engrams_bench.tables import applicable, scores


@dataclass(frozen=True, slots=True)
class Compared:
    """One measure in two results; `conversations` is the interval over conversations, where there are several questions
    in each and several of them."""

    measure: str
    questions: Difference
    conversations: Difference | None
    n: int


def shared_questions(a: Result, b: Result) -> tuple[dict[str, Outcome], dict[str, Outcome]]:
    """The questions with gold of two results, by id, the same in both.

    Raises:
        NotComparable: not the same data, or not the same questions with the same gold.
    """
    if a.data["digest"] != b.data["digest"]:
        raise NotComparable(
            f"{a.name} was run on {a.data['name']} {a.data['digest']}, {b.name} on {b.data['name']} {b.data['digest']}: "
            "compare results over the same files"
        )
    left = {outcome.id: outcome for outcome in a.outcomes if outcome.counts}
    right = {outcome.id: outcome for outcome in b.outcomes if outcome.counts}
    if left.keys() != right.keys() or not left:
        only = sorted(left.keys() ^ right.keys())[:3]
        raise NotComparable(
            f"{len(left)} and {len(right)} questions with gold, {len(left.keys() & right.keys())} in both"
            + (f" (not: {', '.join(only)})" if only else "")
            + ": run both with the same --limit"
        )
    return left, right


def compare(a: Result, b: Result) -> list[Compared]:
    """B against A on every measure that both have.

    Raises:
        NotComparable: not the same data, or not the same questions with the same gold.
    """
    left, right = shared_questions(a, b)
    ks = sorted(set(a.settings["ks"]) & set(b.settings["ks"]))
    ones, others = [left[id] for id in left], [right[id] for id in left]
    held = applicable(ones, ks)
    told = []
    for name in (name for name in held if name in applicable(others, ks)):
        before, cases = scores(ones, held[name], name)
        after, _ = scores(others, held[name], name)
        several = 1 < len(set(cases)) < len(cases)
        clustered = paired(before, after, cases) if several else None
        told.append(Compared(name, paired(before, after), clustered, len(before)))
    return told
