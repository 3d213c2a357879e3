"""Which tokens each method computes, worked out by hand, and that its report says what it did."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from engrams.errors import BadSetting
from engrams.kv.reuse.blend import CacheBlend
from engrams.kv.reuse.chunks import GivenChunks, StalestChunks
from engrams.kv.reuse.deviation import deviations
from engrams.kv.reuse.edge import Edge
from engrams.kv.reuse.joining import Layer, Piece, join
from engrams.kv.reuse.method import Reuse
from engrams.kv.reuse.passing import recompute
from engrams.kv.reuse.reference import Concatenate, RandomTokens, RecomputeAll, ReRotate
from engrams.kv.rotary import Rotary
from tests.rooms.kv.readers import TEXT, Reader, distance

#: Places 0 (beginning), 1-5, 6-9, 10-15; the first six are exact.
METHODS = (
    Concatenate(),
    ReRotate(),
    RecomputeAll(),
    RandomTokens(),
    Edge(),
    CacheBlend(),
    CacheBlend(filter=(0.4, 0.3, 0.1)),
    CacheBlend(keep_check=False),
    StalestChunks(),
    StalestChunks(tail=0.5),
    GivenChunks((3,)),
)


def distances(reader: Reader, pieces: list[Piece], whole: tuple[Layer, ...], layer: int, side: int) -> Any:
    """How far each token of the composed cache lies from the prefill, float[16]: what a look is to find."""
    joined = join(pieces, Rotary.of(reader.model))
    return (whole[layer][side] - joined.layers[layer][side]).square().sum((0, 2))


def test_a_deviation_is_a_squared_distance_over_heads_and_channels() -> None:
    stale = (torch.zeros(2, 3, 2), torch.ones(2, 3, 2))
    fresh = (torch.tensor([[[1.0, 2], [0, 0], [3, 0]], [[1.0, 0], [0, 0], [0, 4]]]), torch.ones(2, 3, 2))
    assert deviations(stale, fresh, "keys").tolist() == [6, 0, 25]
    assert deviations(stale, fresh, "values").tolist() == [0, 0, 0]


@pytest.mark.parametrize(("side", "at"), [("keys", 0), ("values", 1)])
def test_blend_goes_on_with_the_tokens_that_deviate_most(
    reader: Reader, pieces: list[Piece], whole: tuple[Layer, ...], side: Any, at: int
) -> None:
    report = CacheBlend(ratio=0.25, side=side)(reader.model, pieces).report
    away = distances(reader, pieces, whole, 1, at)
    most = sorted(away[6:].topk(4).indices.add(6).tolist())  # 0.25 of 16 tokens
    assert report.fresh == (tuple(range(6, 16)), tuple(range(6, 16)), tuple(most), tuple(most))
    assert report.computed == (10, 10, 4, 4)
    assert report.token_layers == 28
    assert report.share == 28 / 64
    assert report.pieces == pytest.approx(
        [0, 0, float(away[6:10].mean()), float(away[10:].mean())], rel=1e-3, abs=1e-9
    )


def test_keys_and_values_do_not_always_choose_the_same(
    reader: Reader, pieces: list[Piece], whole: tuple[Layer, ...]
) -> None:
    chosen = {
        side: CacheBlend(ratio=0.2, side=side)(reader.model, pieces).report.fresh[3]
        for side in ("keys", "values")
    }
    assert chosen["keys"] != chosen["values"]


def test_the_check_layer_is_the_one_named(
    reader: Reader, pieces: list[Piece], whole: tuple[Layer, ...]
) -> None:
    report = CacheBlend(ratio=0.25, check_layer=2)(reader.model, pieces).report
    away = distances(reader, pieces, whole, 2, 0)
    assert report.computed == (10, 10, 10, 4)
    assert report.fresh[3] == tuple(sorted(away[6:].topk(4).indices.add(6).tolist()))


def test_a_gradual_filter_drops_some_tokens_behind_each_layer(
    reader: Reader, pieces: list[Piece], whole: tuple[Layer, ...]
) -> None:
    composed = CacheBlend(filter=(0.4, 0.25, 0.1), check_layer=0)(reader.model, pieces)
    assert composed.report.computed == (10, 7, 4, 2)  # 0.4, 0.25 and 0.1 of 16, rounded up
    fresh = [set(places) for places in composed.report.fresh]
    assert fresh[0] > fresh[1] > fresh[2] > fresh[3]
    # Behind layer 1 it is layer 1's deviation that chooses, among the seven that are left.
    joined = join(pieces, Rotary.of(reader.model))
    left = sorted(fresh[1])
    away = (composed.layers[1][0] - joined.layers[1][0]).square().sum((0, 2))[left]
    assert fresh[2] == {left[i] for i in away.topk(4).indices.tolist()}


def test_blend_with_everything_is_a_prefill_and_with_nothing_is_its_look(
    reader: Reader, pieces: list[Piece], whole: tuple[Layer, ...]
) -> None:
    everything = CacheBlend(ratio=1.0)(reader.model, pieces)
    assert distance(everything.layers, whole) < 1e-5
    assert everything.report.share == 40 / 64  # the exact tokens are not computed
    nothing = CacheBlend(ratio=0.0)(reader.model, pieces)
    assert distance(nothing.layers[:2], whole[:2]) < 1e-5
    composed = ReRotate()(reader.model, pieces)
    assert distance(nothing.layers[2:], composed.layers[2:]) == 0
    assert nothing.report.computed == (10, 10, 0, 0)


def test_blend_without_its_look_leaves_what_it_did_not_choose(reader: Reader, pieces: list[Piece]) -> None:
    """What the choice alone is worth: first layers stale for the others, and both passes on the bill."""
    composed = CacheBlend(ratio=0.25, keep_check=False)(reader.model, pieces)
    chosen = composed.report.fresh[0]
    assert composed.report.fresh == (chosen,) * 4
    assert chosen == CacheBlend(ratio=0.25)(reader.model, pieces).report.fresh[3]
    assert composed.report.computed == (14, 14, 4, 4)
    rest = [i for i in range(16) if i not in chosen]
    stale = ReRotate()(reader.model, pieces)
    for (k, v), (old_k, old_v) in zip(composed.layers, stale.layers, strict=True):
        assert torch.equal(k[:, rest], old_k[:, rest])
        assert torch.equal(v[:, rest], old_v[:, rest])


def test_edges_are_the_first_tokens_of_each_piece(reader: Reader, pieces: list[Piece]) -> None:
    assert Edge(ratio=0.4)(reader.model, pieces).report.fresh == ((6, 7, 10, 11, 12),) * 4  # 2 of 4, 3 of 6
    assert Edge(first=1)(reader.model, pieces).report.fresh == ((6, 10),) * 4
    assert Edge(first=9)(reader.model, pieces).report.fresh == (tuple(range(6, 16)),) * 4
    assert Edge(ratio=0.0)(reader.model, pieces).report.token_layers == 0


def test_the_stalest_chunk_is_the_one_that_deviates_most(
    reader: Reader, pieces: list[Piece], whole: tuple[Layer, ...]
) -> None:
    composed = StalestChunks(count=1)(reader.model, pieces)
    away = distances(reader, pieces, whole, 1, 0)
    medians = away[6:10].median(), away[10:].median()
    third = bool(medians[0] > medians[1])
    expected = (6, 7, 8, 9) if third else (10, 11, 12, 13, 14, 15)
    assert composed.report.fresh[2:] == (expected, expected)
    assert composed.report.computed == (10, 10, len(expected), len(expected))
    assert composed.report.pieces == pytest.approx((0, 0, *map(float, medians)), rel=1e-3)
    assert distance(StalestChunks(count=9)(reader.model, pieces).layers, whole) < 1e-5
    assert StalestChunks(count=0)(reader.model, pieces).report.computed == (10, 10, 0, 0)


def test_a_look_at_some_tokens_costs_less(reader: Reader, pieces: list[Piece]) -> None:
    """The last third of the two pieces: places 8 and 9, 14 and 15. The chosen piece is computed from the first layer on."""
    composed = StalestChunks(count=1, tail=1 / 3)(reader.model, pieces)
    chosen = composed.report.fresh[0]
    assert chosen in ((6, 7, 8, 9), (10, 11, 12, 13, 14, 15))
    assert composed.report.fresh == (chosen,) * 4
    assert composed.report.computed == (4 + len(chosen), 4 + len(chosen), len(chosen), len(chosen))
    looked_at = recompute(reader.model, join(pieces, Rotary.of(reader.model)), torch.tensor([8, 9, 14, 15]))
    stale = join(pieces, Rotary.of(reader.model))
    away = deviations(stale.layers[1], looked_at.layers[1], "keys")
    medians = away[[8, 9]].median(), away[[14, 15]].median()
    assert (chosen[0] == 6) == bool(medians[0] > medians[1])
    assert composed.report.pieces == pytest.approx((0, 0, *map(float, medians)), rel=1e-3)
    given = GivenChunks((2 if chosen[0] == 6 else 3,))(reader.model, pieces)
    assert distance(composed.layers, given.layers) == 0


def test_given_chunks_are_computed_and_exact_ones_are_not(
    reader: Reader, pieces: list[Piece], whole: tuple[Layer, ...]
) -> None:
    assert GivenChunks((3,))(reader.model, pieces).report.fresh == ((10, 11, 12, 13, 14, 15),) * 4
    assert GivenChunks((0, 1))(reader.model, pieces).report.token_layers == 0
    assert GivenChunks()(reader.model, pieces).report.token_layers == 0
    # All that depends on others is computed, so nothing is left to be wrong.
    assert distance(GivenChunks((2, 3))(reader.model, pieces).layers, whole) < 1e-5
    with pytest.raises(BadSetting, match="pieces from 0 to 3"):
        GivenChunks((4,))(reader.model, pieces)


@pytest.mark.parametrize("method", METHODS, ids=[f"{m.name}-{i}" for i, m in enumerate(METHODS)])
def test_every_report_tells_what_changed(reader: Reader, pieces: list[Piece], method: Reuse) -> None:
    """What is not named fresh is bit for bit what was composed; what is named fresh was computed, and costs."""
    assert isinstance(method, Reuse)
    composed = method(reader.model, pieces)
    base = join(pieces, Rotary.of(reader.model), turn=not isinstance(method, Concatenate))
    assert composed.tokens.tolist() == TEXT
    assert composed.next_position == 16
    report = composed.report
    assert (report.method, report.tokens, report.layers) == (method.name, 16, 4)
    for number, ((k, v), (old_k, old_v)) in enumerate(zip(composed.layers, base.layers, strict=True)):
        rest = [i for i in range(16) if i not in report.fresh[number]]
        assert torch.equal(k[:, rest], old_k[:, rest])
        assert torch.equal(v[:, rest], old_v[:, rest])
        assert len(report.fresh[number]) <= report.computed[number]
    assert report.to_json()["token_layers"] == sum(report.computed)
    past = composed.past(questions=3)
    assert past.layers[0].keys.shape == (3, 2, 16, 8)
    assert past.get_seq_length() == 16


def test_settings_out_of_range_are_refused(reader: Reader, pieces: list[Piece]) -> None:
    for refused in (
        lambda: CacheBlend(ratio=1.2),
        lambda: CacheBlend(filter=(0.1, 0.2)),
        lambda: CacheBlend(filter=(1.5,)),
        lambda: CacheBlend(check_layer=-1),
        lambda: Edge(ratio=-0.1),
        lambda: Edge(first=-1),
        lambda: RandomTokens(ratio=2),
        lambda: StalestChunks(count=-1),
        lambda: StalestChunks(check_layer=-1),
        lambda: StalestChunks(tail=0),
        lambda: CacheBlend(check_layer=4)(reader.model, pieces),
        lambda: CacheBlend(check_layer=2, filter=(0.4, 0.3, 0.2))(reader.model, pieces),
        lambda: CacheBlend(filter=(0.4, 0.3), keep_check=False)(reader.model, pieces),
        lambda: StalestChunks(check_layer=4)(reader.model, pieces),
    ):
        with pytest.raises(BadSetting):
            refused()
