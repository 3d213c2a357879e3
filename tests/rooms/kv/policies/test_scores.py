"""Policies that score tokens, each against a score worked out by hand."""

from __future__ import annotations

from math import exp, log, sqrt

import pytest
import torch

from engrams.errors import BadSetting
from engrams.kv.policies.attention_gate import AttentionGate, inputs, train
from engrams.kv.policies.cake import Cake, shares
from engrams.kv.policies.compress_kv import CompressKV
from engrams.kv.policies.expected_attention import ExpectedAttention
from engrams.kv.policies.h2o import H2O
from engrams.kv.policies.key_diff import KeyDiff
from engrams.kv.policies.reference import Full, Random
from engrams.kv.policies.scoring import smooth, weights
from engrams.kv.policies.snapkv import SnapKV
from engrams.kv.policies.spec_kv import SpecKV
from engrams.kv.policies.spec_pc import SpecPC
from engrams.kv.policy import Seen, SeenLayer
from tests.rooms.kv.policies.by_hand import close, places, plain, seen, told

#: Two queries of the last two of six tokens.
LAST_TWO = [[0.5, 0.1, 0.2, 0.0, 0.2], [0.1, 0.3, 0.0, 0.4, 0.1, 0.1]]


def last_two() -> Seen:
    return seen(told(LAST_TWO, [4, 5], 6), asked=[4, 5])


def test_weights_are_what_was_written_down() -> None:
    found = weights(last_two(), 0)[0, 0]
    assert close(found[0], [0.5, 0.1, 0.2, 0.0, 0.2, 0.0])
    assert close(found[1], LAST_TWO[1])


def test_smoothing_counts_zeros_beyond_the_ends() -> None:
    assert close(smooth(torch.tensor([3.0, 0.0, 6.0, 3.0]), 3), [1.0, 3.0, 3.0, 3.0])
    assert close(smooth(torch.tensor([3.0, 1.0]), 1), [3.0, 1.0])


def test_full_keeps_everything_and_random_the_same_draw_every_time() -> None:
    cache = plain(8, layers=2, heads=2)
    assert places(Full()(cache, 0.1)) == [[list(range(8))] * 2] * 2
    first = places(Random(3)(cache, 0.5))
    assert first == places(Random(3)(cache, 0.5)) != places(Random(4)(cache, 0.5))
    assert all(len(head) == 4 for layer in first for head in layer)
    assert first[0][0] != first[0][1]


@pytest.mark.parametrize("budget", [0.0, -0.1, 1.1])
def test_a_budget_is_a_share(budget: float) -> None:
    with pytest.raises(BadSetting, match="above 0 and at most 1"):
        Random()(plain(4), budget)


def test_h2o_sums_what_each_token_got() -> None:
    cache = seen(told([[1.0], [0.3, 0.7], [0.1, 0.1, 0.8]], [0, 1, 2], 3), asked=[0, 1, 2])
    assert close(H2O(recent=0).score(cache, 0)[0], [1.4, 0.8, 0.8])
    # By query: three could see the first token, two the second, one the third.
    assert close(H2O(recent=0, per_query=True).score(cache, 0)[0], [1.4 / 3, 0.4, 0.8])
    assert places(H2O(recent=0)(cache, 0.4)) == [[[0]]]
    assert places(H2O(recent=0, per_query=True)(cache, 0.4)) == [[[2]]]


def test_h2o_keeps_half_of_the_budget_for_the_last_tokens() -> None:
    line = [0.0, 0.6, 0.3, 0.1, 0.0, 0.0]
    cache = seen(told([line], [5], 6), asked=[5])
    assert places(H2O()(cache, 4 / 6)) == [[[1, 2, 4, 5]]]
    assert places(H2O(recent=0)(cache, 3 / 6)) == [[[1, 2, 3]]]


def test_snapkv_keeps_the_window_and_what_it_looks_at() -> None:
    # Means over the two queries, of the four tokens before the window: .3, .2, .1, .2.
    policy = SnapKV(window=2, kernel=1)
    assert close(policy.score(last_two(), 0)[0, :4], [0.3, 0.2, 0.1, 0.2])
    assert places(policy(last_two(), 0.5)) == [[[0, 4, 5]]]
    # Smoothed over three: .5/3, .6/3, .5/3, .3/3, so the second token comes first.
    assert close(SnapKV(2, 3).score(last_two(), 0)[0, :4], [0.5 / 3, 0.2, 0.5 / 3, 0.1])
    assert places(SnapKV(2, 3)(last_two(), 0.5)) == [[[1, 4, 5]]]


def test_a_policy_that_looks_at_queries_says_so_when_there_are_none() -> None:
    with pytest.raises(BadSetting, match="queries"):
        SnapKV()(plain(4), 0.5)
    with pytest.raises(BadSetting, match="odd"):
        SnapKV(kernel=4)


def test_spec_kv_counts_what_the_draft_wrote() -> None:
    # The only query is of a token behind the text: nothing of the text has to stay for having asked.
    ahead = seen(told([[0.1, 0.2, 0.6, 0.1]], [4], 4), asked=[4])
    assert places(SpecKV(window=0, kernel=1)(ahead, 0.5)) == [[[1, 2]]]


def test_spec_pc_makes_one_choice_for_all_layers() -> None:
    one = told([[0.7, 0.1, 0.1, 0.1]], [4], 4)
    other = told([[0.1, 0.1, 0.2, 0.6]], [4], 4)
    cache = seen(one, other, asked=[4])
    assert close(SpecPC(kernel=1).score(cache), [0.7, 0.1, 0.2, 0.6])
    assert places(SpecPC(window=0, kernel=1)(cache, 0.5)) == [[[0, 3]], [[0, 3]]]


def test_cake_prefers_layers_that_look_widely_and_change() -> None:
    # Two queries, two tokens before the window. Layer 0: (.5 .5 → 0 of the rest) and (.25 .25); layer 1 the same weight on one.
    wide = told([[0.4, 0.4, 0.2], [0.2, 0.2, 0.3, 0.3]], [2, 3], 4)
    narrow = told([[0.8, 0.0, 0.2], [0.7, 0.0, 0.15, 0.15]], [2, 3], 4)
    cache = seen(wide, narrow, asked=[2, 3])
    policy = Cake(window=2, kernel=1)
    a, b = (weights(cache, layer)[..., :2] for layer in (0, 1))
    spread = -(2 * 0.4 * log(0.4) + 2 * 0.2 * log(0.2))
    change = 2 * ((0.4 - 0.2) ** 2 / 2)  # the variance of two numbers is half the square of their distance
    assert policy.preference(a) == pytest.approx(spread * change, rel=1e-4)
    assert policy.preference(b) == pytest.approx(-(0.8 * log(0.8) + 0.7 * log(0.7)) * 0.1**2 / 2, rel=1e-3)
    # Of a budget of 3 a layer, 2 are the window's; the two that are left go to layer 0.
    assert places(policy(cache, 0.75)) == [[[0, 1, 2, 3]], [[2, 3]]]
    assert Cake(tau_spread=2, tau_change=0.5).preference(a) == pytest.approx(
        sqrt(spread) * change**2, rel=1e-4
    )


def test_cake_scores_what_changes() -> None:
    # The same mean, .3; the second token's weights differ by .2, so that 200 times the variance .02 decides.
    cache = seen(told([[0.3, 0.4, 0.3], [0.3, 0.2, 0.3, 0.2]], [2, 3], 4), asked=[2, 3])
    assert close(Cake(window=2, kernel=1)(cache, 0.75).scores[0][0, :2], [0.3, 0.3 + 200 * 0.02])


def test_shares_give_what_one_cannot_take_to_the_others() -> None:
    assert shares([3.0, 1.0], 4, 10) == [3, 1]
    assert shares([3.0, 1.0], 8, 5) == [5, 3]
    assert shares([0.0, 0.0, 0.0], 4, 10) == [2, 1, 1]
    assert sum(shares([0.3, 0.2, 0.1], 7, 3)) == 7


def test_compress_kv_lets_the_best_heads_choose_for_all() -> None:
    # Two query heads share one key-value head; only the second looks things up.
    layer = told([[0.6, 0.2, 0.1, 0.1], [0.1, 0.1, 0.7, 0.1]], [3, 3], 4)
    heads = SeenLayer(layer.keys, layer.values, layer.queries[0][:, None, :])
    cache = seen(heads, asked=[3])
    policy = CompressKV(heads=((0.1, 0.9),), window=1, kernel=1, best_heads=1)
    assert close(policy.score(cache, 0)[:3], [0.1, 0.1, 0.7])
    assert places(policy(cache, 0.5)) == [[[2, 3]]]
    assert places(CompressKV(((0.9, 0.1),), window=1, kernel=1, best_heads=1)(cache, 0.5)) == [[[0, 3]]]
    with pytest.raises(BadSetting, match="query heads"):
        CompressKV(((0.1,),))(cache, 0.5)


def test_compress_kv_gives_more_to_layers_that_suffer() -> None:
    policy = CompressKV(((1.0,),) * 3, errors=(6.0, 3.0, 1.0), least=2)
    # Three layers of 10 on average: 2 each, and of 24 more 14.4, 7.2, 2.4.
    assert policy.counts(plain(40, layers=3), 10) == [17, 9, 4]
    assert CompressKV(((1.0,),) * 3).counts(plain(40, layers=3), 10) == [10, 10, 10]
    assert (
        sum(CompressKV(((1.0,),) * 3, errors=(1.0, 0.0, 0.0), least=0).counts(plain(25, layers=3), 10)) == 30
    )


def test_expected_attention_of_queries_that_never_change() -> None:
    # Frequencies 0: nothing turns. Queries are all (1, 0), so the spread is 0 and logits are k·(1, 0)/√2.
    keys = torch.tensor([[[0.0, 9.0], [1.0, 5.0], [2.0, 7.0]]])
    values = torch.tensor([[[1.0, 0.0], [4.0, 0.0], [1.0, 0.0]]])
    layer = SeenLayer(keys, values, torch.tensor([[[1.0, 0.0]] * 3]))
    cache = Seen((layer,), torch.arange(3), torch.arange(3), torch.zeros(1))
    e = [exp(x / sqrt(2)) for x in (0, 1, 2)]
    assert close(
        ExpectedAttention(sinks=0).score(cache, 0)[0], [e[0] / sum(e), 4 * e[1] / sum(e), e[2] / sum(e)]
    )
    assert places(ExpectedAttention(sinks=0)(cache, 0.4)) == [[[1]]]
    # With one sink it stays, and has no part in the shares of the others.
    score = ExpectedAttention(sinks=1).score(cache, 0)[0]
    assert close(score, [0.0, 4 * e[1] / (e[1] + e[2]), e[2] / (e[1] + e[2])])
    assert places(ExpectedAttention(sinks=1)(cache, 0.4)) == [[[0]]]


def test_expected_attention_counts_how_much_queries_differ() -> None:
    # Queries (1, 0) and (-1, 0): mean 0, spread 1 in the first channel, so that a key's logit is k²/2·½.
    keys = torch.tensor([[[0.0, 3.0], [2.0, 0.0]]])
    layer = SeenLayer(keys, torch.ones(1, 2, 2), torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]]))
    cache = Seen((layer,), torch.arange(2), torch.arange(2), torch.zeros(1))
    worth = sqrt(2)
    assert close(
        ExpectedAttention(sinks=0).score(cache, 0)[0], [worth / (1 + exp(1)), worth * exp(1) / (1 + exp(1))]
    )


def test_expected_attention_turns_the_mean_query_to_positions_to_come() -> None:
    # One pair that turns by π/2 a token. Queries (1, 0) at position 0 and (0, 1) at 1 are the same before rotation, (1, 0).
    quarter = torch.tensor([torch.pi / 2])
    keys = torch.tensor([[[-1.0, 0.0], [0.0, 5.0]]])
    layer = SeenLayer(keys, torch.ones(1, 2, 2), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]))
    cache = Seen((layer,), torch.arange(2), torch.arange(2), quarter)
    # The next position is 2, half a turn: the query is (-1, 0) there.
    logit = [1 / sqrt(2), 0.0]
    total = exp(logit[0]) + 1
    wanted = [sqrt(2) * exp(logit[0]) / total, sqrt(2) / total]
    assert close(ExpectedAttention(future=1, sinks=0).score(cache, 0)[0], wanted)


def test_key_diff_keeps_what_is_unlike_the_rest() -> None:
    # Directions (1,0), (1,0), (0,1): their mean is (2/3, 1/3), with cosines 2/√5, 2/√5 and 1/√5. Length does not count.
    keys = torch.tensor([[[3.0, 0.0], [1.0, 0.0], [0.0, 9.0]]])
    assert close(KeyDiff().score(keys)[0], [-2 / sqrt(5), -2 / sqrt(5), -1 / sqrt(5)])
    cache = Seen(
        (SeenLayer(keys, keys, keys[:, :0]),), torch.arange(3), torch.zeros(0).long(), torch.zeros(1)
    )
    assert places(KeyDiff()(cache, 0.4)) == [[[2]]]


def test_a_gate_learns_what_was_needed() -> None:
    cache = plain(12, width=4)
    seen_by = inputs(cache, 0)
    assert seen_by.shape == (1, 12, 9)
    rule = torch.linspace(-0.2, 0.2, 9)
    gate = train([cache], [[(seen_by @ rule).exp()]], ridge=1e-6)
    wanted = (seen_by @ rule)[0].topk(6).indices.sort().values.tolist()
    assert places(gate(cache, 0.5)) == [[wanted]]
    with pytest.raises(BadSetting, match="gates"):
        AttentionGate(torch.zeros(1, 1, 3))(cache, 0.5)
