"""Keys turned to another position are what a prefill there gives; kinds that cannot be turned are refused by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import DynamicCache

from engrams.errors import BadSetting
from engrams.kv.rotary import Rotary
from tests.kv.tiny import LINEAR, LLAMA3, PLAIN, YARN, llama, some_tokens


def first_keys(model: Any, tokens: list[int], start: int) -> torch.Tensor:
    """Layer 0's keys [H, T, D]: they depend on each token and its position alone."""
    cache = DynamicCache()
    steps = torch.arange(start, start + len(tokens))[None]
    with torch.no_grad():
        model(input_ids=torch.tensor([tokens]), position_ids=steps, past_key_values=cache, use_cache=True)
    return cache.layers[0].keys[0]


@pytest.mark.parametrize("rope", [PLAIN, LINEAR, LLAMA3, YARN], ids=lambda rope: rope["rope_type"])
@pytest.mark.parametrize(("old", "new"), [(0, 37), (37, 0), (5, 400)])
def test_turned_keys_are_those_of_a_prefill(rope: dict[str, Any], old: int, new: int) -> None:
    model = llama(rope)
    tokens = some_tokens(12)
    rotary = Rotary.of(model)
    steps = torch.arange(len(tokens))
    turned = rotary.move(first_keys(model, tokens, old), steps + old, steps + new)
    there = first_keys(model, tokens, new)
    assert (turned - there).abs().max() < 1e-5
    assert (first_keys(model, tokens, old) - there).abs().max() > 1e-3  # untouched, they are not


def test_far_away_the_model_s_own_rounding_is_kept() -> None:
    """At position 100,000 a float32 angle is off by up to 0.004; the turn must be off by as much, not be exact."""
    model = llama()
    rotary = Rotary.of(model)
    tokens, steps = some_tokens(12), torch.arange(12)
    far = first_keys(model, tokens, 100_000)
    turned = rotary.move(first_keys(model, tokens, 0), steps, steps + 100_000)
    assert (turned - far).abs().max() < 1e-5


def test_a_turn_by_hand() -> None:
    """One pair, one radian per token: (1, 0) moved by 2 tokens is (cos 2, sin 2)."""
    rotary = Rotary(torch.tensor([1.0]))
    turned = rotary.move(torch.tensor([[1.0, 0.0]]), torch.tensor([3]), torch.tensor([5]))
    torch.testing.assert_close(turned, torch.tensor([[-0.41614684, 0.90929743]]))


@pytest.mark.parametrize(
    ("rope", "says"),
    [
        ({"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}, "dynamic"),
        (PLAIN | {"partial_rotary_factor": 0.5}, "8 of 16 channels|16 of 16 channels"),
        (PLAIN | {"mrope_section": [2, 3, 3]}, "M-RoPE"),
    ],
    ids=["dynamic", "partial", "m-rope"],
)
def test_other_kinds_are_refused(rope: dict[str, Any], says: str) -> None:
    with pytest.raises(BadSetting, match=says):
        Rotary.of(llama(rope))


def test_neighbouring_pairs_are_refused() -> None:
    """Cohere's models pair channels 2i and 2i + 1."""
    from transformers import CohereConfig, CohereForCausalLM

    config = CohereConfig(
        vocab_size=32,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    with pytest.raises(BadSetting, match="neighbouring"):
        Rotary.of(CohereForCausalLM(config))


def test_a_model_without_rotary_positions_is_refused() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=32, n_positions=32, n_embd=32, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0
    )
    with pytest.raises(BadSetting, match="no rotary"):
        Rotary.of(GPT2LMHeadModel(config))
