"""Attention over caches whose heads hold different numbers of tokens, against a full cache and against sums by hand."""

from __future__ import annotations

from math import exp, log
from typing import Any

import pytest
import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from engrams.errors import BadSetting
from engrams.kv.attention import attend, ragged, read
from engrams.kv.block import Block, BlockLayer
from engrams.kv.policies.scoring import weights
from engrams.kv.policy import Kept, KeptLayer
from engrams.kv.ragged import RaggedCache, side_by_side

TEXT = tuple(range(20))
ASKED = torch.tensor([[3, 4, 5], [7, 8, 9]])


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config).eval().requires_grad_(False)


def block_of(cache: Any) -> Block:
    return Block.of([(layer.keys[0], layer.values[0]) for layer in cache.layers], TEXT, "a model")


def choice(*heads: list[int]) -> KeptLayer:
    return KeptLayer(tuple(torch.tensor(head) for head in heads))


def test_a_ragged_cache_with_everything_is_a_common_cache(model: Any) -> None:
    cache, _ = read(model, TEXT, 0)
    with ragged(model):
        ours = model(input_ids=ASKED, past_key_values=RaggedCache(block_of(cache).layers, 20)).logits
    common = DynamicCache(config=model.config)
    for number, layer in enumerate(cache.layers):
        common.update(layer.keys.expand(2, -1, -1, -1), layer.values.expand(2, -1, -1, -1), number)
    theirs = model(input_ids=ASKED, past_key_values=common).logits
    assert (ours - theirs).abs().max() < 1e-6


def test_layers_and_heads_of_different_length_are_a_mask_over_the_full_cache(model: Any) -> None:
    kept = [[[0, 5, 19], [2, 3, 4, 5, 6, 7]], [list(range(20)), [1]], [[4, 8], [0, 9, 10, 11]]]
    cache, _ = read(model, TEXT, 0)
    small = block_of(cache).keep(Kept(tuple(choice(*heads) for heads in kept)), {})
    then = RaggedCache(small.layers, 20)
    with ragged(model):
        # Several tokens at once, then some more behind them.
        first = model(input_ids=ASKED[:1], past_key_values=then).logits
        second = model(input_ids=ASKED[1:], past_key_values=then).logits
    assert then.get_seq_length() == 26
    masked = Masked(model, kept)
    with masked:
        whole = model(input_ids=torch.cat((torch.tensor([TEXT]), ASKED[:1], ASKED[1:]), 1)).logits
    assert (torch.cat((first, second), 1) - whole[:, 20:]).abs().max() < 1e-5


class Masked:
    """Full attention in which tokens from 20 on see only what each head kept of those before: by hooks, with nothing of ours."""

    def __init__(self, model: Any, kept: list[list[list[int]]]) -> None:
        self.model, self.kept = model, kept

    def __enter__(self) -> None:
        from transformers import AttentionInterface

        def masked(module: Any, query: Any, key: Any, value: Any, mask: Any, **kwargs: Any) -> Any:
            length = query.shape[2]
            seen = torch.ones(length, length).tril().bool().repeat(4, 1, 1)
            for head in range(4):
                gone = [t for t in range(20) if t not in self.kept[module.layer_idx][head // 2]]
                seen[head, 20:, gone] = False
            key, value = key.repeat_interleave(2, 1), value.repeat_interleave(2, 1)
            logits = (query @ key.mT * kwargs["scaling"]).masked_fill(~seen, float("-inf"))
            return (logits.softmax(-1) @ value).transpose(1, 2), None

        self.before = self.model.config._attn_implementation
        AttentionInterface.register("masked-by-hand", masked)
        self.model.set_attn_implementation("masked-by-hand")

    def __exit__(self, *told: object) -> None:
        self.model.set_attn_implementation(self.before)


def test_a_stand_in_counts_as_often_as_the_tokens_it_replaces() -> None:
    # One head, one channel, scale 1. A token of logit 1 and value 10, a stand-in of logit 0.5 and value 20 for 3 tokens.
    held = BlockLayer(
        torch.tensor([[1.0], [0.5]]),
        torch.tensor([[10.0], [20.0]]),
        torch.tensor([0, 1]),
        (2,),
        torch.tensor([0.0, log(3)]),
    )
    keys, values = side_by_side(held)
    out, _ = attend(torch.nn.Identity(), torch.ones(1, 1, 1, 1), keys, values, None, scaling=1.0)
    wanted = (exp(1) * 10 + 3 * exp(0.5) * 20) / (exp(1) + 3 * exp(0.5))
    assert out.item() == pytest.approx(wanted, rel=1e-6)


def test_padding_gets_no_weight() -> None:
    held = BlockLayer(torch.ones(3, 2), torch.tensor([[1.0], [5.0], [5.0]]), torch.tensor([0, 0, 1]), (1, 2))
    keys, values = side_by_side(held)
    out, _ = attend(torch.nn.Identity(), torch.ones(1, 2, 1, 2), keys, values, None)
    assert keys.shape == (1, 2, 2, 3)
    assert out.flatten().tolist() == [1.0, 5.0]


def test_another_attention_function_refuses_a_ragged_cache(model: Any) -> None:
    cache, _ = read(model, TEXT, 0)
    with pytest.raises(RuntimeError, match="size"):
        model(input_ids=ASKED, past_key_values=RaggedCache(block_of(cache).layers, 20))


def test_a_model_generates_behind_a_ragged_cache(model: Any) -> None:
    cache, _ = read(model, TEXT, 0)
    told = {"max_new_tokens": 4, "do_sample": False, "eos_token_id": None}
    tokens = torch.tensor([[*TEXT, 1]])
    seen = torch.ones_like(tokens)
    with ragged(model):
        ours = model.generate(
            tokens, attention_mask=seen, past_key_values=RaggedCache(block_of(cache).layers, 20), **told
        )
    assert torch.equal(ours, model.generate(tokens, attention_mask=seen, **told))


def test_what_was_added_can_be_taken_away_and_nothing_else(model: Any) -> None:
    cache, _ = read(model, TEXT, 0)
    then = RaggedCache(block_of(cache).layers, 20)
    size = then.bytes
    with ragged(model):
        first = model(input_ids=ASKED[:1], past_key_values=then).logits
        assert (
            then.bytes == size + 3 * 2 * 2 * 3 * 8 * 4
        )  # layers, keys and values, heads, tokens, channels, bytes
        for layer in then.layers:
            layer.crop(-3)
        assert torch.equal(first, model(input_ids=ASKED[:1], past_key_values=then).logits)
    with pytest.raises(BadSetting, match="-3 to 0"):
        then.layers[0].crop(-4)


def test_padding_in_a_batch_is_refused(model: Any) -> None:
    with ragged(model), pytest.raises(BadSetting, match="padding"):
        model(input_ids=ASKED, attention_mask=torch.tensor([[0, 1, 1], [1, 1, 1]]))


def test_the_model_attends_as_before_afterwards(model: Any) -> None:
    before = model.config._attn_implementation
    with ragged(model):
        assert model.config._attn_implementation != before
    assert model.config._attn_implementation == before


def test_weights_are_those_of_the_model(model: Any) -> None:
    _, seen = read(model, TEXT, 5)
    model.set_attn_implementation("eager")
    told = model(input_ids=torch.tensor([TEXT]), output_attentions=True).attentions
    model.set_attn_implementation("sdpa")
    for layer, whole in enumerate(told):
        assert torch.allclose(weights(seen, layer).flatten(0, 1), whole[0, :, -5:], atol=1e-6)


def test_more_queries_than_tokens_are_refused(model: Any) -> None:
    with pytest.raises(BadSetting, match="0 to 20"):
        read(model, TEXT, 21)
