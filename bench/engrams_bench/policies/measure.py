"""Trains a policy on all conversations but one and shows it on that one, for each; beside it what needs no learning.

What is shown is recall less a price: the share of a question's evidence in the hits that a reader is given, less `price` times the
share of all statements' characters that are kept. So keeping everything is worth its recall less the price, keeping nothing 0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from engrams_bench import __version__
from engrams_bench.cases import Case, DataSet
from engrams_bench.errors import BenchError
from engrams_bench.folder import digest, require
from engrams_bench.machine import machine, origin
from engrams_bench.measures.intervals import RESAMPLES, SEED
from engrams_bench.measures.paired import paired
from engrams_bench.policies.learning import Learning, ascend, worths
from engrams_bench.policies.rollouts import Doubles, Drawing, Rollout, asked_of, roll
from engrams_bench.policies.seams import AtRandom, Everything, Seam
from engrams_bench.vectors import KeptVectors

SCHEMA = 1
#: Intervals draw whole conversations where there are at least so many, as in the tables of recall.
CONVERSATIONS = 5
#: What a learnt policy is held against: itself before any learning (a draw with all chances equal), everything kept, the rules of the
#: form without a model, and a draw that keeps as much as the learnt one.
BESIDE = ("untrained", "everything", "rules", "random")

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Settings:
    """How it is measured: `rollouts` of each conversation by the untrained policy, and by the policy of each of `rounds` - 1 rounds
    after; `draws` of what is drawn; `reads`: characters that a reader is given; `prices`."""

    prices: tuple[float, ...] = (0.5, 1.0)
    rollouts: int = 3
    rounds: int = 1
    draws: int = 2
    reads: int = 2000
    seed: int = SEED
    learning: Learning = field(default_factory=Learning)


class Bench:
    """The conversations of a data set and a seam, and what was rolled out so far."""

    def __init__(
        self, seam: Seam, cases: Sequence[Case], embedder: str | KeptVectors, how: Settings, told: Told
    ) -> None:
        self.seam, self.cases, self.embedder, self.how, self.told = seam, cases, embedder, how, told
        self.names: tuple[str, ...] = seam.linear.features.names
        none = np.zeros(len(self.names))
        self.untrained = {
            case.id: [self._drawn(case, none, (0, n)) for n in range(max(how.rollouts, how.draws))]
            for case in cases
        }
        told("everything and the rules")
        self.everything = {case.id: self._roll(Everything(seam), case) for case in cases}
        self.rules = {case.id: self._roll("pipeline", case) for case in cases}

    def _roll(self, policy: object, case: Case) -> Rollout:
        return roll(self.seam, policy, case, self.embedder, self.how.reads)

    def _drawn(self, case: Case, weights: Doubles, seed: tuple[int, ...]) -> Rollout:
        self.told(f"{case.id}, draw {seed}")
        # Kept apart for each conversation by its place, since names may be anything.
        place = next(n for n, one in enumerate(self.cases) if one.id == case.id)
        draw = np.random.default_rng([self.how.seed, place, *seed])
        return self._roll(Drawing(self.seam, self.names, weights, draw), case)

    def trained(self, cases: Sequence[Case], price: float, fold: int) -> Doubles:
        """The weights that these conversations teach, float64[f]."""
        weights = np.zeros(len(self.names))
        for number in range(self.how.rounds):
            made = []
            for case in cases:
                if number == 0:
                    rollouts = self.untrained[case.id][: self.how.rollouts]
                else:
                    seeds = [(number, fold, n) for n in range(self.how.rollouts)]
                    rollouts = [self._drawn(case, weights, seed) for seed in seeds]
                made += worths(rollouts, price)
            weights = ascend(weights, made, self.how.learning)
        return weights

    def shown(self, case: Case, weights: Doubles) -> dict[str, list[Rollout]]:
        """What the learnt policy and all beside it make of a conversation; several where something is drawn."""
        policy = self.seam.with_weights(dict(zip(self.names, weights.tolist(), strict=True)))
        learnt = self._roll(policy, case)
        share = learnt.characters / self.everything[case.id].characters
        draws = range(self.how.draws)
        return {
            "trained": [learnt],
            "untrained": self.untrained[case.id][: self.how.draws],
            "everything": [self.everything[case.id]],
            "rules": [self.rules[case.id]],
            "random": [self._roll(AtRandom(self.seam, share, n), case) for n in draws],
        }


def measure(
    seam: Seam,
    data: DataSet,
    folder: Path,
    embedder: str | KeptVectors,
    how: Settings,
    told: Told,
    limit: int | None = None,
) -> dict[str, Any]:
    """The result as it is written: for each price a row for each policy, and how the learnt one compares.

    Raises:
        BenchError: fewer than two conversations have questions with evidence.
        MissingData, MalformedData: the data set cannot be read.
    """
    paths = require(data, folder)
    cases = [case for case in data.load(paths) if asked_of(case)][:limit]
    if len(cases) < 2:
        raise BenchError(
            f"{data.name}: {len(cases)} conversations with questions; training needs another one"
        )
    bench = Bench(seam, cases, embedder, how, told)
    rows = []
    for price in how.prices:
        shown: dict[str, dict[str, list[Rollout]]] = {}
        learnt = {}
        for fold, case in enumerate(cases):
            weights = bench.trained([other for other in cases if other is not case], price, fold)
            learnt[case.id] = dict(zip(bench.names, (round(w, 5) for w in weights.tolist()), strict=True))
            shown[case.id] = bench.shown(case, weights)
        rows.append(_row(bench, price, shown) | {"weights without": learnt})
    recipe = seam.with_policy("pipeline")
    return {
        "schema": SCHEMA,
        "recipe": {"name": seam.recipe.name, "fingerprint": recipe.fingerprint()},
        "data": {"name": data.name, "title": data.title, "licence": data.licence, "digest": digest(paths)},
        "settings": asdict(how)
        | {"embedder": getattr(embedder, "fingerprint", embedder), "resamples": RESAMPLES, "limit": limit},
        "origin": origin() | {"bench": __version__, "date": datetime.now(UTC).date().isoformat()},
        "machine": machine(),
        "conversations": len(cases),
        "questions": sum(len(asked_of(case)) for case in cases),
        "rows": rows,
    }


def _row(bench: Bench, price: float, shown: Mapping[str, Mapping[str, Sequence[Rollout]]]) -> dict[str, Any]:
    """Recall, share and worth of every policy, question by question, and the differences."""
    recall: dict[str, list[float]] = {name: [] for name in ("trained", *BESIDE)}
    share: dict[str, list[float]] = {name: [] for name in recall}
    of: list[str] = []
    for case in bench.cases:
        whole = bench.everything[case.id].characters
        of += [case.id] * len(asked_of(case))
        for name in recall:
            rollouts = shown[case.id][name]
            kept = sum(r.characters for r in rollouts) / len(rollouts) / whole
            for question in asked_of(case):
                recall[name].append(sum(r.recall[question.id] for r in rollouts) / len(rollouts))
                share[name].append(kept)
    worth = {name: [r - price * s for r, s in zip(recall[name], share[name], strict=True)] for name in recall}
    clusters = of if len(bench.cases) >= CONVERSATIONS else None
    return {
        "price": price,
        "policies": {
            name: {
                "recall": _mean(recall[name]),
                "kept": _mean(share[name]),
                "worth": _mean(worth[name]),
            }
            for name in recall
        },
        "trained less": {
            name: {
                what: _difference(values[name], values["trained"], clusters)
                for what, values in (("worth", worth), ("recall", recall))
            }
            for name in BESIDE
        },
    }


def _difference(a: Sequence[float], b: Sequence[float], clusters: Sequence[str] | None) -> dict[str, Any]:
    found = paired(a, b, clusters)
    return {
        "difference": round(found.difference, 5),
        "interval": [round(end, 5) for end in found.interval],
        "over": "questions" if clusters is None else "conversations",
    }


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 5)


def write(result: Mapping[str, Any], path: Path) -> None:
    """Writes the file, whole or not at all; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(path)
