"""Cache-Craft: its scores on numbers worked out by hand, what it computes of a prompt, and which cache goes."""

from __future__ import annotations

from dataclasses import replace
from math import exp

import pytest
import torch

from engrams.errors import BadSetting
from engrams.kv.reuse.craft import CacheCraft
from engrams.kv.reuse.craft_scores import (
    Contact,
    attention_to,
    contact,
    context_impact,
    disorder,
    fix_overhead,
    overlap,
)
from engrams.kv.reuse.craft_store import ChunkCaches, Variant, name_of
from engrams.kv.reuse.joining import Piece
from tests.rooms.kv.readers import BEGINNING, CHUNKS, TEXT, Reader, distance

#: Two tokens behind "a" (one token) and "b" (two), in two layers.
HELD = Contact(
    prefix=("a", "b"),
    lengths=(1, 2),
    outside=((0.2, 0.4), (0.4, 0.8)),
    inside=(1.0, 0.6),
    tokens=(0.3, 0.6),
)
ALONE = Contact((), (), ((), ()), (1.0, 1.0), (0.0, 0.0))


def test_attention_of_one_head_by_hand() -> None:
    """Logits 0 and ln 3 for the second token: a quarter and three quarters; the first sees itself only."""
    keys = torch.tensor([[[0.0], [1.0]]])
    queries = torch.log(torch.tensor([[[3.0], [3.0]]]))
    seen = attention_to(queries, keys, torch.tensor([0, 1]), scale=1.0)
    assert seen.flatten().tolist() == pytest.approx([1, 0, 0.25, 0.75])
    # Two query heads on one key head: the mean of both.
    both = attention_to(torch.cat([queries, queries * 0]), keys, torch.tensor([0, 1]), scale=1.0)
    assert both[1].tolist() == pytest.approx([0.375, 0.625])


def test_contact_sums_attention_by_chunk() -> None:
    """A beginning (place 0), chunk a (1, 2), this chunk (3, 4)."""
    first = torch.tensor([[0.4, 0.1, 0.2, 0.3, 0.0], [0.2, 0.1, 0.1, 0.2, 0.4]])
    second = torch.tensor([[0.5, 0.0, 0.0, 0.5, 0.0], [0.0, 0.5, 0.5, 0.0, 0.0]])
    seen = contact([first, second], (3, 5), [(1, 3)], ["a"])
    assert seen.prefix == ("a",)
    assert seen.lengths == (2,)
    assert [row[0] for row in seen.outside] == pytest.approx([0.5, 1.0])
    assert seen.inside == pytest.approx((0.9, 0.5))
    assert seen.tokens == pytest.approx((0.15, 0.6))  # (0.3 + 0) / 2 and (0.2 + 1) / 2


def test_context_impact_by_hand() -> None:
    """a: ((0.2/2 + 0.4/4) + (0.4/2 + 0.8/4)) / 2 = 0.3; b: (1.0/4 + 0.6/4) / 2 = 0.2."""
    assert context_impact(HELD) == pytest.approx(1 / (1 + exp(-1.5)))
    assert context_impact(ALONE) == 0.5
    assert context_impact(replace(HELD, inside=(0.0, 0.0))) == 1.0
    assert context_impact(replace(ALONE, inside=(0.0, 0.0))) == 0.5


def test_overlap_weighs_chunks_by_the_attention_they_got() -> None:
    assert overlap(HELD, ["a"]) == pytest.approx(0.6 / 1.8)
    assert overlap(HELD, ["c", "b"]) == pytest.approx(1.2 / 1.8)
    assert overlap(HELD, ["b", "a"]) == 1.0
    assert overlap(HELD, []) == 0.0
    assert overlap(ALONE, []) == 1.0
    assert overlap(ALONE, ["a"]) == 0.0


def test_disorder_counts_pairs_that_stand_the_other_way_round() -> None:
    assert disorder("abc", "abc") == 0
    assert disorder("abc", "cba") == 1
    assert disorder("abc", "acb") == pytest.approx(1 / 3)
    assert disorder("abc", "xcya") == 1  # only a and c are in both
    assert disorder("a", "a") == 0


def test_fix_overhead_by_hand() -> None:
    impact = 1 / (1 + exp(-1.5))
    assert fix_overhead(HELD, ["a", "b"], alpha=1) == 0
    assert fix_overhead(HELD, ["b"], alpha=1) == pytest.approx(impact * (1 - 1.2 / 1.8))
    assert fix_overhead(HELD, ["b", "a"], alpha=1) == pytest.approx(impact)  # all there, the wrong way round
    assert fix_overhead(HELD, ["b"], alpha=0.5) == pytest.approx(impact / 6)
    assert fix_overhead(HELD, [], alpha=3) == 1


def piece(tokens: int = 2) -> Piece:
    return Piece(torch.zeros(tokens, dtype=torch.int64), torch.arange(tokens), ())


def test_the_best_variant_is_the_one_that_needs_least_fixing() -> None:
    caches = ChunkCaches()
    alone, behind = Variant("x", piece(), ALONE), Variant("x", piece(), HELD)
    caches.add(alone)
    caches.add(behind)
    assert caches.best("y", [], 1) is None
    assert caches.best("x", ["a", "b"], 1) == (behind, 0.0)
    assert caches.best("x", [], 1) == (alone, 0.0)
    found = caches.best("x", ["c"], 1)
    assert found is not None
    assert found[0] is alone  # it owes 0.5, the other 0.82
    assert found[1] == 0.5


def test_worth_grows_by_what_was_saved_and_the_least_worth_goes() -> None:
    caches = ChunkCaches(chunks=2, variants=1)
    first, second, third = (Variant(name, piece(), ALONE) for name in "xyz")
    caches.add(first)
    caches.add(second)
    caches.used(first, 0.5)
    caches.used(first, 0.25)
    caches.used(second, 0.2)
    assert (first.worth, second.worth) == (6.0, 5.0)
    assert caches.add(third) == (second,)
    assert {v.chunk for v in caches} == {"x", "z"}
    caches.used(third, 0.0)
    assert third.worth == 100.0  # an approximation: 1 over the least share that counts


def test_a_chunk_has_so_many_variants_and_one_for_each_prefix() -> None:
    caches = ChunkCaches(chunks=9, variants=2)
    one, two, three = (Variant("x", piece(), replace(HELD, prefix=(name, "b"))) for name in ("p", "q", "r"))
    again = Variant("x", piece(), replace(HELD, prefix=("p", "b")))
    assert caches.add(one) == ()
    assert caches.add(again) == (one,)
    assert caches.add(two) == ()
    caches.used(again, 1.0)
    assert caches.add(three) == (two,)
    assert len(caches) == 2
    for refused in ((0, 1), (1, 0)):
        with pytest.raises(BadSetting):
            ChunkCaches(*refused)


def test_the_first_time_a_prompt_is_computed_and_the_second_time_it_is_there(reader: Reader) -> None:
    craft, beginning = CacheCraft(), reader.piece(BEGINNING)
    first = craft.compose(reader.model, beginning, CHUNKS)
    assert distance(first.layers, reader.prefill(TEXT)) < 1e-5
    assert first.report.computed == (15,) * 4
    assert first.report.pieces == (0, 1, 1, 1)
    second = craft.compose(reader.model, beginning, CHUNKS)
    assert distance(second.layers, reader.prefill(TEXT)) < 1e-5
    assert second.report.token_layers == 0
    assert second.report.pieces == (0, 0, 0, 0)
    assert len(craft.caches) == 3


def test_in_another_order_the_tokens_that_looked_at_others_are_computed(reader: Reader) -> None:
    """Chunks 0 and 1, stored in that order, the other way round: the first owes 0.5, the other its impact."""
    craft, beginning = CacheCraft(), reader.piece(BEGINNING)
    craft.compose(reader.model, beginning, CHUNKS[:2])
    held = {v.chunk: v.contact for v in craft.caches}
    one, two = (held[name_of(chunk)] for chunk in CHUNKS[:2])
    assert one.outside == ((), (), (), ())
    turned = craft.compose(reader.model, beginning, [CHUNKS[1], CHUNKS[0]])
    impact = context_impact(two)
    assert 0.5 < impact < 1
    assert turned.report.pieces == pytest.approx((0, impact, 0.5))
    # Places: 1-4 the second chunk, 5-9 the first, of which 3 of 5 tokens: all looked at nobody, so the earliest.
    count = -int(-impact * 4 // 1)
    most = sorted(sorted(range(4), key=lambda i: (-two.tokens[i], i))[:count])
    assert turned.report.fresh == ((*(1 + i for i in most), 5, 6, 7),) * 4


def test_what_a_chunk_looked_at_is_what_an_eager_pass_says(reader: Reader) -> None:
    """The same sums from the attention that transformers itself gives out."""
    craft = CacheCraft()
    craft.compose(reader.model, reader.piece(BEGINNING), CHUNKS)
    held = {v.chunk: v.contact for v in craft.caches}[name_of(CHUNKS[2])]
    before = reader.model.config._attn_implementation
    reader.model.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            given = reader.model(input_ids=torch.tensor([TEXT]), output_attentions=True).attentions
    finally:
        reader.model.set_attn_implementation(before)
    rows = [layer[0].mean(0)[10:16] for layer in given]
    for number, row in enumerate(rows):
        assert held.outside[number] == pytest.approx(
            (float(row[:, 1:6].sum()), float(row[:, 6:10].sum())), abs=1e-5
        )
        assert held.inside[number] == pytest.approx(float(row[:, 10:].sum()), abs=1e-5)
    mean = sum(row[:, 1:10].sum(1) for row in rows) / 4
    assert held.tokens == pytest.approx(mean.tolist(), abs=1e-5)


def test_a_dear_neighbour_makes_a_chunk_new(reader: Reader) -> None:
    """With alpha 2 a chunk that was stored alone owes everything: it is computed whole and kept as another variant."""
    craft, beginning = CacheCraft(alpha=2.0), reader.piece(BEGINNING)
    craft.compose(reader.model, beginning, CHUNKS[1:2])
    composed = craft.compose(reader.model, beginning, CHUNKS[:2])
    assert composed.report.pieces == (0, 1, 1)
    assert distance(composed.layers, reader.prefill(BEGINNING + CHUNKS[0] + CHUNKS[1])) < 1e-5
    assert sorted(len(v.contact.prefix) for v in craft.caches if v.chunk == name_of(CHUNKS[1])) == [0, 1]


def test_looking_on_leaves_no_trace(reader: Reader) -> None:
    before = reader.model.config.to_dict(), reader.model.config._attn_implementation
    CacheCraft().compose(reader.model, reader.piece(BEGINNING), CHUNKS)
    assert (reader.model.config.to_dict(), reader.model.config._attn_implementation) == before


def test_what_cannot_be_composed_is_refused(reader: Reader) -> None:
    with pytest.raises(BadSetting, match="above 0"):
        CacheCraft(alpha=0)
    with pytest.raises(BadSetting, match="at least one token"):
        CacheCraft().compose(reader.model, reader.piece(BEGINNING), [[1], []])
