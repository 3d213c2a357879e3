"""Pieces put in a row: what is exact, what is not, and what a pass over some of the tokens computes."""

from __future__ import annotations

import pytest
import torch

from engrams.errors import BadSetting
from engrams.kv.reuse.joining import Joined, Layer, Piece, join
from engrams.kv.reuse.method import count_of, highest
from engrams.kv.reuse.passing import recompute
from engrams.kv.reuse.reference import Concatenate, RandomTokens, RecomputeAll, ReRotate
from engrams.kv.rotary import Rotary
from tests.rooms.kv.readers import BEGINNING, CHUNKS, TEXT, Reader, distance, stored, tiny

QUESTION = [13, 14, 15]


def test_pieces_stand_in_a_row(reader: Reader, pieces: list[Piece]) -> None:
    joined = join(pieces, Rotary.of(reader.model))
    assert joined.tokens.tolist() == TEXT
    assert joined.bounds == (0, 1, 6, 10, 16)
    assert joined.spans == ((0, 1), (1, 6), (6, 10), (10, 16))


def test_what_stands_where_it_was_read_is_exact(reader: Reader, pieces: list[Piece]) -> None:
    rotary = Rotary.of(reader.model)
    assert join(pieces, rotary).exact == 6  # the beginning and the first chunk
    assert join([pieces[0], pieces[2], pieces[1]], rotary).exact == 5
    assert join(pieces[1:], rotary).exact == 0  # read behind a beginning that is not here
    behind_another = reader.piece(CHUNKS[1], [9, *CHUNKS[0]])  # as long, but not what stands there
    assert join([*pieces[:2], behind_another], rotary).exact == 6
    true_next = reader.piece(CHUNKS[1], BEGINNING + CHUNKS[0])
    assert join([*pieces[:2], true_next], rotary).exact == 10


def test_a_prefix_composed_is_a_prefill(reader: Reader, pieces: list[Piece]) -> None:
    """Bit for bit where it was read in one go; else up to the rounding of passes of different length."""
    prefix = reader.prefill(BEGINNING + CHUNKS[0])
    assert distance(ReRotate()(reader.model, [reader.piece(BEGINNING + CHUNKS[0])]).layers, prefix) == 0
    composed = ReRotate()(reader.model, pieces[:2])
    assert distance(composed.layers, prefix) < 1e-5
    assert composed.report.share == 0


def test_turned_keys_of_the_first_layer_are_those_of_a_prefill(
    reader: Reader, pieces: list[Piece], whole: tuple[Layer, ...]
) -> None:
    """In the first layer a key knows only its token and its position."""
    turned = ReRotate()(reader.model, pieces).layers[0]
    assert float((turned[0] - whole[0][0]).abs().max()) < 1e-5
    assert float((turned[1] - whole[0][1]).abs().max()) < 1e-6
    plain = Concatenate()(reader.model, pieces).layers[0]
    assert float((plain[0] - whole[0][0]).abs().max()) > 1e-2


def test_nothing_computed_is_reported_as_such_and_is_no_prefill(
    reader: Reader, pieces: list[Piece], whole: tuple[Layer, ...]
) -> None:
    for method in (Concatenate(), ReRotate()):
        composed = method(reader.model, pieces)
        assert composed.report.token_layers == 0
        assert composed.report.share == 0
        assert composed.report.fresh == ((), (), (), ())
        assert distance(composed.layers, whole) > 1e-3


def test_recomputing_all_is_a_prefill(reader: Reader, pieces: list[Piece], whole: tuple[Layer, ...]) -> None:
    composed = RecomputeAll()(reader.model, pieces)
    assert distance(composed.layers, whole) < 1e-5
    assert composed.report.share == 1
    assert composed.report.computed == (16, 16, 16, 16)
    said = reader.logits(composed, QUESTION)
    with torch.no_grad():
        expected = reader.model(input_ids=torch.tensor([TEXT + QUESTION])).logits[0, -3:]
    assert float((said - expected).abs().max()) < 1e-5


def test_a_pass_writes_its_places_and_leaves_the_rest_bit_for_bit(
    reader: Reader, pieces: list[Piece]
) -> None:
    joined = join(pieces, Rotary.of(reader.model))
    before = [(k.clone(), v.clone()) for k, v in joined.layers]
    places = torch.tensor([7, 8, 12])
    passed = recompute(reader.model, joined, places)
    rest = [i for i in range(16) if i not in (7, 8, 12)]
    for (k, v), (old_k, old_v), (own_k, own_v) in zip(passed.layers, before, joined.layers, strict=True):
        assert torch.equal(k[:, rest], old_k[:, rest])
        assert torch.equal(v[:, rest], old_v[:, rest])
        assert torch.equal(own_k, old_k)  # what was handed in is left alone
        assert torch.equal(own_v, old_v)
    assert not torch.equal(passed.layers[2][1][:, 7], before[2][1][:, 7])


def test_a_computed_token_reads_old_and_new_keys_up_to_itself(reader: Reader, pieces: list[Piece]) -> None:
    """What is ahead of the computed tokens may be anything: it changes nothing."""
    joined = join(pieces, Rotary.of(reader.model))
    spoilt = Joined(
        joined.tokens,
        tuple((torch.cat([k[:, :9], 9 + k[:, 9:]], 1), v.clone()) for k, v in joined.layers),
        joined.bounds,
        joined.exact,
    )
    places = torch.tensor([7, 8])
    for one, other in zip(
        recompute(reader.model, joined, places).layers,
        recompute(reader.model, spoilt, places).layers,
        strict=True,
    ):
        assert torch.equal(one[0][:, :9], other[0][:, :9])


def test_a_pass_may_end_early(reader: Reader, pieces: list[Piece], whole: tuple[Layer, ...]) -> None:
    joined = join(pieces, Rotary.of(reader.model))
    passed = recompute(reader.model, joined, torch.arange(16), until=2)
    assert distance(passed.layers[:2], whole[:2]) < 1e-5
    assert distance(passed.layers[2:], joined.layers[2:]) == 0
    assert [len(p) for p in passed.places] == [16, 16, 0, 0]


def test_tokens_become_fewer_from_layer_to_layer(reader: Reader, pieces: list[Piece]) -> None:
    """A pass that drops tokens behind layer 1 gives the others what they would have got with the dropped ones left as they were."""
    joined = join(pieces, Rotary.of(reader.model))
    places = torch.arange(6, 16)
    narrowed = recompute(reader.model, joined, places, narrow={1: lambda *_: torch.tensor([0, 3, 4])})
    assert [p.tolist() for p in narrowed.places] == [list(range(6, 16))] * 2 + [[6, 9, 10]] * 2
    full = recompute(reader.model, joined, places)
    assert distance(narrowed.layers[:2], full.layers[:2]) == 0
    # In layer 2 a key is made of what layer 1 gave out: nobody was dropped there yet, so kept ones agree.
    k, v = narrowed.layers[2]
    assert float((k[:, [6, 9, 10]] - full.layers[2][0][:, [6, 9, 10]]).abs().max()) < 1e-6
    dropped = [7, 8, 11, 12, 13, 14, 15]
    assert torch.equal(k[:, dropped], joined.layers[2][0][:, dropped])
    assert torch.equal(v[:, dropped], joined.layers[2][1][:, dropped])
    # In layer 3 they differ: the kept ones now read the dropped ones' old keys.
    assert float((narrowed.layers[3][0][:, [9, 10]] - full.layers[3][0][:, [9, 10]]).abs().max()) > 1e-6


def test_a_pass_leaves_no_hook_and_no_setting_behind(reader: Reader, pieces: list[Piece]) -> None:
    joined = join(pieces, Rotary.of(reader.model))
    before = reader.model.config.to_dict()
    recompute(reader.model, joined, torch.arange(6, 16), narrow={0: lambda *_: torch.tensor([0])})
    assert all(not layer._forward_pre_hooks for layer in reader.model.model.layers)
    assert reader.model.config.to_dict() == before


def test_no_places_cost_nothing(reader: Reader, pieces: list[Piece]) -> None:
    joined = join(pieces, Rotary.of(reader.model))
    passed = recompute(reader.model, joined, torch.arange(0))
    assert distance(passed.layers, joined.layers) == 0


@pytest.mark.parametrize("places", [[3, 2], [2, 2], [-1, 0], [15, 16]])
def test_places_out_of_order_or_outside_are_refused(
    reader: Reader, pieces: list[Piece], places: list[int]
) -> None:
    joined = join(pieces, Rotary.of(reader.model))
    with pytest.raises(BadSetting, match="ascending places from 0 to 15"):
        recompute(reader.model, joined, torch.tensor(places))


def test_what_cannot_be_composed_is_refused() -> None:
    llama = tiny()
    joined = join(stored(llama), Rotary.of(llama.model))
    with pytest.raises(BadSetting, match="1 to 4"):
        recompute(llama.model, joined, torch.tensor([1]), until=5)
    with pytest.raises(BadSetting, match="at least one stored stretch"):
        join([], Rotary.of(llama.model))
    shallow = tiny(num_hidden_layers=2)
    with pytest.raises(BadSetting, match="pieces of one model"):
        join([llama.piece([0]), shallow.piece([1], [0])], Rotary.of(llama.model))
    with pytest.raises(BadSetting, match="as many positions"):
        Piece(torch.tensor([1, 2]), torch.tensor([0]), ())
    sliding = tiny("Qwen3", use_sliding_window=True, sliding_window=4, max_window_layers=2)
    assert "sliding_attention" in sliding.model.config.layer_types
    with pytest.raises(BadSetting, match="full attention in every layer"):
        recompute(sliding.model, joined, torch.tensor([1]))


def test_random_tokens_are_drawn_among_those_that_are_not_exact() -> None:
    llama = tiny()
    pieces = stored(llama)
    drawn = RandomTokens(ratio=0.3, seed=4)(llama.model, pieces).report
    assert drawn.computed == (5, 5, 5, 5)  # 0.3 of 16, rounded up
    assert drawn.fresh[0] == drawn.fresh[3]
    assert min(drawn.fresh[0]) >= 6
    assert RandomTokens(ratio=0.3, seed=4)(llama.model, pieces).report == drawn
    assert RandomTokens(ratio=0.3, seed=5)(llama.model, pieces).report.fresh != drawn.fresh
    assert RandomTokens(ratio=1.0)(llama.model, pieces).report.computed == (10,) * 4


def test_a_ratio_is_rounded_up_and_the_earlier_of_equals_is_taken() -> None:
    assert [count_of(r, 100) for r in (0.0, 0.15, 0.151, 1.0)] == [0, 15, 16, 100]
    assert highest(torch.tensor([1.0, 3.0, 3.0, 2.0, 3.0]), 2).tolist() == [1, 2]
    assert highest(torch.tensor([1.0, 3.0, 3.0, 2.0, 3.0]), 4).tolist() == [1, 2, 3, 4]


def test_another_call_in_the_middle_of_a_pass_is_left_alone(reader: Reader, pieces: list[Piece]) -> None:
    """The model serves a plain call while a pass with narrowing is under way, and neither notices the other."""
    joined = join(pieces, Rotary.of(reader.model))
    alone = recompute(reader.model, joined, torch.arange(6, 16), narrow={0: lambda *_: torch.tensor([0, 5])})
    plain = reader.prefill(TEXT)
    between: list[tuple[Layer, ...]] = []

    def all_of(_: int, places: torch.Tensor, *__: object) -> torch.Tensor:
        between.append(reader.prefill(TEXT))
        return torch.arange(len(places))

    narrow = {0: lambda *_: torch.tensor([0, 5]), 1: all_of}
    passed = recompute(reader.model, joined, torch.arange(6, 16), narrow=narrow)
    assert len(between) == 1
    assert distance(between[0], plain) == 0
    assert distance(passed.layers, alone.layers) == 0
