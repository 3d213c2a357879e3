"""What some policies have to know of a model first, found on contexts of their own: heads, gates."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from torch import Tensor

from engrams.kv.attention import read
from engrams.kv.drafting import read_ahead
from engrams.kv.measure import answers, block_of
from engrams.kv.policies.attention_gate import AttentionGate, train
from engrams.kv.policies.heads import Scores, copying, echoing, search, shared
from engrams.kv.policies.scoring import ends, weights
from engrams.kv.policy import Kept, KeptLayer, Seen, all_of
from engrams_bench.kv.tasks import ASK, VOCABULARY, Sample, facts

SEED = 50  # apart from the draws that are judged
CONTEXTS, QUESTIONS = 8, 6
REPEATED, TIMES = 24, 4  # random tokens, said so often
ROUNDS, REWARDED = 80, 4  # of the search, and the contexts that reward it
SHORT = (1, 4)  # first and recent tokens of a head that does not keep everything


@dataclass(frozen=True, eq=False)
class Calibrated:
    """Scores by query head (`semantic`) and by key-value head, and trained gates."""

    semantic: Scores
    retrieval: Scores
    echo: Scores
    searched: Scores
    gate: AttentionGate


def calibrate(model: Any) -> Calibrated:
    """All of it; some ten CPU seconds."""
    rng = Random(SEED)
    samples = [facts(rng) for _ in range(CONTEXTS)]
    groups = model.config.num_attention_heads // model.config.num_key_value_heads
    copied, semantic, needed, texts = [], [], [], []
    for sample in samples:
        tokens = sample.tokens()
        most: list[Tensor] = []
        for question in rng.sample(sample.questions, QUESTIONS):
            _, seen = read_ahead(model, tokens, question.tokens(), window=0)
            place = _place(sample, question.chunk, question.value, question.attribute)
            last = len(tokens) + 2
            copied.append(copying(seen, [(last, [place])]))
            semantic.append(copying(seen, [(last, [place])], span=True))
            told = [weights(seen, layer).amax((1, 2)) for layer in range(len(seen.layers))]
            most = told if not most else [torch.maximum(a, b) for a, b in zip(most, told, strict=True)]
        texts.append(seen)
        needed.append(most)
    lot = torch.Generator().manual_seed(SEED)
    said = torch.randint(ASK + 2, VOCABULARY, (REPEATED,), generator=lot).tolist() * TIMES
    _, echoed = read(model, said, len(said))
    return Calibrated(
        _mean(semantic),
        shared(_mean(copied), groups),
        shared(echoing(echoed, TIMES), groups),
        _searched(model, samples[:REWARDED]),
        train(texts, needed),
    )


def _place(sample: Sample, chunk: int, value: int, attribute: int) -> int:
    """Where a value stands in a context: behind its attribute, in its chunk."""
    before = 1 + sum(len(other) for other in sample.chunks[:chunk])
    told = sample.chunks[chunk]
    return before + next(at for at in range(1, len(told)) if told[at] == value and told[at - 1] == attribute)


def _mean(scores: list[Scores]) -> Scores:
    return tuple(tuple(row) for row in torch.tensor(scores).mean(0).tolist())


def _searched(model: Any, samples: list[Sample]) -> Scores:
    held = []
    for sample in samples:
        _, seen = read(model, sample.tokens(), 0)
        held.append((sample, seen, block_of(seen, sample.tokens())))

    def reward(gates: Tensor) -> float:
        right = total = 0
        for sample, seen, block in held:
            asked = sample.questions[::3]
            found = answers(model, block, [q.tokens() for q in asked], _gated(gates, seen))
            right += sum(f == q.value for f, q in zip(found, asked, strict=True))
            total += len(asked)
        return right / total

    config = model.config
    return search(reward, config.num_hidden_layers, config.num_key_value_heads, ROUNDS)


def _gated(gates: Tensor, seen: Seen) -> Kept:
    every, few = all_of(seen), ends(seen, *SHORT)
    return Kept(tuple(KeptLayer(tuple(every if keeps else few for keeps in row)) for row in gates.tolist()))
