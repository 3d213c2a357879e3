"""MLP memory: a small network learns to answer as a search among neighbours would, and its answer is mixed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor
from torch.nn import functional

from engrams.errors import BadSetting
from engrams.weights.about import About
from engrams.weights.lessons import Reserve, Session
from engrams.weights.method import Method, Part, Parts
from engrams.weights.rows import IGNORED, Rows, join
from engrams.weights.running import Answer, Learner, Tensors
from engrams.weights.training import fit, old_rows, told_rows

#: The share of the memory in what is answered, as the authors' code sets it.
RELEASED_LAMBDA = 0.25


@dataclass(frozen=True)
class MlpMemory(Method):
    """A network of one layer of `wide` units over the hidden state behind `depth` (0..1) of the layers, made new at every write.

    It learns from all places before an answer's token, of all sessions and the reserve: `alpha` times the divergence from the
    distribution of the `neighbours` nearest places (weights e^(-d² / `temperature`)), and 1 - `alpha` times the
    cross-entropy of the token. Answers are (1 - `lam`) p_model + `lam` p_memory.
    """

    about = About(
        "mlp-memory",
        "A network imitates a search among neighbours; its answer is mixed with the model's.",
        "MLP Memory: A Retriever-Pretrained Memory for Large Language Models",
        2025,
        "https://arxiv.org/abs/2508.01832",
        "p = (1 - l) p_LM + l p_MLP; L = a KL(p_kNN || p_MLP) + (1 - a) CE",
        (
            "lam=0.25 is the authors' code; how divergence and cross-entropy are weighed was not read: alpha is ours",
            "the authors pretrain on the whole pretraining corpus; here on what was told and the reserve, and anew at each write",
            "one hidden layer; theirs has many",
        ),
        approximation=True,
    )

    lam: float = RELEASED_LAMBDA
    alpha: float = 0.5
    neighbours: int = 8
    temperature: float = 0.1
    wide: int = 256
    depth: float = 1.0
    steps: int = 300
    rate: float = 1e-2

    def __post_init__(self) -> None:
        if not 0 < self.lam < 1 or not 0 <= self.alpha <= 1:
            raise BadSetting("MlpMemory", (self.lam, self.alpha), "lam between 0 and 1, alpha from 0 to 1")

    def write(self, learner: Learner, parts: Parts, told: Sequence[Session], reserve: Reserve) -> Parts:
        """A new network from all that was told."""
        known = old_rows(learner, told[-1:], reserve)
        every = told_rows(learner, told) if known is None else join(told_rows(learner, told), known)
        keys, tokens = places(learner.known(every), every, self.depth)
        vocabulary = learner.model.get_input_embeddings().weight.shape[0]
        wanted = neighbours(keys, tokens, vocabulary, self.neighbours, self.temperature)
        source = learner.generator("mlp-memory")
        learnt = {
            "in": torch.randn(self.wide, keys.shape[1], generator=source).to(keys),
            "bias": torch.zeros(self.wide).to(keys),
            "out": (torch.randn(vocabulary, self.wide, generator=source) / self.wide**0.5).to(keys),
        }

        def misses(step: int) -> Tensor:
            said = functional.log_softmax(spoken(learnt, keys), dim=-1)
            apart = functional.kl_div(said, wanted, reduction="batchmean")
            return self.alpha * apart + (1 - self.alpha) * functional.nll_loss(said, tokens)

        fit(list(learnt.values()), misses, steps=self.steps, rate=self.rate)
        return (Part("mlp-memory", tuple(one.name for one in told), learnt),)

    def logits(self, learner: Learner, parts: Parts, asked: Rows) -> Tensor:
        """Logarithms of the mixed chances; without parts the model's own logits."""
        said = learner.known(asked)
        if not parts:
            return said.logits
        keys = functional.normalize(at_depth(said, self.depth), dim=-1)
        with torch.no_grad():
            own = functional.log_softmax(said.logits.float(), dim=-1) + log(1 - self.lam)
            memory = functional.log_softmax(spoken(parts[0].tensors, keys), dim=-1) + log(self.lam)
            return torch.logaddexp(own, memory)


def at_depth(said: Answer, depth: float) -> Tensor:
    """float[n, t, D]: the hidden states behind `depth` of the layers."""
    return said.hidden[round(depth * (len(said.hidden) - 1))].float()


def places(said: Answer, asked: Rows, depth: float) -> tuple[Tensor, Tensor]:
    """States of length 1 before each token of an answer, float[m, D], and that token, int64[m]."""
    wanted = asked.labels[:, 1:]
    states = functional.normalize(at_depth(said, depth)[:, :-1], dim=-1)
    return states[wanted != IGNORED], wanted[wanted != IGNORED]


def spoken(network: Tensors, keys: Tensor) -> Tensor:
    """float[..., V]: what the network says to states float[..., D]."""
    return functional.gelu(keys @ network["in"].mT + network["bias"]) @ network["out"].mT


def neighbours(keys: Tensor, tokens: Tensor, vocabulary: int, most: int, temperature: float) -> Tensor:
    """float[m, V]: for each place the distribution of the tokens behind its nearest places, itself among them.

    Source: Khandelwal et al. 2020 (kNN-LM), equation 2.
    """
    far = torch.cdist(keys, keys).square()
    near = far.topk(min(most, len(keys)), largest=False)
    weights = functional.softmax(-near.values / temperature, dim=-1)
    made = torch.zeros(len(keys), vocabulary, device=keys.device)
    return made.scatter_add_(1, tokens[near.indices], weights)
