"""A model under adapters: the weights themselves are never touched, so that taking an adapter off restores them exactly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from engrams.errors import BadSetting
from engrams.weights.rows import Rows

#: Ends of the tensors' names of a low-rank adapter, as `peft` writes them.
DOWN, UP = ".lora_A.weight", ".lora_B.weight"

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model said to rows: `logits` float[n, t, V], and with `hidden` every layer's states, each float[n, t, D]."""

    logits: Tensor
    hidden: tuple[Tensor, ...] = ()


@dataclass(frozen=True, eq=False)
class Learner:
    """A model whose weights stand still, and by what it is known: `fingerprint`.

    `model`: a causal language model that answers `input_ids` and `attention_mask` with `.logits` (transformers' do).
    `seed`: what is drawn while learning is drawn from it.
    """

    model: Any
    fingerprint: str
    seed: int = 0
    targets: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        self.model.requires_grad_(False)
        self.model.eval()

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return next(iter(self.model.parameters())).device

    def linears(self) -> dict[str, nn.Linear]:
        """The linear maps inside the layers by name; those of `targets` (ends of names) where some are given.

        Raises:
            BadSetting: none is there.
        """
        output = self.model.get_output_embeddings() if hasattr(self.model, "get_output_embeddings") else None
        found = {
            name: module
            for name, module in self.model.named_modules()
            if isinstance(module, nn.Linear)
            and module is not output
            and (not self.targets or name.endswith(self.targets))
        }
        if not found:
            raise BadSetting("targets", self.targets, "ends of names of linear maps of the model")
        return found

    def layers(self) -> list[nn.Module]:
        """The blocks of the model, in order.

        Raises:
            BadSetting: the model keeps them elsewhere than `model.layers`.
        """
        held = getattr(getattr(self.model, "model", None), "layers", None)
        if held is None:
            raise BadSetting(
                "model",
                type(self.model).__name__,
                "a model with `model.layers`, as Llama, Qwen and Mistral have",
            )
        return list(held)

    def generator(self, *drawn_for: str) -> torch.Generator:
        """A source of chance that depends on the seed and on what it is for, and on nothing else."""
        mixed = int.from_bytes("\x1f".join(drawn_for).encode(), "little") % (2**31 - 1)
        return torch.Generator().manual_seed(self.seed * 1_000_003 + mixed)

    def run(
        self,
        asked: Rows,
        *,
        low_rank: Tensors | None = None,
        scale: float = 1.0,
        weights: Tensors | None = None,
        hidden: bool = False,
    ) -> Answer:
        """The model's answer, with a low-rank adapter beside its maps or other weights in place of its own, where given."""
        told = {"input_ids": asked.ids, "attention_mask": asked.mask, "output_hidden_states": hidden}
        with ExitStack() as worn:
            if low_rank:
                worn.enter_context(wearing(self.model, low_rank, scale))
            if weights:
                out = functional_call(self.model, dict(weights), kwargs={**told, "use_cache": False})
            else:
                out = self.model(**told, use_cache=False)
        return Answer(out.logits, tuple(out.hidden_states) if hidden else ())

    def known(self, asked: Rows) -> Answer:
        """What the base model says, with its hidden states; without gradients."""
        with torch.no_grad():
            return self.run(asked, hidden=True)


@contextmanager
def wearing(model: nn.Module, tensors: Tensors, scale: float) -> Iterator[None]:
    """Adds scale · B A x to the output of each map W x that the adapter names, as long as the block lasts.

    `tensors`: for a map of `out` × `in`, NAME + `DOWN` float[r, in] (A) and NAME + `UP` float[out, r] (B).
    Source: Hu et al. 2021 (LoRA), section 4.1.
    """
    names = [name.removesuffix(DOWN) for name in tensors if name.endswith(DOWN)]
    modules = dict(model.named_modules())

    def beside(down: Tensor, up: Tensor) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            added = scale * ((inputs[0].to(down.dtype) @ down.mT) @ up.mT)
            return output + added.to(output.dtype)

        return hook

    missing = [name for name in names if name not in modules]
    if missing:
        raise BadSetting("adapter", missing[0], "maps that this model has")
    held = [modules[n].register_forward_hook(beside(tensors[n + DOWN], tensors[n + UP])) for n in names]
    try:
        yield
    finally:
        for one in held:
            one.remove()


def new_low_rank(learner: Learner, rank: int, drawn_for: str) -> dict[str, Tensor]:
    """A fresh adapter over the learner's maps: A drawn evenly in ±1/√in, B zero, so that it changes nothing yet.

    Always float32, whatever the model computes in: in half precision the steps of learning would round to nothing.
    """
    source, made = learner.generator(drawn_for), {}
    for name, module in learner.linears().items():
        wide, high = module.in_features, module.out_features
        drawn = (torch.rand(rank, wide, generator=source) * 2 - 1) / wide**0.5
        made[name + DOWN] = drawn.to(module.weight.device)
        made[name + UP] = torch.zeros(high, rank, device=module.weight.device)
    return made
