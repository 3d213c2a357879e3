"""The model that a world is taught to: 0.6 MB, trained in seconds from a seed, shipped by nobody but us."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from engrams_bench.parametric.world import WAYS, WORDS, World, answer, asked

#: The form of the model: that of Llama (grouped-query attention, rotary positions, gated feed-forward), tied embeddings.
SIZE: dict[str, Any] = {
    "vocab_size": len(WORDS),
    "hidden_size": 64,
    "intermediate_size": 192,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "initializer_range": 0.1,
    "tie_word_embeddings": True,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": None,
}
MATRIX_RATE, OTHER_RATE = 0.02, 1e-2
BATCH, STEPS, WARM = 256, 400, 20
ENOUGH = 0.005  # loss of the facts at which training ends: all of them are held
TEXT_LINES = 24  # lines of other text in a step


class Muon:
    """Momentum, made orthogonal: matrices learn in a fifth of the steps that AdamW takes here.

    Source: Jordan et al. 2024 (Muon), with its constants of the Newton-Schulz iteration; in float32 and over matrices of one
    shape together, since the half precision of `torch.optim.Muon` is slow on processors.
    """

    ITERATION = (3.4445, -4.7750, 2.0315)
    MOMENTUM, ROUNDS = 0.95, 5

    def __init__(self, matrices: list[Tensor], rate: float) -> None:
        self.rate, self._alike = rate, dict[tuple[int, ...], list[Tensor]]()
        for one in matrices:
            self._alike.setdefault(tuple(one.shape), []).append(one)
        self._held = {shape: torch.zeros(len(ones), *shape) for shape, ones in self._alike.items()}

    @torch.no_grad()
    def step(self) -> None:
        """One step along the gradients, which are then forgotten."""
        a, b, c = self.ITERATION
        for shape, ones in self._alike.items():
            slope = torch.stack([one.grad for one in ones if one.grad is not None])
            held = self._held[shape].mul_(self.MOMENTUM).add_(slope)
            way = slope + self.MOMENTUM * held
            tall = shape[0] > shape[1]
            way = way.mT if tall else way
            way = way / (way.norm(dim=(-2, -1), keepdim=True) + 1e-7)
            for _ in range(self.ROUNDS):
                square = way @ way.mT
                way = a * way + (b * square + c * square @ square) @ way
            way = (way.mT if tall else way) * max(1.0, shape[0] / shape[1]) ** 0.5
            for one, move in zip(ones, way, strict=True):
                one.add_(move, alpha=-self.rate)
                one.grad = None


@dataclass(frozen=True)
class Trained:
    """A base model, and what it took: steps and processor seconds."""

    model: Any
    steps: int
    seconds: float


def rows(world: World) -> tuple[Tensor, Tensor]:
    """Every fact of the base in every way to ask: ids int64[n, t] and the value's id int64[n]."""
    held = [
        (asked(fact, way), answer(value)[0]) for fact, value in world.base.items() for way in range(len(WAYS))
    ]
    return torch.tensor([prompt for prompt, _ in held]), torch.tensor([value for _, value in held])


def empty(seed: int) -> Any:
    """The model before it learns."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(**SIZE))


def train(world: World) -> Trained:
    """Teaches a model the facts of a world's base, in every way to ask, and the text about something else."""
    began = time.process_time()
    model = empty(world.seed)
    prompts, values = rows(world)
    text = torch.tensor(world.lines)
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    chosen = {id(p) for p in matrices}
    muon = Muon(matrices, MATRIX_RATE)
    adam = torch.optim.AdamW([p for p in model.parameters() if id(p) not in chosen], lr=OTHER_RATE)
    steps = 0
    for steps in range(1, STEPS + 1):
        warm = min(1.0, steps / WARM)
        muon.rate = MATRIX_RATE * warm
        for group in adam.param_groups:
            group["lr"] = OTHER_RATE * warm
        at, of = torch.randperm(len(prompts))[:BATCH], torch.randperm(len(text))[:TEXT_LINES]
        facts = functional.cross_entropy(
            model(input_ids=prompts[at], logits_to_keep=1).logits[:, -1], values[at]
        )
        said = model(input_ids=text[of]).logits[:, :-1]
        spoken = functional.cross_entropy(said.flatten(0, 1), text[of][:, 1:].flatten())
        adam.zero_grad()
        (facts + spoken).backward()
        adam.step()
        muon.step()
        if facts.item() < ENOUGH:
            break
    model.eval()
    model.requires_grad_(False)
    return Trained(model, steps, time.process_time() - began)
