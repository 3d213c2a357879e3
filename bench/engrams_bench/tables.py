"""From outcomes to tables: means with intervals over questions and over conversations, by category, abstention."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from engrams_bench.measures.abstention import (
    abstention,
    auroc,
    auroc_interval,
    calibration_error,
    reliability,
)
from engrams_bench.measures.intervals import interval
from engrams_bench.measures.ndcg import ndcg_at
from engrams_bench.measures.recall import all_at, any_at, recall_at
from engrams_bench.measures.reciprocal import reciprocal_rank
from engrams_bench.results import Outcome

NDCG_K = 10  # the depth at which NDCG is customarily given

Measure = Callable[[Outcome], float]


def measures(ks: Sequence[int], level: str) -> dict[str, Measure]:
    """The measures of one level, "turn" or "session", by name, as `turn recall@5`."""
    held: dict[str, Measure] = {}

    def at(k: int) -> None:
        held[f"{level} recall@{k}"] = lambda o: recall_at(getattr(o, f"{level}s"), k)
        held[f"{level} any@{k}"] = lambda o: any_at(getattr(o, f"{level}s"), k)
        held[f"{level} all@{k}"] = lambda o: all_at(getattr(o, f"{level}s"), k)

    for k in ks:
        at(k)
    held[f"{level} ndcg@{NDCG_K}"] = lambda o: ndcg_at(getattr(o, f"{level}s"), NDCG_K)
    held[f"{level} mrr"] = lambda o: reciprocal_rank(getattr(o, f"{level}s"))
    return held


def applicable(outcomes: Sequence[Outcome], ks: Sequence[int]) -> dict[str, Measure]:
    """The measures that the outcomes have something for: sessions, say, only where there is gold for them."""
    held: dict[str, Measure] = {}
    if any(outcome.turns for outcome in outcomes):
        held |= measures(ks, "turn")
    if any(outcome.sessions for outcome in outcomes):
        held |= measures(ks, "session")
    if any(outcome.cited is not None for outcome in outcomes):
        held["context recall"] = lambda o: o.cited or 0.0
    return held


def scores(outcomes: Sequence[Outcome], measure: Measure, name: str) -> tuple[list[float], list[str]]:
    """A measure's score for each outcome that has gold for it, and the case of each."""
    gold = {"turn": "turns", "session": "sessions", "context": "cited"}[name.split()[0]]
    held = [outcome for outcome in outcomes if getattr(outcome, gold) not in ((), None)]
    return [measure(outcome) for outcome in held], [outcome.case for outcome in held]


def _row(values: Sequence[float], cases: Sequence[str]) -> dict[str, Any]:
    several = len(set(cases)) < len(cases)  # else a conversation is a question and both intervals are one
    return {
        "mean": sum(values) / len(values),
        "questions": interval(values),
        "conversations": interval(values, cases) if several else None,
        "n": len(values),
    }


def _told(outcomes: Sequence[Outcome]) -> dict[str, Any] | None:
    answerable = [o.confidence for o in outcomes if not o.abstain and o.confidence is not None]
    unanswerable = [o.confidence for o in outcomes if o.abstain and o.confidence is not None]
    said = [o for o in outcomes if o.found is not None]
    quality = abstention([not o.found for o in said], [o.abstain for o in said])
    area = auroc(answerable, unanswerable)
    points = reliability(answerable + unanswerable, [True] * len(answerable) + [False] * len(unanswerable))
    if area is None and quality is None:
        return None
    return {
        "auroc": area,
        "interval": auroc_interval(answerable, unanswerable),
        "answerable": sum(not o.abstain for o in outcomes),
        "unanswerable": sum(o.abstain for o in outcomes),
        "nothing found": asdict(quality) if quality else None,
        "calibration error": calibration_error(points),
        "reliability": [asdict(point) for point in points],
    }


def tables(outcomes: Sequence[Outcome], ks: Sequence[int]) -> dict[str, Any]:
    """All tables of a run: `all` over answerable questions with gold, `categories`, `abstention`."""
    counted = [outcome for outcome in outcomes if outcome.counts]
    held = applicable(counted, ks)
    whole = {}
    for name, measure in held.items():
        values, cases = scores(counted, measure, name)
        whole[name] = _row(values, cases)
    kinds: dict[str, list[Outcome]] = {}
    for outcome in counted:
        kinds.setdefault(outcome.category, []).append(outcome)
    answerable = set(kinds)
    # A kind that has no answerable question at all is shown too: what misleads is found, or not.
    for outcome in outcomes:
        if outcome.abstain and outcome.turns and outcome.category not in answerable:
            kinds.setdefault(outcome.category, []).append(outcome)
    categories: dict[str, Mapping[str, Any]] = {}
    for kind, members in kinds.items():
        row: dict[str, Any] = {"n": len(members)}
        for name, measure in held.items():
            values, _ = scores(members, measure, name)
            if values:
                row[name] = sum(values) / len(values)
        categories[kind] = row
    return {"all": whole, "categories": categories, "abstention": _told(outcomes)}
