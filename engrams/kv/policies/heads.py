"""Heads that look things up, found in a model: by what they copy, by a search of our own, read from a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from engrams.errors import BadSetting, UnknownFormat
from engrams.kv.policies.scoring import weights
from engrams.kv.policy import Seen

#: Scores of heads, one row for each layer.
Scores = tuple[tuple[float, ...], ...]
#: How fast the search moves, and how fast the mean reward it compares with follows.
RATE, FOLLOW = 1.0, 0.1


def copying(seen: Seen, answers: Sequence[tuple[int, Sequence[int]]], span: bool = False) -> Scores:
    """How often each query head looks at what is answered: float per layer and query head, in [0, 1].

    Args:
        seen: a text with all its queries kept, questions and answers in it.
        answers: for each answer the place of the query that has to find it and the places where it stands.
        span: the weight on the whole place (CompressKV's semantic retrieval heads) instead of whether the largest weight lies
            there (retrieval heads: Wu et al. 2024, section 2, where the share of a needle's tokens copied is taken).
    """
    held: list[tuple[float, ...]] = []
    rows = {int(position): row for row, position in enumerate(seen.asked)}
    for layer in range(len(seen.layers)):
        seen_weights = weights(seen, layer).flatten(0, 1)
        total = torch.zeros(seen_weights.shape[0])
        for query, places in answers:
            told = seen_weights[:, rows[query]]
            if span:
                total += told[:, list(places)].sum(-1).cpu()
            else:
                total += torch.isin(told.argmax(-1).cpu(), torch.tensor(list(places)))
        held.append(tuple((total / max(1, len(answers))).tolist()))
    return tuple(held)


def echoing(seen: Seen, repeats: int) -> Scores:
    """Induction and echo heads on random tokens said `repeats` times: mean weight on the token after the same token, or on it.

    The larger of the two for each query head, over the last repetition. Source: RazorAttention, section 3.3, which repeats
    four times 2,500 tokens.
    """
    period = seen.tokens // repeats
    last = torch.arange(seen.tokens - period, seen.tokens)
    held = []
    for layer in range(len(seen.layers)):
        told = weights(seen, layer).flatten(0, 1)[:, -period:].cpu()
        echo, induction = torch.zeros(told.shape[0]), torch.zeros(told.shape[0])
        for back in range(1, repeats):
            earlier = last - back * period
            echo += told[:, torch.arange(period), earlier].mean(-1)
            # The token after it is the query's own successor: of the last token it may be the query itself.
            induction += told[:, torch.arange(period), earlier + 1].mean(-1)
        held.append(tuple(torch.maximum(echo, induction).tolist()))
    return tuple(held)


def shared(scores: Scores, groups: int) -> Scores:
    """The best query head of each group of `groups`: scores by key-value head."""
    return tuple(
        tuple(max(layer[at : at + groups]) for at in range(0, len(layer), groups)) for layer in scores
    )


def search(
    reward: Callable[[Tensor], float],
    layers: int,
    heads: int,
    rounds: int,
    price: float = 0.5,
    seed: int = 0,
) -> Scores:
    """Finds which heads have to keep everything, by policy gradient on a gate for each: chances in [0, 1].

    In each round gates bool[layers, heads] are drawn; `reward` tells what the model then gets right, in [0, 1], and `price` is
    taken off for the share of open gates. Gates that came with more than the mean reward become likelier.
    Source: RLKV, section 3, with chances and a likelihood-ratio gradient in place of mixing weights and their own gradient.
    """
    lot = torch.Generator().manual_seed(seed)
    logits, usual = torch.zeros(layers, heads), None
    for _ in range(rounds):
        chances = logits.sigmoid()
        gates = torch.rand(layers, heads, generator=lot) < chances
        told = reward(gates) - price * float(gates.float().mean())
        usual = told if usual is None else usual
        logits += RATE * (told - usual) * (gates.float() - chances)
        usual += FOLLOW * (told - usual)
    return tuple(tuple(row) for row in logits.sigmoid().tolist())


def read_scores(path: Path) -> Scores:
    """Scores from a JSON file, a list of numbers for each layer.

    Raises:
        UnknownFormat: anything else.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        scores = tuple(tuple(float(score) for score in layer) for layer in told)
    except (ValueError, TypeError) as error:
        raise UnknownFormat(f"{path}: expected JSON, a list of numbers for each layer: {error}") from error
    if not scores or len({len(layer) for layer in scores}) != 1:
        raise BadSetting("heads", str(path), "as many scores in every layer, and one layer at least", "file")
    return scores
