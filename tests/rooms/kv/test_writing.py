"""A draft model that writes ahead, and writing with a cache that stays small."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from engrams.errors import BadSetting, UnknownName
from engrams.kv.attention import CHOOSE, ragged
from engrams.kv.decoding import write
from engrams.kv.drafting import ahead, read_ahead, shortened
from engrams.kv.policies.catalogue import cards, find
from engrams.kv.policies.delta import Delta
from engrams.kv.policies.lazy_eviction import LazyEviction
from engrams.kv.policies.spec_pc import SpecPC
from engrams.kv.policy import Policy

TEXT = tuple(range(5, 25))


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
        initializer_range=0.3,
        eos_token_id=None,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config).eval().requires_grad_(False)


def by_itself(model: Any, count: int) -> tuple[int, ...]:
    """The likeliest tokens, the whole text read anew for each."""
    told = list(TEXT)
    for _ in range(count):
        told.append(int(model(input_ids=torch.tensor([told])).logits[0, -1].argmax()))
    return tuple(told[len(TEXT) :])


def test_a_draft_writes_what_it_finds_likeliest(model: Any) -> None:
    assert ahead(model, TEXT, 5) == by_itself(model, 5)


def test_what_was_written_ahead_is_asked_but_not_held(model: Any) -> None:
    cache, seen = read_ahead(model, TEXT, ahead(model, TEXT, 3), window=2)
    assert cache.layers[0].keys.shape[2] == seen.tokens == 20
    assert seen.asked.tolist() == [18, 19, 20, 21, 22]
    assert seen.layers[0].queries.shape == (4, 5, 8)
    with pytest.raises(BadSetting, match="0 to 20"):
        read_ahead(model, TEXT, (), window=21)


def test_a_prompt_is_shortened_to_what_the_draft_looked_at(model: Any) -> None:
    _, seen = read_ahead(model, TEXT, (1, 2), window=4)
    short = shortened(TEXT, SpecPC(window=4)(seen, 0.5))
    assert len(short) == 10 and short[-4:] == TEXT[-4:]
    assert list(short) == sorted(short)  # in their order: the text's tokens ascend


def test_writing_with_room_enough_is_writing(model: Any) -> None:
    told = write(model, TEXT, 12, LazyEviction(window=4), most=64)
    assert told.tokens == by_itself(model, 12)
    assert told.most_held == 31


def test_writing_with_little_room_never_holds_more(model: Any) -> None:
    told = write(model, TEXT, 30, LazyEviction(window=4), most=12)
    # The text at first, and from then on 12 and the four that come before the next look.
    assert told.most_held == 20
    assert write(model, TEXT[:8], 30, LazyEviction(window=4), most=12).most_held == 16
    assert told.tokens[0] == by_itself(model, 1)[0]
    with pytest.raises(BadSetting, match="window of 4"):
        write(model, TEXT, 3, LazyEviction(window=4), most=4)


def test_delta_with_everything_chosen_is_full_attention(model: Any) -> None:
    tokens = torch.tensor([TEXT])
    wanted = model(input_ids=tokens).logits
    with ragged(model):
        whole, some = Delta(1, (1,), share=1.0).pass_(), Delta(1, (1,), share=0.1, sinks=1, recent=1).pass_()
        assert (model(input_ids=tokens, **{CHOOSE: whole}).logits - wanted).abs().max() < 1e-5
        assert (model(input_ids=tokens, **{CHOOSE: some}).logits - wanted).abs().max() > 1e-3
    assert whole.share == 1.0
    assert 2 / 3 < some.share < 0.85


def test_every_policy_has_a_name_a_paper_and_says_where_it_departs() -> None:
    told = {card["name"]: card for card in cards()}
    assert len(told) == 20
    assert all(
        card["paper"] and card["differs"] for name, card in told.items() if name not in ("full", "random")
    )
    policy = find("snapkv")
    assert isinstance(policy, Policy) and policy.name == "snapkv"
    with pytest.raises(UnknownName, match="snapkv"):
        find("snap-kv")
