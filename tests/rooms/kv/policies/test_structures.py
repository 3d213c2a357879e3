"""Policies that keep whole heads, ends, ladders or channels, against what the paper's rule says by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from engrams.errors import BadSetting, UnknownFormat
from engrams.kv.policies.delta import Delta
from engrams.kv.policies.heads import copying, echoing, read_scores, search, shared
from engrams.kv.policies.la_cache import LaCache
from engrams.kv.policies.lazy_eviction import LazyEviction, Recurrence
from engrams.kv.policies.razor_attention import RazorAttention
from engrams.kv.policies.retrieval_heads import RetrievalHeads
from engrams.kv.policies.rlkv import RLKV
from engrams.kv.policies.streaming import Streaming
from engrams.kv.policies.task_kv import TaskKV
from engrams.kv.policies.think import ThinK
from engrams.kv.policy import Seen, SeenLayer, cut
from tests.rooms.kv.policies.by_hand import close, places, plain, seen, told


def test_streaming_keeps_the_ends() -> None:
    assert places(Streaming(sinks=2)(plain(10), 0.5)) == [[[0, 1, 7, 8, 9]]]
    assert places(Streaming(sinks=4)(plain(10), 0.2)) == [[[0, 1]]]
    assert places(Streaming()(plain(3), 1.0)) == [[[0, 1, 2]]]


def test_the_best_heads_keep_all_and_the_budget_is_met() -> None:
    # Two layers of two heads over 10 tokens; short heads keep 1 + 2. A budget of .65 is 26 entries: 12 and two times 7 more.
    heads = ((0.1, 0.9), (0.8, 0.2))
    kept = RetrievalHeads(heads, sinks=1, recent=2)(plain(10, 2, 2), 0.65)
    every, few = list(range(10)), [0, 8, 9]
    assert places(kept) == [[few, every], [every, few]]
    assert kept.entries() == 26
    assert places(RLKV(heads, 1, 2)(plain(10, 2, 2), 0.5)) == [[few, every], [few, few]]
    with pytest.raises(BadSetting, match=r"at least 0\.300"):
        RetrievalHeads(heads, 1, 2)(plain(10, 2, 2), 0.2)
    with pytest.raises(BadSetting, match="2 layers of 2 heads"):
        RetrievalHeads(((0.1,),), 1, 2)(plain(10, 2, 2), 0.5)


def test_razor_puts_one_token_in_place_of_what_it_drops() -> None:
    keys = torch.arange(12.0).reshape(1, 6, 2)
    cache = Seen(
        (SeenLayer(keys, keys + 100, torch.zeros(1, 0, 2)),),
        torch.arange(6),
        torch.zeros(0).long(),
        torch.ones(1),
    )
    kept = RazorAttention(((1.0,),), sinks=1, recent=1, recent_part=6, most=0.0)(cache, 0.5)
    assert places(kept) == [[[0, 5]]]
    stands = kept.layers[0].stand_ins
    assert stands is not None
    # Tokens 1 to 4 are dropped: their mean key is that of 2 (4, 5) and 3 (6, 7).
    assert close(stands.keys[0, 0], [5.0, 6.0])
    assert close(stands.values[0, 0], [105.0, 106.0])
    assert stands.weight.tolist() == [[4.0]]
    assert kept.entries() == 3
    plain_ends = RazorAttention(((1.0,),), 1, 1, 6, 0.0, compensate=False)(cache, 0.5)
    assert plain_ends.layers[0].stand_ins is None


def test_razor_keeps_a_fifth_recent_and_heads_that_keep_all_have_no_stand_in() -> None:
    kept = RazorAttention(((0.9, 0.1),), sinks=1, recent=0)(plain(20, 1, 2), 0.65)
    assert places(kept) == [[list(range(20)), [0, 16, 17, 18, 19]]]
    stands = kept.layers[0].stand_ins
    assert stands is not None and stands.weight.tolist() == [[0.0], [15.0]]
    assert kept.entries() == 26


def test_la_cache_lets_every_layer_keep_another_step() -> None:
    # Four layers, a span of 2: rungs of 1 + 2/2 = 2 tokens, of which 1 stays, by turns the first and the second.
    policy = LaCache(span=2, sinks=1)
    assert policy.rung(4) == (2, 1)
    assert places(policy(plain(9, 4), 5 / 9)) == [[[0, 1, 3, 5, 7]], [[0, 2, 4, 6, 8]]] * 2
    # Three fewer: one pass over the three oldest rungs is enough.
    assert places(policy(plain(9, 4), 6 / 9))[0] == [[0, 1, 3, 5, 7, 8]]
    # A second pass over what the first one left.
    assert places(policy(plain(9, 4), 3 / 9))[:2] == [[[0, 1, 5]], [[0, 4, 8]]]
    # An overlap of 1 in a span of 3 over 5 layers: rungs of 1 + 2/2 = 2 and 2 of them stay, which drops nothing.
    assert LaCache(span=3, overlap=1).rung(5) == (2, 2)
    with pytest.raises(BadSetting, match="span"):
        LaCache(span=4)(plain(9, 4), 0.5)


def test_think_drops_the_channels_that_queries_hardly_use() -> None:
    # Mean squares of queries (4, 1, 1, 0), of keys (1, 9, 1, 100): scores 4, 9, 1, 0.
    keys = torch.tensor([[[1.0, 3.0, 1.0, 10.0]] * 8])
    queries = torch.tensor([[[2.0, 1.0, 1.0, 0.0]] * 2])
    cache = Seen((SeenLayer(keys, keys, queries),), torch.arange(8), torch.tensor([6, 7]), torch.ones(2))
    policy = ThinK(window=2)
    assert close(policy.score(cache, 0)[0], [4.0, 9.0, 1.0, 0.0])
    # 8 tokens of 4 channels: values 32, the last two keys 8, so that of 64 · 13/16 = 52 numbers 12 are left for 6 keys.
    kept = policy(cache, 13 / 16)
    assert kept.layers[0].channels is not None and kept.layers[0].channels.tolist() == [[0, 1]]
    assert kept.layers[0].whole == 2
    assert kept.numbers(4) == 52
    thin = cut(cache, kept)[0][0][0]
    assert thin[0].tolist() == [1.0, 3.0, 0.0, 0.0] and thin[7].tolist() == [1.0, 3.0, 1.0, 10.0]
    with pytest.raises(BadSetting, match="only channels of keys"):
        policy(cache, 0.5)


def test_task_kv_keeps_heads_far_from_the_mean() -> None:
    # Three heads with outputs 1, 1 and 7: mean 3, distances 2, 2 and 4.
    keys = torch.zeros(3, 6, 2)
    keys[:, 3] = 8.0  # what all look at
    values = torch.ones(3, 6, 1) * torch.tensor([1.0, 1.0, 7.0])[:, None, None]
    cache = Seen(
        (SeenLayer(keys, values, torch.ones(3, 1, 2)),), torch.arange(6), torch.tensor([5]), torch.ones(1)
    )
    policy = TaskKV(window=1, sinks=1, recent=1, middle=1)
    assert close(policy.distance(cache, 0), [2.0, 2.0, 4.0])
    assert places(policy(cache, 0.7)) == [[[0, 3, 5], [0, 3, 5], [0, 1, 2, 3, 4, 5]]]


def test_copying_counts_heads_that_look_at_the_answer() -> None:
    cache = seen(told([[0.6, 0.3, 0.1], [0.1, 0.5, 0.4]], [3, 4], 5), asked=[3, 4])
    # The first query has to find place 0, the second place 2, which gets .4 and not most.
    assert copying(cache, [(3, [0]), (4, [2])]) == ((0.5,),)
    assert copying(cache, [(3, [0]), (4, [2])], span=True)[0][0] == pytest.approx(0.5)
    assert copying(cache, [(3, [0, 1])], span=True)[0][0] == pytest.approx(0.9)
    assert shared(((0.1, 0.5, 0.3, 0.2),), 2) == ((0.5, 0.3),)


def test_echoing_finds_heads_that_look_where_the_token_stood() -> None:
    # Three tokens said twice; the last three queries look at the same token, or at the one behind it.
    echo = told([[0.8, 0.1, 0, 0.1], [0, 0.8, 0.1, 0, 0.1], [0, 0, 0.8, 0.1, 0, 0.1]], [3, 4, 5], 6)
    assert echoing(seen(echo, asked=[3, 4, 5]), 2)[0][0] == pytest.approx(0.8)
    after = told([[0.1, 0.9], [0, 0.1, 0.9], [0, 0, 0.1, 0.9]], [3, 4, 5], 6)
    assert echoing(seen(after, asked=[3, 4, 5]), 2)[0][0] == pytest.approx(0.9)


def test_the_search_finds_the_head_that_the_answers_need() -> None:
    found = search(lambda gates: float(gates[1, 0]), 2, 2, rounds=200, price=0.4)
    best = max((score, (layer, head)) for layer, row in enumerate(found) for head, score in enumerate(row))
    assert best[1] == (1, 0) and best[0] > 0.9
    assert all(found[layer][head] < 0.5 for layer, head in ((0, 0), (0, 1), (1, 1)))


def test_scores_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "heads.json"
    path.write_text(json.dumps([[0.1, 0.2], [0.3, 0.4]]), encoding="utf-8")
    assert read_scores(path) == ((0.1, 0.2), (0.3, 0.4))
    path.write_text("[[0.1], [0.2, 0.3]]", encoding="utf-8")
    with pytest.raises(BadSetting, match="as many scores"):
        read_scores(path)
    path.write_text('{"heads": 1}', encoding="utf-8")
    with pytest.raises(UnknownFormat, match="list of numbers"):
        read_scores(path)


def test_lazy_eviction_waits_for_what_comes_back() -> None:
    nothing = Recurrence(torch.zeros(1, 0), torch.zeros(1, 0))
    known = nothing.observed(torch.tensor([[0.5, 0.5]]), 0, 0.1)
    known = known.observed(torch.tensor([[0.0, 0.6, 0.4]]), 1, 0.1)
    known = known.observed(torch.tensor([[0.9, 0.0, 0.0, 0.1]]), 3, 0.05)
    # Token 0 was looked at in steps 0 and 3, token 1 in 0 and 1, token 2 in 1 only, token 3 is new.
    assert known.last.tolist() == [[3.0, 1.0, 1.0, 3.0]]
    assert known.longest.tolist() == [[3.0, 1.0, 0.0, 0.0]]
    s = [1 / (1 + torch.tensor(x).exp().item()) for x in (0.0, 1 / 3, 2.0, 1.0)]
    wanted = [2 * s[0] + 2 * s[1], 2 * s[2] + 2 * s[3], 0.0, 1.0]
    assert close(LazyEviction().score(known, 3)[0], wanted)
    assert known.of(torch.tensor([[0, 3]])).last.tolist() == [[3.0, 3.0]]


def test_lazy_eviction_after_a_text_is_what_was_observed_in_it() -> None:
    lines = [[1.0], [0.5, 0.5], [0.9, 0.0, 0.1], [0.0, 0.0, 0.0, 1.0]]
    cache = seen(told(lines, [0, 1, 2, 3], 4), asked=[0, 1, 2, 3])
    known = LazyEviction(window=1, alpha=0.2).replay(cache, 0)
    assert known.last.tolist() == [[2.0, 1.0, 2.0, 3.0]]
    assert known.longest.tolist() == [[1.0, 0.0, 0.0, 0.0]]
    assert places(LazyEviction(window=1, alpha=0.2)(cache, 0.5)) == [[[0, 3]]]


def test_delta_looks_only_at_what_a_layer_before_chose() -> None:
    # One head, one channel, scale 1: logits are the keys. Six tokens, one query at the end.
    policy = Delta(full=1, choosing=(1,), share=0.34, sinks=1, recent=1)
    run = policy.pass_()
    able = torch.ones(1, 6, dtype=torch.bool)
    keys = torch.tensor([0.0, 5.0, 1.0, 4.0, 0.0, 0.0]).reshape(1, 1, 6, 1)
    query = torch.ones(1, 1, 1, 1)
    assert run(0, query, keys, 1.0, able) is None
    assert run(1, query, keys, 1.0, able) is None
    chosen = run(2, query, -keys, 1.0, able)
    assert chosen is not None and chosen.flatten().tolist() == [True, True, False, True, False, True]
    assert run.share == pytest.approx((6 + 6 + 4) / 18)
    with pytest.raises(BadSetting, match="choosing"):
        Delta(full=2, choosing=(1,))
