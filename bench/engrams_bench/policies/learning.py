"""REINFORCE for a linear policy, from conversations that were written with a known one.

What a decision is worth can be told by itself: recall is a sum over pieces of evidence, and each rests on statements that were
kept or not; what is kept has its price by the character. So each decision gets its own part of the reward and no credit has
to be guessed, as it has to where only the end of a conversation is judged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from engrams_bench.policies.rollouts import Decision, Doubles, Kept, Rollout
from engrams_bench.policies.seams import About


@dataclass(frozen=True, slots=True)
class Learning:
    """How weights are moved: `steps` of natural-gradient ascent by `rate` on the mean worth, `pull` back to 0; no decision counts
    that is more than `most` times likelier now than when it was drawn."""

    steps: int = 200
    rate: float = 0.2
    pull: float = 1e-3
    most: float = 10.0


def worths(rollouts: Sequence[Rollout], price: float) -> list[tuple[Decision, float]]:
    """What each decision brought about: the recall that rests on it, less `price` times its share of all characters; 1 is what the
    average statement would have of a recall of 1.

    All rollouts are of one conversation. For a memory that was rewritten or taken away, what it would have brought is the mean of
    what its parts brought where they stood.
    """
    texts = {(a.turn, a.text) for r in rollouts for d in r.decided for a in d.about}
    size = sum(len(text) for _, text in texts)
    usual = _usual(rollouts, texts)
    parts: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for turn, text in texts:
        parts[turn].append((turn, text))
    made = []
    for rollout in rollouts:
        holds = _by_turn(rollout.kept)
        for decision in rollout.decided:
            about = decision.about[0]
            own = _standing(holds, about.turn, about.text)
            worth = 0.0 if own is None else _net(own, about, price, size)
            if decision.chosen and (other := decision.about[decision.chosen - 1].other) is not None:
                turns, text = other
                for turn, piece in {p for t in turns for p in parts[t] if p[1] in text}:
                    lost = usual.get((turn, piece), 0.0) - price * len(piece) / size
                    there = _standing(holds, turn, piece)
                    worth += (0.0 if there is None else _net(there, About(turn, piece), price, size)) - lost
            made.append((decision, worth * len(texts)))
    return made


def _usual(rollouts: Sequence[Rollout], texts: set[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """The mean recall that rests on each statement over the rollouts in which it stands."""
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for rollout in rollouts:
        holds = _by_turn(rollout.kept)
        for turn, text in texts:
            kept = _standing(holds, turn, text)
            if kept is not None:
                found[turn, text].append(kept.gains.get(turn, 0.0))
    return {key: sum(values) / len(values) for key, values in found.items()}


def _by_turn(kept: Sequence[Kept]) -> Mapping[str, list[Kept]]:
    holds: dict[str, list[Kept]] = defaultdict(list)
    for one in kept:
        for turn in one.turns:
            holds[turn].append(one)
    return holds


def _standing(holds: Mapping[str, list[Kept]], turn: str, text: str) -> Kept | None:
    """The memory that holds a statement at the end; None where none does."""
    return next((one for one in holds.get(turn, ()) if text in one.text), None)


def _net(kept: Kept, about: About, price: float, size: int) -> float:
    return kept.gains.get(about.turn, 0.0) - price * len(about.text) / size


def ascend(weights: Doubles, made: Sequence[tuple[Decision, float]], how: Learning) -> Doubles:
    """The weights after policy-gradient steps over decisions and their worths, float64[f].

    The gradient of the mean of ratio x (worth - baseline), where the ratio is the chance of what was chosen now over that when it was
    drawn, and the baseline the mean worth; it is taken in the measure of the policy's own Fisher information where all actions have
    equal chances, since the features hang together. Source: Williams 1992 (REINFORCE with a baseline); ratios as in off-policy
    estimates, Precup et al. 2000; Kakade 2001 (natural gradient).
    """
    width = max(len(decision.features) for decision, _ in made)
    features = np.zeros((len(made), width, len(weights)))
    open_ = np.full((len(made), width), -np.inf)
    for row, (decision, _) in enumerate(made):
        features[row, : len(decision.features)] = decision.features
        open_[row, : len(decision.features)] = 0.0
    chosen = np.array([decision.chosen for decision, _ in made])
    before = np.array([decision.chance for decision, _ in made])
    worth = np.array([worth for _, worth in made])
    better = worth - worth.mean()
    rows = np.arange(len(made))
    there = np.isfinite(open_)
    middle = features.sum(axis=1) / there.sum(axis=1)[:, None]
    apart = (features - middle[:, None, :]) * there[:, :, None]
    even = np.einsum("naf,nag->fg", apart / there.sum(axis=1)[:, None, None], apart) / len(made)
    measure = np.linalg.inv(even + how.pull * np.eye(len(weights)))
    held = weights.copy()
    for _ in range(how.steps):
        scores = features @ held + open_
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        ratio = chances[rows, chosen] / before
        push = np.where(ratio < how.most, ratio * better, 0.0)
        towards = features[rows, chosen] - np.einsum("na,naf->nf", chances, features)
        held = held + how.rate * (measure @ (push @ towards / len(made) - how.pull * held))
    return held
