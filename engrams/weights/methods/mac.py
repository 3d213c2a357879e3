"""MAC: a document becomes a modulation in one forward pass; a question picks from all of them, and nothing is trained to write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engrams.weights.about import About
from engrams.weights.lessons import Lesson, Reserve, Session
from engrams.weights.method import Method, Part, Parts
from engrams.weights.rows import Rows, loss, rows
from engrams.weights.running import Learner, Tensors
from engrams.weights.training import fit

KEYS, VALUES = "bank.keys", "bank.values"
LEARNT = ("encode", "ask", "speak")


@dataclass(frozen=True)
class Mac(Method):
    """Each lesson's statement is read once by the frozen model; two small maps make a key and `virtual` modulation of it.

    A question's state attends to all keys of the bank, and the mixed modulation is laid before the question as `virtual` soft
    tokens. The maps are learnt once, at the first write, on the reserve with its answers shuffled anew at each step, so
    that only reading the statement helps; after that writing is one forward pass.
    """

    about = About(
        "mac",
        "A document becomes a modulation in one pass; a question attends to the bank of all.",
        "Online Adaptation of Language Models with a Memory of Amortized Contexts",
        2024,
        "https://arxiv.org/abs/2403.04317",
        "phi_k = g(enc(d_k)); phi* = sum_k softmax(h(x) . key_k) phi_k; p(y | x; theta, phi*)",
        (
            "encoder and question encoder are the frozen model itself with a linear map each; the authors train two T5 encoders "
            "and blocks of cross-attention",
            "the modulation is a soft prompt before the question; theirs is a prefix in every layer",
            "meta-learnt on the reserve with shuffled answers; theirs on question sets of documents",
        ),
        approximation=True,
    )
    separable = True

    virtual: int = 2
    bank: int = 32
    steps: int = 200
    rate: float = 5e-3

    def write(self, learner: Learner, parts: Parts, told: Sequence[Session], reserve: Reserve) -> Parts:
        """The maps, if they are not there, and the modulations of the session."""
        shared = parts[0] if parts else Part("maps", ("",), self.meta(learner, reserve))
        keys, values = self.encoded(learner, shared.tensors, told[-1].lessons)
        named = Part(told[-1].name, (told[-1].name,), {KEYS: keys, VALUES: values})
        return (shared, *parts[1:], named)

    def without(self, parts: Parts, session: str) -> Parts:
        """The parts without the session's; without any session, none at all."""
        left = super().without(parts, session)
        return left if len(left) > 1 else ()

    def meta(self, learner: Learner, reserve: Reserve) -> dict[str, Tensor]:
        """The maps, learnt to carry any answer from a statement to a question about it."""
        wide = learner.model.get_input_embeddings().weight.shape[1]
        source, device = learner.generator("mac"), learner.device
        learnt = {
            "encode": torch.randn(self.virtual * wide, wide, generator=source).to(device) / wide**0.5,
            "ask": torch.eye(wide, device=device),
            "speak": torch.eye(wide, device=device),
        }
        known = reserve.replayed
        if not known:
            return learnt

        def misses(step: int) -> Tensor:
            chosen = torch.randperm(len(known), generator=source)[: self.bank].tolist()
            shuffled = torch.randperm(len(known), generator=source)[: self.bank].tolist()
            documents = [
                Lesson(known[a].asked, known[b].answer) for a, b in zip(chosen, shuffled, strict=True)
            ]
            keys, values = self.encoded(learner, learnt, documents)
            asked = rows([(one.asked[step % len(one.asked)], one.answer) for one in documents], device)
            said, asked = self.answered(learner, learnt, keys, values, asked)
            return loss(said, asked)

        fit(list(learnt.values()), misses, steps=self.steps, rate=self.rate)
        return learnt

    def encoded(self, learner: Learner, maps: Tensors, lessons: Sequence[Lesson]) -> tuple[Tensor, Tensor]:
        """Keys float[m, D] and modulations float[m, virtual, D] of statements: the first prompt with its answer."""
        stated = rows([((*one.asked[0], *one.answer), ()) for one in lessons], learner.device)
        asked = rows([(one.asked[0], ()) for one in lessons], learner.device)
        last = torch.arange(len(stated), device=learner.device)
        # The answer is read off the embedding of the statement's end together with the state behind all layers.
        table = learner.model.get_input_embeddings().weight
        state = (
            learner.known(stated).hidden[-1][last, stated.last].float() + table[stated.ids[last, stated.last]]
        )
        keys = self.key(learner, maps, asked)
        return keys, (state @ maps["encode"].mT).view(len(stated), self.virtual, -1)

    def key(self, learner: Learner, maps: Tensors, asked: Rows) -> Tensor:
        """float[n, D]: questions' states, mapped."""
        hidden = learner.known(asked).hidden
        last = torch.arange(len(asked), device=learner.device)
        return (
            functional.normalize(hidden[len(hidden) // 2][last, asked.last].float(), dim=-1) @ maps["ask"].mT
        )

    def answered(
        self, learner: Learner, maps: Tensors, keys: Tensor, values: Tensor, asked: Rows
    ) -> tuple[Tensor, Rows]:
        """What the model says with the mixed modulation laid before each row, and the rows."""
        near = self.key(learner, maps, asked) @ keys.mT * keys.shape[1] ** 0.5
        mixed = torch.einsum("nm,mvd->nvd", functional.softmax(near, dim=1), values) @ maps["speak"].mT
        table = learner.model.get_input_embeddings().weight
        laid = torch.cat([mixed.to(table), table[asked.ids]], 1)
        ones = torch.ones(len(asked), self.virtual, dtype=asked.mask.dtype, device=asked.mask.device)
        said = learner.model(
            inputs_embeds=laid, attention_mask=torch.cat([ones, asked.mask], 1), use_cache=False
        )
        return said.logits[:, self.virtual :], asked

    def logits(self, learner: Learner, parts: Parts, asked: Rows) -> Tensor:
        """The model under the mixed modulation; without a bank as it is."""
        with torch.no_grad():
            if len(parts) < 2:
                return learner.run(asked).logits
            keys, values = (torch.cat([one.tensors[name] for one in parts[1:]]) for name in (KEYS, VALUES))
            return self.answered(learner, parts[0].tensors, keys, values, asked)[0]
