"""Learning from use: what a namespace's feedback says of the signals shifts the sum, in that namespace alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from engrams.arithmetic import top_k
from engrams.errors import BadSetting
from engrams.recall.fuse import Summed
from engrams.records import NOTHING, SCORER, EngramId, Json, Query, derived_id
from engrams.step import Run, Step

Shares = Mapping[str, float]
Verdict = Literal["cited", "chosen", "wrong"]

WRITER = "feedback"
"""Under which name scorers stand in a store: apart from what any write chain derives, so that none is ever a hit."""

SHARE = "learnt"
"""The name of what a scorer adds to a score, beside the shares of the signals it was learnt from."""


LARGEST = 2.0
"""The largest factor of a signal: what a user teaches leans on the house's weights and does not replace them."""


@dataclass(frozen=True)
class Learnt:
    """An online linear reranker: a factor for every signal, 1 before any feedback, moved by each verdict on a hit.

    A hit that was cited or chosen competes with those shown beside it and passed over. With x the hit's shares, x_i theirs,
    f the factors and p the softmax of f·x / `temperature` over all of them, a good verdict adds
    `rate` / `temperature` · (x - Σ p_i x_i) to f, the gradient of log p(hit); a wrong one adds the gradient of
    log(1 - p(hit)). After each verdict f goes back towards 1 by the part `pull` of its distance, and stays in 0..`LARGEST`: no
    signal is ever turned against itself.

    Parameters: `rate` above 0; `pull` in 0..1; `temperature` above 0, in units of the score (standard deviations).

    Source: retrospective reflection of RMM (Tan et al., ACL 2025, section 4.3). It differs: RMM moves two residual maps on
    embeddings, this moves one factor a signal, since a user gives tens of verdicts and not thousands; RMM samples the shown
    hits with Gumbel noise to explore, here nothing is drawn at random, so that the same feedback gives the same factors and
    a question the same answer; RMM rewards hits by +1 and -1 with a baseline of 0.5, which pushes down all that was shown
    and not cited one by one (on LoCoMo that lost 3 points of R@5 within 80 questions), here only differences count.
    """

    rate: float = 0.05
    pull: float = 0.005
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.rate < math.inf:
            raise BadSetting("Learnt.rate", self.rate, "a number above 0")
        if not 0 <= self.pull <= 1:
            raise BadSetting("Learnt.pull", self.pull, "a number from 0 to 1")
        if not 0 < self.temperature < math.inf:
            raise BadSetting("Learnt.temperature", self.temperature, "a number above 0")

    def moved(
        self, factors: Mapping[str, float], hit: Shares, beside: Sequence[Shares], verdict: Verdict
    ) -> dict[str, float]:
        """The factors after one verdict; `beside` are the shares of hits shown with it that got no such verdict.

        Signals that are not in `factors` have 1; without hits beside it a verdict tells nothing.
        """
        if not beside:
            return dict(factors)
        names = sorted({*factors, *hit, *(name for other in beside for name in other)})
        held = np.array([factors.get(name, 1.0) for name in names])
        shares = np.array([[each.get(name, 0.0) for name in names] for each in (hit, *beside)])
        scores = shares @ held / self.temperature
        weights = np.exp(scores - scores.max())
        chance = float(weights[0] / weights.sum())
        # Against the others as the sum ranks them: (1 - p)(x - mean of the others) is x - Σ p x.
        others = weights[1:] @ shares[1:] / weights[1:].sum()
        step = -chance if verdict == "wrong" else 1.0 - chance
        held = held + self.rate / self.temperature * step * (shares[0] - others)
        held = np.clip(held + self.pull * (1.0 - held), 0.0, LARGEST)
        return dict(zip(names, held.tolist(), strict=True))

    def factors(self, query: Query, run: Run) -> Mapping[str, float]:
        """The factors that hold for a query: those of its namespace, as they stood at `as_of`; empty where none were learnt.

        A path with everything below it (`acme/*`) has none: what one namespace taught is not told in another.
        """
        if query.scope.below:
            return NOTHING
        id = scorer_id(query.scope.namespace)
        if query.as_of is None:
            engram = run.store.engrams([id]).get(id)
            return factors_of(engram.metadata) if engram is not None and engram.state == "active" else NOTHING
        past = [r for r in run.store.versions(id) if r.at <= query.as_of]
        return factors_of(past[-1].metadata) if past and past[-1].state == "active" else NOTHING


def scorer_id(namespace: str) -> EngramId:
    """The id of a namespace's scorer."""
    return derived_id(WRITER, SCORER, (namespace,))


def factors_of(metadata: Mapping[str, Json]) -> dict[str, float]:
    """The factors that a scorer holds."""
    return {str(name): float(factor) for name, factor in metadata.get("factors", {}).items()}


@dataclass(frozen=True)
class Rerank(Step[Summed, Summed]):
    """Orders the `among` (>= 1) best candidates by what feedback taught about their signals; the others stay behind them.

    Feedback speaks of what was shown, and says nothing of how the signals tell an answer from all else: reordering every
    candidate by it lost more than ten points of recall where weights were far from fitting. RMM, too, reorders the best 20 or
    50. Without feedback nothing changes.

    The shares of the signals stay as they are, and `learnt` stands beside them: the sum over signals of (factor - 1)
    times share; for a candidate behind the best, the least that one of them got. So the shares still add up to the score,
    and what is learnt next is learnt from the signals themselves.
    """

    by: Learnt = Learnt()
    among: int = 50

    def __post_init__(self) -> None:
        if self.among < 1:
            raise BadSetting("Rerank.among", self.among, "a number of candidates, at least 1")

    def __call__(self, value: Summed, run: Run) -> Summed:
        """Scores again."""
        factors = self.by.factors(value.query, run)
        more = np.array([factors.get(name, 1.0) - 1.0 for name in value.names], dtype=np.float32)
        if not more.any() or not len(value.rows):
            return value
        scores, allowed = value.scores, value.view.allowed
        if allowed is not None:
            scores = np.where(allowed[value.rows], scores, -np.inf).astype(np.float32)
        best = top_k(scores, self.among)
        taught = more @ value.shares[:, best]
        learnt = np.full(len(value.rows), taught.min(), dtype=np.float32)
        learnt[best] = taught
        return replace(
            value,
            names=(*value.names, SHARE),
            shares=np.vstack((value.shares, learnt)),
            scores=value.scores + learnt,
        )
