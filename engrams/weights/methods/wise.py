"""WISE: edits go into copies of one map, and how far a copy's output strays says whether it is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from engrams.errors import BadSetting
from engrams.weights.about import About
from engrams.weights.lessons import Reserve, Session
from engrams.weights.method import Method, Part, Parts
from engrams.weights.methods.merges import ties
from engrams.weights.rows import Rows, loss
from engrams.weights.running import Learner, Tensors
from engrams.weights.training import drawn, lesson_rows, told_rows

SIDE, LEAST = "side", "wise.least"
#: The depth of the edited layer in the authors' settings for Llama-2-7B: layer 27 of 32.
DEPTH = 27 / 31


@dataclass(frozen=True)
class Wise(Method):
    """A copy of one feed-forward output map learns a session, only where a drawn mask of share `mask_ratio` lets it (its shard).

    Loss: cross-entropy + max(0, d_out - `alpha`) + max(0, `beta` - d_in) + max(0, `gamma` - (d_in - d_out)), where d is the
    length of what the copy adds to the map's output, mean over tokens, for the session's rows (in) and the reserve's (out).
    A prompt goes to the copy where it adds most, if that is above `act_ratio` of the least it added to one of its own; else to
    the base model. With `retrieve` every shard stays; without, all are merged by TIES (`density`) after each write.
    """

    about = About(
        "wise",
        "Edits in masked copies of one map; a margin loss teaches the router to tell them apart.",
        "WISE: Rethinking the Knowledge Memory for Lifelong Model Editing of Large Language Models",
        2024,
        "https://arxiv.org/abs/2405.14768",
        "d(x) = |act(x) (W' - W)|; L = CE + [d_out - a]+ + [b - d_in]+ + [g - (d_in - d_out)]+; side memory if d(x) > least",
        (
            "a session is a shard; the authors start one every 500 edits and merge every 1000",
            "the base model has activations of another size than Llama's: alpha, beta and gamma are in units of the mean "
            "length of the map's output",
            "steps are AdamW's; the authors take 70 of plain gradient descent at rate 1.0 for each edit",
        ),
    )
    separable = True

    mask_ratio: float = 0.2
    alpha: float = 5.0
    beta: float = 20.0
    gamma: float = 10.0
    act_ratio: float = 0.88
    clamp: float = 1.0
    density: float = 0.53
    retrieve: bool = True
    steps: int = 150
    rate: float = 2e-2
    unit: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.mask_ratio <= 1 or not 0 < self.act_ratio <= 1:
            raise BadSetting(
                "Wise", (self.mask_ratio, self.act_ratio), "mask_ratio and act_ratio above 0, up to 1"
            )

    def write(self, learner: Learner, parts: Parts, told: Sequence[Session], reserve: Reserve) -> Parts:
        """The shards before, and one more; merged, if they are to be."""
        session, (name, weight) = told[-1], edited(learner)
        own, source = told_rows(learner, told[-1:]), learner.generator("wise", session.name)
        other = lesson_rows(learner, reserve.replayed)
        mask = (torch.rand(weight.shape, generator=source) < self.mask_ratio).to(weight)
        side = weight.clone().requires_grad_(True)
        optimiser = torch.optim.AdamW([side], lr=self.rate, weight_decay=0.0)
        units = self.unit * float(strayed(learner, own, torch.zeros_like(weight)).mean())
        with torch.enable_grad():
            for _ in range(self.steps):
                said, inside = self.answered(learner, own, side)
                batch = drawn(other, len(own), source)
                outside = strayed(learner, batch, side) if len(batch) else inside.new_zeros(1)
                value = loss(said, own) + self.margins(inside / units, outside / units)
                optimiser.zero_grad()
                value.backward()
                side.grad.mul_(mask)
                optimiser.step()
                with torch.no_grad():
                    side.copy_(weight + (side - weight).clamp(-self.clamp, self.clamp) * mask)
        with torch.no_grad():
            side = side.detach()
            least = self.act_ratio * strayed(learner, own, side).min()
        shard = Part(session.name, (session.name,), {f"{SIDE}.{name}": side, LEAST: least[None]})
        return (*parts, shard)

    def margins(self, inside: Tensor, outside: Tensor) -> Tensor:
        """The three hinges; `inside` float[n] and `outside` float[m], in units."""
        d_in, d_out = inside.mean(), outside.mean()
        hinges = (d_out - self.alpha, self.beta - d_in, self.gamma - (d_in - d_out))
        return torch.stack([functional.relu(one) for one in hinges]).sum()

    def answered(self, learner: Learner, asked: Rows, side: Tensor) -> tuple[Tensor, Tensor]:
        """What the model says with the copy in place, float[n, t, V], and how far the copy strays, float[n]."""
        name, _ = edited(learner)
        return learner.run(asked, weights={name: side}).logits, strayed(learner, asked, side)

    def logits(self, learner: Learner, parts: Parts, asked: Rows) -> Tensor:
        """The base model's answer, but for rows that a shard, or what they merged to, takes."""
        answer = learner.known(asked).logits
        if not parts:
            return answer
        name, weight = edited(learner)
        kept = list(parts) if self.retrieve else [self.merged(parts, name, weight)]
        answer = answer.clone()
        with torch.no_grad():
            far = torch.stack([strayed(learner, asked, one.tensors[f"{SIDE}.{name}"]) for one in kept])
            least = torch.cat([one.tensors[LEAST] for one in kept])[:, None]
            far = torch.where(far > least, far, -1.0)
            best, at = far.max(0)
            for place, one in enumerate(kept):
                taken = (at == place) & (best >= 0)
                if bool(taken.any()):
                    answer[taken] = learner.run(
                        asked.at(taken), weights={name: one.tensors[f"{SIDE}.{name}"]}
                    ).logits
        return answer

    def merged(self, parts: Parts, name: str, weight: Tensor) -> Part:
        """All shards as one copy."""
        change = ties([one.tensors[f"{SIDE}.{name}"] - weight for one in parts], self.density)
        least = torch.cat([one.tensors[LEAST] for one in parts]).min()[None]
        tensors: Tensors = {f"{SIDE}.{name}": weight + change, LEAST: least}
        return Part("merged", tuple(one.name for one in parts), tensors)


def edited(learner: Learner) -> tuple[str, Tensor]:
    """The map that is copied, by the name of its weight: the feed-forward output of the layer at `DEPTH`."""
    layer = learner.layers()[round(DEPTH * (len(learner.layers()) - 1))]
    for name, module in learner.model.named_modules():
        if module is layer.mlp.down_proj:
            return f"{name}.weight", module.weight.detach()
    raise BadSetting("model", type(learner.model).__name__, "a model with `mlp.down_proj` in its layers")


def strayed(learner: Learner, asked: Rows, side: Tensor) -> Tensor:
    """float[n]: the length of what the copy `side` adds to the map's output, mean over the prompt's tokens.

    With a copy of zeros: the length of the map's own output.
    """
    name, weight = edited(learner)
    module, seen = dict(learner.model.named_modules())[name.removesuffix(".weight")], []

    def look(mod: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        seen.append(inputs[0].detach())

    held = module.register_forward_hook(look)
    try:
        with torch.no_grad():
            learner.run(asked)
    finally:
        held.remove()
    places = torch.arange(asked.ids.shape[1], device=asked.ids.device)
    within = (places[None] <= asked.last[:, None]) & (asked.mask > 0)
    added = (seen[0] @ (side - weight).mT).norm(dim=-1)
    return torch.as_tensor((added * within).sum(1) / within.sum(1))
