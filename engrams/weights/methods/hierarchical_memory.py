"""Hierarchical memories: a tree of small feed-forward memories, of which a prompt fetches those on its path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from engrams.weights.about import About
from engrams.weights.lessons import Reserve, Session
from engrams.weights.method import Method, Part, Parts
from engrams.weights.routing import states
from engrams.weights.rows import Rows, join, loss
from engrams.weights.running import Learner, Tensors
from engrams.weights.training import fit, lesson_rows, mixed, old_rows, told_rows

CENTRES = "centres"
ROUNDS = 20  # of k-means; it stands still sooner on the sizes meant here


@dataclass(frozen=True)
class HierarchicalMemory(Method):
    """A bank of memories of `units` units a layer: one for each of `branches` clusters, and for each of `branches` in each of those.

    A prompt fetches the two on its path (nearest centre, then nearest below) and they are added to the feed-forward
    blocks: y + sum_b V_b gelu(U_b x). Only memories learn. The tree is made at the first write, from states of what is told and of
    the reserve.
    """

    about = About(
        "hierarchical-memory",
        "A tree of small feed-forward memories; a prompt fetches those on its path.",
        "Pretraining with hierarchical memories: separating long-tail and common knowledge",
        2025,
        "https://arxiv.org/abs/2510.02375",
        "y = FFN(x) + sum over path b of V_b gelu(U_b x); path by nearest cluster centres, level by level",
        (
            "the abstract and summaries were read; sizes of blocks, number of levels and where they are added are ours",
            "the memories are added to a finished model, and learn from what is told with the reserve replayed; the paper trains "
            "them along with the model (and says that adding them afterwards works too)",
            "clusters are of the model's hidden states, not of a separate embedder's",
        ),
        approximation=True,
    )

    branches: int = 4
    units: int = 16
    depth: float = 0.5
    replay: float = 1.0
    steps: int = 80
    rate: float = 1e-2

    def write(self, learner: Learner, parts: Parts, told: Sequence[Session], reserve: Reserve) -> Parts:
        """The bank, taught one session more."""
        own, old = told_rows(learner, told[-1:]), old_rows(learner, told, reserve)
        held = dict(parts[0].tensors) if parts else self.empty(learner, own, reserve)
        learnt = {name: one.clone() for name, one in held.items()}
        source = learner.generator("bank", told[-1].name)

        def misses(step: int) -> Tensor:
            batch = mixed(own, old, self.replay, source)
            return loss(self.fetched(learner, learnt, batch), batch)

        fit([one for n, one in learnt.items() if n != CENTRES], misses, steps=self.steps, rate=self.rate)
        return (Part("bank", tuple(one.name for one in told), learnt),)

    def empty(self, learner: Learner, own: Rows, reserve: Reserve) -> dict[str, Tensor]:
        """The tree with memories that add nothing yet: `CENTRES` float[b + b², D]; per layer U float[k, u, D], V float[k, D, u]."""
        known = lesson_rows(learner, reserve.replayed)
        every = join(own, known) if len(known) else own
        seen = states(learner.known(every), every, self.depth)
        top, member = clusters(seen, self.branches)
        below = [clusters(seen[member == at], self.branches, top[at])[0] for at in range(self.branches)]
        made = {CENTRES: torch.cat([top, *below])}
        source, blocks = learner.generator("bank"), self.branches + self.branches**2
        for number in range(len(learner.layers())):
            drawn = torch.randn(blocks, self.units, seen.shape[1], generator=source) / seen.shape[1] ** 0.5
            made[f"layer.{number}.in"] = drawn.to(seen)
            made[f"layer.{number}.out"] = torch.zeros(blocks, seen.shape[1], self.units).to(seen)
        return made

    def path(self, centres: Tensor, seen: Tensor) -> Tensor:
        """int64[n, 2]: the memories that states float[n, D] fetch."""
        first = torch.cdist(seen, centres[: self.branches]).argmin(1)
        below = centres[self.branches :].view(self.branches, self.branches, -1)[first]
        second = (below - seen[:, None]).norm(dim=-1).argmin(1)
        return torch.stack([first, self.branches + first * self.branches + second], 1)

    def fetched(self, learner: Learner, bank: Tensors, asked: Rows) -> Tensor:
        """float[n, t, V]: the model with each row's memories added."""
        path = self.path(bank[CENTRES], states(learner.known(asked), asked, self.depth))

        def beside(number: int) -> object:
            into, out = bank[f"layer.{number}.in"][path], bank[f"layer.{number}.out"][path]

            def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
                lit = functional.gelu(torch.einsum("ntd,nkud->ntku", inputs[0], into))
                return output + torch.einsum("ntku,nkdu->ntd", lit, out)

            return hook

        held = [layer.mlp.register_forward_hook(beside(n)) for n, layer in enumerate(learner.layers())]
        try:
            return learner.run(asked).logits
        finally:
            for one in held:
                one.remove()

    def logits(self, learner: Learner, parts: Parts, asked: Rows) -> Tensor:
        """The model with the bank; without it as it is."""
        with torch.no_grad():
            return self.fetched(learner, parts[0].tensors, asked) if parts else learner.run(asked).logits


def clusters(seen: Tensor, count: int, filler: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """k-means: centres float[count, D] and the place of each row's centre int64[n].

    Begins with the rows that lie farthest apart, so that nothing is drawn; with fewer rows than centres the rest are
    `filler` float[D] (zeros without).
    """
    rest = torch.zeros(seen.shape[1]).to(seen) if filler is None else filler
    if not len(seen):
        return rest.repeat(count, 1), torch.zeros(0, dtype=torch.long)
    centres = seen[:1]
    while len(centres) < min(count, len(seen)):
        centres = torch.cat([centres, seen[torch.cdist(seen, centres).amin(1).argmax()][None]])
    member = torch.cdist(seen, centres).argmin(1)
    for _ in range(ROUNDS):
        centres = torch.stack(
            [seen[member == at].mean(0) if bool((member == at).any()) else c for at, c in enumerate(centres)]
        )
        moved = torch.cdist(seen, centres).argmin(1)
        if bool((moved == member).all()):
            break
        member = moved
    return torch.cat([centres, rest.repeat(count - len(centres), 1)]), member
