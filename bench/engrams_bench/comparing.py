"""Several results over the same questions: one table of what they find and cost, and which differences hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from engrams_bench.compare import shared_questions
from engrams_bench.errors import NotComparable
from engrams_bench.measures.intervals import LEVEL, Interval
from engrams_bench.measures.together import RESAMPLES, chance, holm, resampled
from engrams_bench.report import FEWEST_CONVERSATIONS, UNRANKED
from engrams_bench.results import Result
from engrams_bench.tables import applicable, scores

#: What differences are looked at where nobody says: one measure of what is found, one of what an answerer is given.
FOUND, GIVEN = "{level} recall@10", "context recall"
#: The name of the measure of right answers, where a reader and a judge were asked.
ANSWERED = "right answers"
#: Measures that say something of recipes that rank nothing, too.
UNRANKABLE = (GIVEN, ANSWERED)


@dataclass(frozen=True, slots=True)
class Pair:
    """One measure of two recipes: B − A with its 95 % intervals over questions and (where there are enough) over conversations,
    p over questions, and p as it stands among all pairs and measures of the comparison."""

    measure: str
    a: str
    b: str
    difference: float
    interval: Interval
    conversations: Interval | None
    p: float
    adjusted: float
    n: int

    @property
    def established(self) -> bool:
        """Whether it holds: by Holm over questions, and over conversations where these are told apart."""
        apart = self.conversations is None or not self.conversations[0] <= 0 <= self.conversations[1]
        return self.adjusted < 1 - LEVEL and apart


@dataclass(frozen=True, slots=True)
class Scored:
    """A measure of each recipe on the same questions: scores by recipe, shape (recipes, questions), and the case of each question."""

    measure: str
    scores: tuple[tuple[float, ...], ...]
    cases: tuple[str, ...]


def measured(results: Sequence[Result], wanted: Sequence[str] = ()) -> list[Scored]:
    """The scores of all results on each wanted measure; without any: recall in the first 10 hits, and in the context.

    Raises:
        NotComparable: not the same data or questions, or a wanted measure that one of them does not have.
    """
    for other in results[1:]:
        shared_questions(results[0], other)
    level = results[0].data["level"]
    ks = sorted(set.intersection(*(set(result.settings["ks"]) for result in results)))
    ids = [outcome.id for outcome in results[0].outcomes if outcome.counts]
    rows = [{o.id: o for o in result.outcomes if o.counts} for result in results]
    ordered = [[row[id] for id in ids] for row in rows]
    held = [applicable(outcomes, ks) for outcomes in ordered]
    common = [name for name in held[0] if all(name in one for one in held)]
    chosen = list(wanted) or [name for name in (FOUND.format(level=level), GIVEN) if name in common]
    told = []
    for name in chosen:
        if name not in common:
            raise NotComparable(f"no measure {name!r} in all of them; there are {', '.join(common)}")
        parts = [scores(one, held[0][name], name) for one in ordered]
        told.append(Scored(name, tuple(tuple(values) for values, _ in parts), tuple(parts[0][1])))
    return told


def pairs(
    names: Sequence[str], measures: Sequence[Scored], *, first: bool = False, resamples: int = RESAMPLES
) -> list[Pair]:
    """Every pair on every measure, and what holds of all that together (Holm over all of them); `first`: those with the first alone."""
    found: list[Pair] = []
    for one in measures:
        means = resampled(one.scores, resamples=resamples)
        several = FEWEST_CONVERSATIONS <= len(set(one.cases)) < len(one.cases)
        clustered = resampled(one.scores, one.cases, resamples) if several else None
        exact = np.asarray(one.scores, float).mean(axis=1)
        ranked = [
            place for place, name in enumerate(names) if one.measure in UNRANKABLE or name not in UNRANKED
        ]
        for a, b in (two for two in combinations(ranked, 2) if not first or two[0] == 0):
            gap = means[:, b] - means[:, a]
            found.append(
                Pair(
                    measure=one.measure,
                    a=names[a],
                    b=names[b],
                    difference=float(exact[b] - exact[a]),
                    interval=_interval(gap),
                    conversations=None if clustered is None else _interval(clustered[:, b] - clustered[:, a]),
                    p=chance(gap),
                    adjusted=1.0,
                    n=len(one.cases),
                )
            )
    adjusted = holm([pair.p for pair in found])
    return [replace(pair, adjusted=p) for pair, p in zip(found, adjusted, strict=True)]


def _interval(samples: Any) -> Interval:
    tail = (1 - LEVEL) / 2 * 100
    low, high = np.percentile(samples, [tail, 100 - tail])
    return float(low), float(high)


def price(result: Result, name: str, part: str = "mean") -> float | None:
    """One price of a result; None where it does not say."""
    held: Mapping[str, float] | float | None = result.cost.get(name)
    return held[part] if isinstance(held, Mapping) else held
