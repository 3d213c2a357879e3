"""What a model still answers behind a compressed cache, what that cache takes, and how long things take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch

from engrams.errors import BadSetting
from engrams.kv.attention import CHOOSE, Choose, ragged
from engrams.kv.block import Block
from engrams.kv.files import Storage, pack, to_bytes
from engrams.kv.policy import Kept, Seen
from engrams.kv.ragged import RaggedCache


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of a block: as it is held in memory, and as a file."""

    memory: int
    disk: int


def block_of(seen: Seen, tokens: Sequence[int], fingerprint: str = "") -> Block:
    """What was seen of a text as a whole block."""
    layers = [(layer.keys, layer.values) for layer in seen.layers]
    return Block.of(layers, tokens, fingerprint, int(seen.positions[0]))


def size_of(block: Block, storage: Storage = "same") -> Size:
    """What a block takes, measured."""
    packed = pack(block, storage)
    return Size(packed.bytes, len(to_bytes(packed)))


def answers(
    model: Any,
    block: Block,
    questions: Sequence[Sequence[int]],
    kept: Kept | None = None,
    choose: Choose | None = None,
) -> list[int]:
    """The likeliest next token after each question, each put alone behind the block: none sees another.

    Args:
        model: who answers.
        block: a text that was read.
        questions: as many tokens in each.
        kept: what of the block stays; None: everything.
        choose: which places a layer may attend to, as a policy of the forward pass says.

    Raises:
        BadSetting: questions of different length.
    """
    if len({len(question) for question in questions}) > 1:
        raise BadSetting(
            "questions", [len(question) for question in questions], "questions of one length", "answers"
        )
    held = block if kept is None else block.keep(kept, {})
    then = block.start + len(block.tokens)
    ids = torch.tensor([list(question) for question in questions], device=model.device)
    told = {} if choose is None else {CHOOSE: choose}
    with torch.no_grad(), ragged(model):
        out = model(input_ids=ids, past_key_values=RaggedCache(held.layers, then), logits_to_keep=1, **told)
    found: list[int] = out.logits[:, -1].argmax(-1).tolist()
    return found


def cpu_seconds(work: Callable[[], object], repeats: int) -> float:
    """Median CPU seconds of this process that `work` takes, once tried before it counts."""
    work()
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return median(taken)
