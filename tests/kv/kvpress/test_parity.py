"""The same tokens stay as kvpress keeps, on the same model and text: where kvpress has the policy."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import DynamicCache

from engrams.kv.attention import read
from engrams.kv.policies.expected_attention import ExpectedAttention
from engrams.kv.policies.h2o import H2O
from engrams.kv.policies.key_diff import KeyDiff
from engrams.kv.policies.snapkv import SnapKV
from engrams.kv.policies.streaming import Streaming
from engrams.kv.policies.think import ThinK
from engrams.kv.policy import Policy, cut
from tests.kv.tiny import VOCABULARY, llama

# Importing it changes transformers' attention functions for the whole process: only where it is installed, in an environment of
# its own.
kvpress = pytest.importorskip("kvpress")

TOKENS = 48


@pytest.fixture(scope="module")
def model() -> Any:
    made = llama(initializer_range=0.3)  # wide enough that no two scores are nearly equal
    made.set_attn_implementation("eager")
    return made.requires_grad_(False)


@pytest.fixture(scope="module")
def text() -> list[int]:
    return torch.randint(4, VOCABULARY, (TOKENS,), generator=torch.Generator().manual_seed(3)).tolist()


def left_by(model: Any, press: Any, text: list[int]) -> list[Any]:
    cache = DynamicCache(config=model.config)
    with torch.no_grad(), press(model):
        model.model(input_ids=torch.tensor([text]), past_key_values=cache)
    return [layer.keys[0] for layer in cache.layers]


def places_of(left: Any, full: Any) -> list[set[int]]:
    """Which tokens of float[H, T, D] the keys float[H, n, D] are, head by head."""
    apart = (left[:, :, None] - full[:, None]).abs().sum(-1)
    assert (apart.min(-1).values < 1e-3).all()  # two attention functions round differently
    return [set(row.tolist()) for row in apart.argmin(-1)]


PAIRS = {
    "key-diff": (KeyDiff(), lambda gone: kvpress.KeyDiffPress(gone)),
    "streaming": (Streaming(sinks=4), lambda gone: kvpress.StreamingLLMPress(gone, n_sink=4)),
    "snapkv": (
        SnapKV(window=8, kernel=5),
        lambda gone: kvpress.SnapKVPress(gone, window_size=8, kernel_size=5),
    ),
    "expected-attention": (
        ExpectedAttention(future=64, sinks=4),
        lambda gone: kvpress.ExpectedAttentionPress(gone, n_future_positions=64, n_sink=4),
    ),
    "h2o": (H2O(recent=0.0, per_query=True), lambda gone: kvpress.ObservedAttentionPress(gone)),
}


@pytest.mark.parametrize("budget", [0.5, 0.25])
@pytest.mark.parametrize("name", sorted(PAIRS))
def test_the_same_tokens_stay(model: Any, text: list[int], name: str, budget: float) -> None:
    policy, press = PAIRS[name]
    chosen: Policy = policy
    cache, seen = read(model, text, chosen.queries(TOKENS))
    kept = chosen(seen, budget)
    for layer, theirs in enumerate(left_by(model, press(1 - budget), text)):
        found = places_of(theirs, cache.layers[layer].keys[0])
        assert found == [set(index.tolist()) for index in kept.layers[layer].index]


@pytest.mark.parametrize("dropped", [4, 8, 12])
def test_the_same_channels_go(model: Any, text: list[int], dropped: int) -> None:
    width, window = 16, 8
    _, seen = read(model, text, window)
    thin = TOKENS - window
    budget = 1 - dropped * thin / (2 * TOKENS * width)
    kept = ThinK(window=window)(seen, budget)
    theirs = left_by(model, kvpress.ThinKPress(dropped / width, window_size=window), text)
    for layer, ours in enumerate(cut(seen, kept)):
        for head, (keys, _) in enumerate(ours):
            assert int((keys[0] == 0).sum()) == dropped
            # kvpress takes the channels from every token; the paper and we leave the last ones whole.
            assert torch.allclose(keys[:thin], theirs[layer][head, :thin], atol=1e-4)
