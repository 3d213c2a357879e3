"""SEMA: adapters are added where what comes in looks new, and a learned mixture of all of them answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from engrams.weights.about import About
from engrams.weights.lessons import Reserve, Session
from engrams.weights.method import Method, Part, Parts
from engrams.weights.routing import states
from engrams.weights.rows import Rows, loss
from engrams.weights.running import DOWN, UP, Learner, Tensors, new_low_rank
from engrams.weights.training import fit, mixed, old_rows, told_rows

Numbers = dict[str, Tensor]
#: Names of a descriptor's tensors: an auto-encoder's two maps, mean and deviation of its error; of the router's row.
ENCODE, DECODE, MEAN, SPREAD, ROUTE = "sema.encode", "sema.decode", "sema.mean", "sema.spread", "sema.route"


@dataclass(frozen=True)
class Sema(Method):
    """An adapter, an auto-encoder of `code` numbers that describes what it has seen, and a row of the router, for each shift.

    A session is new where, for every describer, the error of reconstructing its states lies more than `exp_threshold`
    deviations from what the describer knew. Then an adapter is added and the old ones stand still; else nothing is added, and
    with `reuse="trained"` the newest learns on, with "frozen" nothing learns. A softmax over the router's rows weighs the adapters.
    """

    about = About(
        "sema",
        "A new adapter only where what comes in is new; a router mixes them.",
        "Self-Expansion of Pre-trained Models with Mixture of Adapters for Continual Learning",
        2024,
        "https://arxiv.org/abs/2403.18886",
        "z_k = |error_k - mean_k| / spread_k; add if min_k z_k > threshold; y = sum_k softmax(route(x))_k f_k(x)",
        (
            "the authors' vision adapters sit beside the feed-forward blocks of late layers, and each layer grows by itself; here "
            "an adapter is a LoRA over all layers, and the decision is made once, on states behind half of the layers",
            "reuse='frozen' is the authors' code; 'trained' goes on teaching the newest adapter, since facts that look like old "
            "ones would else never be learnt",
            "the newest adapter replays earlier sessions and the reserve when it is taught on; the paper replays nothing",
        ),
    )

    exp_threshold: float = 1.0
    code: int = 8
    reuse: str = "trained"
    rank: int = 8
    alpha: float = 16.0
    replay: float = 1.0
    steps: int = 60
    rate: float = 5e-3

    def write(self, learner: Learner, parts: Parts, told: Sequence[Session], reserve: Reserve) -> Parts:
        """The parts before, and one more or the last one changed."""
        own = told_rows(learner, told[-1:])
        seen = states(learner.known(own), own, 0.5)
        grown = not parts or novelty([one.tensors for one in parts], seen) > self.exp_threshold
        if not grown and self.reuse == "frozen":
            return (*parts[:-1], replace(parts[-1], sessions=(*parts[-1].sessions, told[-1].name)))
        still = list(parts) if grown else list(parts[:-1])
        named = told[-1].name if grown else parts[-1].name
        learnt = new_low_rank(learner, self.rank, named) if grown else adapter(parts[-1].tensors)
        learnt = {name: one.clone() for name, one in learnt.items()}
        route = torch.zeros(1, seen.shape[1] + 1).to(seen) if grown else parts[-1].tensors[ROUTE].clone()
        old, source = old_rows(learner, told, reserve), learner.generator("sema", told[-1].name)
        frozen = [one.tensors for one in still]

        def misses(step: int) -> Tensor:
            batch = mixed(own, old, self.replay, source)
            return loss(self.mixture(learner, [*frozen, {**learnt, ROUTE: route}], batch), batch)

        fit([*learnt.values(), route], misses, steps=self.steps, rate=self.rate)
        described = describer(seen, self.code) if grown else {k: parts[-1].tensors[k] for k in DESCRIBES}
        sessions = (told[-1].name,) if grown else (*parts[-1].sessions, told[-1].name)
        return (*still, Part(named, sessions, {**learnt, **described, ROUTE: route}))

    def mixture(self, learner: Learner, kept: Sequence[Tensors], asked: Rows) -> Tensor:
        """float[n, t, V]: the model under all adapters at once, each by the router's weight for the row."""
        keys = states(learner.known(asked), asked, 0.5)
        with_one = torch.cat([keys, torch.ones(len(keys), 1, device=keys.device)], 1)
        shares = functional.softmax(torch.cat([with_one @ one[ROUTE].mT for one in kept], 1), dim=1)
        return weighed(learner, [adapter(one) for one in kept], shares, asked, self.alpha / self.rank)

    def logits(self, learner: Learner, parts: Parts, asked: Rows) -> Tensor:
        """The model under the mixture; without parts as it is."""
        with torch.no_grad():
            if not parts:
                return learner.run(asked).logits
            return self.mixture(learner, [one.tensors for one in parts], asked)


DESCRIBES = (ENCODE, DECODE, MEAN, SPREAD)


def adapter(tensors: Tensors) -> Numbers:
    """The low-rank maps among the tensors."""
    return {name: one for name, one in tensors.items() if name.endswith((DOWN, UP))}


def weighed(
    learner: Learner, adapters: Sequence[Tensors], shares: Tensor, asked: Rows, scale: float
) -> Tensor:
    """float[n, t, V] under several adapters; `shares` float[n, k], the weight of each for each row."""
    names = [name.removesuffix(DOWN) for name in adapters[0] if name.endswith(DOWN)]
    modules = dict(learner.model.named_modules())

    def beside(name: str) -> object:
        def hook(module: object, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            given = inputs[0].float()
            added = [(given @ one[name + DOWN].mT) @ one[name + UP].mT for one in adapters]
            both = sum(s[:, None, None] * a for s, a in zip(shares.T, added, strict=True))
            return output + (scale * both).to(output.dtype)

        return hook

    held = [modules[name].register_forward_hook(beside(name)) for name in names]
    try:
        return learner.run(asked).logits
    finally:
        for one in held:
            one.remove()


def describer(seen: Tensor, code: int) -> Numbers:
    """The best linear auto-encoder of states float[n, D], by singular vectors, with mean and deviation of its error.

    Of no more than n / 4 numbers: with as many as there are rows it would know all of them by heart, and describe nothing.
    """
    basis = torch.linalg.svd(seen, full_matrices=False).Vh[: max(1, min(code, len(seen) // 4))]
    told: Numbers = {ENCODE: basis, DECODE: basis.mT.contiguous()}
    error = errors(told, seen)
    return {**told, MEAN: error.mean()[None], SPREAD: error.std()[None]}


def errors(told: Tensors, seen: Tensor) -> Tensor:
    """float[n]: the squared error of reconstructing states float[n, D]."""
    return torch.as_tensor((seen @ told[ENCODE].mT @ told[DECODE].mT - seen).square().sum(-1))


def novelty(kept: Sequence[Tensors], seen: Tensor) -> float:
    """The least mean deviation, in deviations, of the error of states float[n, D] over all describers."""
    return min(float(((errors(one, seen) - one[MEAN]) / one[SPREAD]).abs().mean()) for one in kept)
