"""From outcomes per question to the published figures: means, and paired intervals over questions, cases and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from engrams_bench.measures.intervals import LEVEL, RESAMPLES, SEED
from engrams_bench.measures.paired import paired

Told = Mapping[str, Mapping[str, float]]
"""Outcomes of one model: question id, measure, recall."""


def gap(base: Told, trained: Told, key: str, case_of: Mapping[str, str] | None = None) -> dict[str, object]:
    """Base and trained in points, the difference with its 95 % interval over questions (and over cases)."""
    asked = [id for id in trained if key in trained[id] and key in base[id]]
    before, after = [base[id][key] for id in asked], [trained[id][key] for id in asked]
    found = paired(before, after)
    out: dict[str, object] = {
        "questions": len(asked),
        "base": points(found.a),
        "trained": points(found.b),
        "difference": points(found.difference),
        "interval": [points(end) for end in found.interval],
    }
    if case_of is not None and len({case_of[id] for id in asked}) > 2:
        over = paired(before, after, [case_of[id] for id in asked])
        out["interval_over_cases"] = [points(end) for end in over.interval]
    return out


def over_seeds(base: Told, seeds: Sequence[Told], key: str) -> dict[str, object]:
    """The mean difference of the seeds with an interval that draws both questions and seeds anew.

    `seeds`: one outcome table for each seed. A question counts where all have it.
    """
    asked = [id for id in base if key in base[id] and all(key in told.get(id, {}) for told in seeds)]
    gaps = np.array([[told[id][key] - base[id][key] for id in asked] for told in seeds])
    draw = np.random.default_rng(SEED)
    means = [
        gaps[
            np.ix_(draw.integers(0, len(seeds), len(seeds)), draw.integers(0, len(asked), len(asked)))
        ].mean()
        for _ in range(RESAMPLES)
    ]
    tail = (1 - LEVEL) / 2 * 100
    return {
        "questions": len(asked),
        "each": [points(float(row.mean())) for row in gaps],
        "difference": points(float(gaps.mean())),
        "interval": [points(float(end)) for end in np.percentile(means, [tail, 100 - tail])],
    }


def joined(*folds: Told) -> dict[str, Mapping[str, float]]:
    """Outcomes of the models of one seed, each on the questions of the fold it has not seen, as one table.

    Where several have a question (a set that none has seen), the mean of their recalls.
    """
    out: dict[str, Mapping[str, float]] = {}
    for id in {id: None for told in folds for id in told}:
        held = [told[id] for told in folds if id in told]
        out[id] = {key: float(np.mean([one[key] for one in held])) for key in held[0]}
    return out


def chosen(bases: Sequence[Told], keys: Mapping[float, str]) -> float:
    """The weight whose measure is best for the base, meaned over the sets; the smallest of several that are equal."""
    return max(sorted(keys), key=lambda weight: sum(mean(told, keys[weight]) for told in bases))


def mean(told: Told, key: str) -> float:
    """The mean over the questions that have the measure."""
    return float(np.mean([outcome[key] for outcome in told.values() if key in outcome]))


def figures(
    base: Told, seeds: Sequence[Told], merged: Told | None, ways: Sequence[str], case_of: Mapping[str, str]
) -> object:
    """For each level, depth and way: every seed against the base, all seeds together, and the mean of the deltas."""
    keys = [key for key in next(iter(base.values())) if key.split(" ", 1)[1] in ways]
    out = {}
    for key in keys:
        told: dict[str, object] = {f"seed {n}": gap(base, one, key, case_of) for n, one in enumerate(seeds)}
        if seeds:
            told["seeds"] = over_seeds(base, seeds, key)
        if merged:
            told["mean of the deltas"] = gap(base, merged, key, case_of)
        out[key] = told
    return out


def points(share: float) -> float:
    """A share as points of a hundred, two decimals."""
    return round(100 * share, 2)
