"""Where training begins: five attention heads laid out by hand, everything else random.

Left to itself a model of this size takes far longer than minutes to find such heads at all. So they are there from the start,
and training, which moves every weight, makes them work together. The residual stream has a place for each thing that is to
be known at a token: what it is, what stood before it, which source its chunk names, where that source leads.

- layer 0, head 0: the token before (rotary pairs turned back by one position)
- layer 0, head 2: the nearest token that is a source (entity or reference), at or before this one
- layer 1, head 0 and layer 3, head 0: where a reference leads; key: the tag before a source, value: that source
- layer 6, head 0: the value whose attribute and entity are those of the question
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from engrams_bench.kv import tasks
from torch import Tensor

LAYERS, WIDTH, HEADS, PAIRED_HEADS, HEAD_WIDTH, INNER = 8, 80, 4, 2, 32, 64
TURNS = HEAD_WIDTH // 2
#: Rotary base. Of 16 pairs those from 6 on turn by less than 0.6 over a context: they compare what is, not where.
BASE = 1e6
SLOW = [*range(6, TURNS), *range(6 + TURNS, HEAD_WIDTH)]
#: Places in the residual stream: a constant, "is a source", then codes of 12 (entities, attributes, values) or 7 (tags).
CONSTANT, IS_SOURCE = 0, 1
THING, VALUE, TAG = range(2, 14), range(14, 26), range(26, 33)
THING_BEFORE, TAG_BEFORE = range(33, 45), range(45, 52)
ENTITY_OF_CHUNK, REFERENCE_OF_CHUNK, REFERENCE_BEHIND = range(52, 64), range(64, 71), range(71, 78)
LENGTH = (78, 79)  # makes every token's vector equally long, since a head would else look at the short ones
STEADY = 0.7  # the constant
GAIN = 5.0  # by which the norm before attention scales a code of length 1, about
SPREAD = 0.05  # of the random weights
QUIET = 0.2  # by which random heads and inner layers are held back at the start
SHARP = 25.0  # logit of a match, above everything else


def model_config() -> dict[str, Any]:
    """The settings of the model, for `LlamaConfig`."""
    return {
        "vocab_size": tasks.VOCABULARY,
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": PAIRED_HEADS,
        "head_dim": HEAD_WIDTH,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": True,
        "initializer_range": SPREAD,
        "bos_token_id": tasks.BEGIN,
        "eos_token_id": None,
        "pad_token_id": tasks.PAD,
        "rope_parameters": {"rope_type": "default", "rope_theta": BASE},
    }


@torch.no_grad()
def lay_out(model: Any) -> None:
    """Sets embeddings and the five heads of a fresh model, in place."""
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight *= QUIET
        layer.mlp.down_proj.weight *= QUIET
    _embeddings(model.model.embed_tokens.weight)
    turn = model.model.rotary_emb.inv_freq
    _token_before(_Head(model, 0, 0), turn)
    _nearest_source(_Head(model, 0, 2))
    _follow(_Head(model, 1, 0), REFERENCE_OF_CHUNK, REFERENCE_BEHIND)
    _follow(_Head(model, 3, 0), REFERENCE_BEHIND, None)
    _read(_Head(model, 6, 0))


class _Head:
    """The weights of one query head and of the key-value head it shares, emptied."""

    def __init__(self, model: Any, layer: int, head: int) -> None:
        attention = model.model.layers[layer].self_attn
        own = slice(head * HEAD_WIDTH, (head + 1) * HEAD_WIDTH)
        shared = head // (HEADS // PAIRED_HEADS)
        paired = slice(shared * HEAD_WIDTH, (shared + 1) * HEAD_WIDTH)
        self.query: Tensor = attention.q_proj.weight[own]
        self.key: Tensor = attention.k_proj.weight[paired]
        self.value: Tensor = attention.v_proj.weight[paired]
        self.out: Tensor = attention.o_proj.weight[:, own]
        for weight in (self.query, self.key, self.value, self.out):
            weight.zero_()

    def carry(self, *moves: tuple[Sequence[int], Sequence[int] | None], weight: float = 1.0) -> None:
        """What this head takes from where it looks, and the place it puts it; None: taken, but put nowhere."""
        at = 0
        for source, target in moves:
            for place in range(len(source)):
                self.value[at, source[place]] = 1 / GAIN
                if target is not None:
                    self.out[target[place], at] = weight
                at += 1


def _embeddings(weight: Tensor) -> None:
    weight.normal_(0, 0.03)
    weight[tasks.PAD] = 0
    weight[:, CONSTANT] = STEADY
    things = torch.eye(12)
    # Eight directions in seven dimensions, each as far from the others as can be.
    tags = torch.linalg.qr(torch.eye(8) - 1 / 8)[0][:, :7]
    tags = tags / tags.norm(dim=1, keepdim=True)
    weight[tasks.ENTITY : tasks.ENTITY + tasks.ENTITIES, THING.start : THING.stop] += things
    weight[tasks.ATTRIBUTE : tasks.ATTRIBUTE + tasks.ATTRIBUTES, THING.start : THING.stop] -= things
    weight[tasks.VALUE : tasks.VALUE + tasks.VALUES, VALUE.start : VALUE.stop] += torch.cat((things, -things))
    weight[tasks.TAG : tasks.TAG + tasks.TAGS, TAG.start : TAG.stop] -= tags
    weight[tasks.REFERENCE : tasks.REFERENCE + tasks.TAGS, TAG.start : TAG.stop] += tags
    for first, count in ((tasks.ENTITY, tasks.ENTITIES), (tasks.REFERENCE, tasks.TAGS), (tasks.ANY, 1)):
        weight[first : first + count, IS_SOURCE] += 1
    longest = float(weight.pow(2).sum(1).max())
    for token in range(tasks.VOCABULARY):
        missing = math.sqrt(longest - float(weight[token].pow(2).sum()))
        filler = token - tasks.FILLER
        angle = 2 * math.pi * filler / tasks.FILLERS if filler >= 0 else 0.0
        weight[token, LENGTH[0]] += missing * math.cos(angle)
        weight[token, LENGTH[1]] += missing * math.sin(angle)


def _token_before(head: _Head, turn: Tensor) -> None:
    strength = 9 / (STEADY * GAIN)
    for pair in range(
        3
    ):  # the fastest: each is at its best one position back, and only together nowhere else
        head.query[pair, CONSTANT] = strength * torch.cos(turn[pair])
        head.query[pair + TURNS, CONSTANT] = -strength * torch.sin(turn[pair])
        head.key[pair, CONSTANT] = strength
    head.carry((THING, THING_BEFORE), (TAG, TAG_BEFORE))


def _nearest_source(head: _Head) -> None:
    near = math.sqrt(8 * math.sqrt(HEAD_WIDTH)) / (STEADY * GAIN)
    for pair in (3, 4):  # half a turn takes 42 and 99 tokens: within a few chunks, nearer is higher
        head.query[pair, CONSTANT] = head.key[pair, CONSTANT] = near
    kind = math.sqrt(20 * math.sqrt(HEAD_WIDTH))
    head.query[14, CONSTANT], head.key[14, IS_SOURCE] = kind / (STEADY * GAIN), kind / GAIN
    head.carry((THING, ENTITY_OF_CHUNK), (TAG, REFERENCE_OF_CHUNK))


def _follow(head: _Head, reference: range, further: range | None) -> None:
    strength = math.sqrt(SHARP * math.sqrt(HEAD_WIDTH)) / GAIN
    for place, (mine, theirs) in enumerate(zip(reference, TAG_BEFORE, strict=True)):
        head.query[SLOW[place], mine] = strength
        head.key[SLOW[place], theirs] = -strength  # a tag's code is the reference's, turned round
    head.carry((ENTITY_OF_CHUNK, ENTITY_OF_CHUNK), (REFERENCE_OF_CHUNK, further))


def _read(head: _Head) -> None:
    strength = 1.2 * math.sqrt(SHARP * math.sqrt(HEAD_WIDTH)) / GAIN
    half = len(SLOW) // 4
    by_attribute = SLOW[:half] + SLOW[2 * half : 3 * half]
    by_entity = SLOW[half : 2 * half] + SLOW[3 * half :]
    for rows, mine, theirs in (
        (by_attribute, THING, THING_BEFORE),
        (by_entity, ENTITY_OF_CHUNK, ENTITY_OF_CHUNK),
    ):
        code = torch.linalg.qr(torch.randn(len(mine), len(rows)))[0].T
        sign = -1 if mine is THING else 1
        head.query[rows, mine.start : mine.stop] = sign * strength * code
        head.key[rows, theirs.start : theirs.stop] = sign * strength * code
    head.carry((VALUE, VALUE), weight=4.0)
