"""What is answered behind a block, what it takes, how long things take."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from engrams.errors import BadSetting
from engrams.kv.attention import read
from engrams.kv.files import pack, to_bytes
from engrams.kv.measure import answers, block_of, cpu_seconds, size_of
from engrams.kv.policies.reference import Full
from engrams.kv.policies.streaming import Streaming

TEXT = tuple(range(5, 25))
QUESTIONS = ((1, 2), (3, 4), (2, 1))


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
    )
    return LlamaForCausalLM(config).eval().requires_grad_(False)


def test_each_question_is_put_alone(model: Any) -> None:
    _, seen = read(model, TEXT, 0)
    block = block_of(seen, TEXT)
    wanted = [int(model(input_ids=torch.tensor([[*TEXT, *q]])).logits[0, -1].argmax()) for q in QUESTIONS]
    assert answers(model, block, QUESTIONS) == wanted
    assert answers(model, block, QUESTIONS, Full()(seen, 0.5)) == wanted
    assert answers(model, block, QUESTIONS[1:2]) == wanted[1:2]
    with pytest.raises(BadSetting, match="one length"):
        answers(model, block, [(1,), (1, 2)])


def test_bytes_are_those_of_the_block(model: Any) -> None:
    _, seen = read(model, TEXT, 0)
    block = block_of(seen, TEXT)
    small = block.keep(Streaming(sinks=1)(seen, 0.5), {})
    whole, half = size_of(block), size_of(small)
    # Keys and values of 2 layers, 2 heads, 20 tokens, 8 channels in 4 bytes, and a position of 8 for each entry at most.
    numbers = 2 * 2 * 2 * 20 * 8 * 4
    assert numbers <= whole.memory <= numbers + 2 * 2 * 20 * 8
    # Half of the numbers, and a position for each entry, which a whole block need not write down.
    assert numbers / 2 <= half.memory <= numbers / 2 + 2 * 2 * 10 * 8
    assert whole.disk == len(to_bytes(pack(block)))
    assert size_of(block, "float16").memory < whole.memory


def test_time_is_that_of_the_work_after_a_first_try() -> None:
    calls = []
    assert cpu_seconds(lambda: calls.append(1), 3) >= 0
    assert len(calls) == 4
