"""Blocks and their files: bit-equal, in fewer bits with the error that the step says, and never those of another model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import DynamicCache

from engrams.errors import BadSetting, Corrupt, Mismatch
from engrams.kv.block import Block
from engrams.kv.codes import code, decode
from engrams.kv.files import from_bytes, pack, to_bytes, unpack
from engrams.kv.fingerprint import check, fingerprint
from engrams.kv.policy import Kept, KeptLayer, StandIns
from tests.kv.tiny import YARN, llama, some_tokens


def block_of(model: Any, count: int = 10) -> Block:
    tokens = some_tokens(count)
    cache = DynamicCache()
    with torch.no_grad():
        model(input_ids=torch.tensor([tokens]), past_key_values=cache, use_cache=True)
    layers = [(layer.keys[0], layer.values[0]) for layer in cache.layers]
    return Block.of(layers, tokens, "f" * 32, behind=(), notes={"scores": torch.arange(3.0)})


def equal(one: Block, other: Block) -> bool:
    pairs = zip(one.layers, other.layers, strict=True)
    return all(
        a.tensors().keys() == b.tensors().keys()
        and a.lengths == b.lengths
        and all(torch.equal(a.tensors()[name], b.tensors()[name]) for name in a.tensors())
        for a, b in pairs
    )


def smaller(block: Block) -> Block:
    """Heads of 3 and 5 entries in layer 0, with one stand-in; half of the key channels but for one token in layer 1."""
    width = block.layers[0].keys.shape[1]
    stand_ins = StandIns(torch.ones(2, 1, width), torch.ones(2, 1, width), torch.tensor([[4.0], [0.0]]))
    ragged = KeptLayer((torch.tensor([0, 4, 9]), torch.tensor([1, 2, 3, 5, 8])), stand_ins)
    every = (torch.arange(10),) * 2
    thin = KeptLayer(every, channels=torch.arange(0, width, 2).repeat(2, 1), whole=1)
    return block.keep(Kept((ragged, thin, KeptLayer(every))), {"policy": "by hand"})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_file_gives_back_every_bit(dtype: torch.dtype) -> None:
    block = block_of(llama().to(dtype))
    raw = to_bytes(pack(block))
    again = unpack(from_bytes(raw))
    assert equal(block, again)
    assert torch.equal(again.notes["scores"], torch.arange(3.0))
    assert (again.tokens, again.fingerprint, again.start) == (block.tokens, block.fingerprint, 0)
    assert to_bytes(pack(again)) == raw


def test_a_compressed_block_too() -> None:
    block = smaller(block_of(llama()))
    assert equal(block, unpack(from_bytes(to_bytes(pack(block)))))


def test_what_a_policy_drops_is_gone() -> None:
    whole = block_of(llama())
    block = smaller(whole)
    first, second, third = block.layers
    assert (first.lengths, second.lengths, third.lengths) == ((4, 5), (10, 10), (10, 10))
    assert first.head_positions()[0].tolist() == [0, 4, 9, 9]  # the stand-in stands where the last one does
    assert first.bias is not None
    torch.testing.assert_close(first.bias, torch.tensor([0.0] * 3 + [1.3862944] + [0.0] * 5))
    keys, _ = whole.layers[1].dense()
    thin = torch.stack(second.head_keys())
    assert torch.equal(thin[:, :9, ::2], keys[:, :9, ::2])
    assert not thin[:, :9, 1::2].any()
    assert torch.equal(thin[:, 9], keys[:, 9])
    # 16 channels: 9 entries each hold 16 keys and 16 values; 20 hold 16 values, 18 of them 8 keys and 2 of them 16.
    numbers = 9 * 32 + (20 * 16 + 18 * 8 + 2 * 16) + 20 * 32
    positions, channels, bias = (9 + 20 + 20) * 8, 2 * 8 * 8, 9 * 4
    assert block.bytes == 4 * numbers + positions + channels + bias
    with pytest.raises(BadSetting, match="not compressed"):
        block.piece()


@pytest.mark.parametrize(("storage", "bits"), [("int8", 8), ("int4", 4)])
@pytest.mark.parametrize("compressed", [False, True])
def test_codes_err_by_half_a_step_at_most(storage: Any, bits: int, compressed: bool) -> None:
    block = block_of(llama())
    block = smaller(block) if compressed else block
    packed = pack(block, storage)
    again = unpack(from_bytes(to_bytes(packed)))
    for old, new in zip(block.layers, again.layers, strict=True):
        for a, b in zip(old.head_keys(), new.head_keys(), strict=True):  # by channel of a head
            step = (a.amax(0) - a.amin(0)) / (2**bits - 1)
            assert ((a - b).abs() <= step / 2 + 1e-6).all()
        step = (old.values.amax(1) - old.values.amin(1)) / (2**bits - 1)  # by token
        assert ((old.values - new.values).abs() <= step[:, None] / 2 + 1e-6).all()


def test_fewer_bits_are_fewer_bytes() -> None:
    block = block_of(llama(), 10)
    # 3 layers of 20 entries with 16 channels, keys and values; scales: 2 heads x 16 channels, and 20 tokens, twice 4 bytes.
    scales, rest = 3 * (2 * 16 + 20) * 8, 10 * 4 + 3 * 4
    assert pack(block).bytes == 3 * 20 * 32 * 4 + rest
    assert pack(block, "float16").bytes == 3 * 20 * 32 * 2 + rest
    assert pack(block, "int8").bytes == 3 * 20 * 32 + scales + rest
    assert pack(block, "int4").bytes == 3 * 20 * 16 + scales + rest


def test_codes_by_hand() -> None:
    """Column 0 runs from 0 to 30: a step of 2 at 4 bits; 7 lies between codes 3 and 4. Column 1 never changes."""
    numbers = torch.tensor([[0.0, 5.0], [7.0, 5.0], [30.0, 5.0]])
    coded = code(numbers, 4, 0)
    assert coded.step.tolist() == [[2.0, 0.0]]
    assert coded.codes.tolist() == [[0], [4], [15]]  # 3.5 goes to the even code
    assert decode(coded, 4, 2, torch.float32).tolist() == [[0.0, 5.0], [8.0, 5.0], [30.0, 5.0]]
    rows = code(torch.tensor([[0.0, 255.0, 3.0]]), 8, 1)
    assert rows.codes.tolist() == [[0, 255, 3]]
    odd = torch.tensor([[0.0, 15.0, 3.0]])
    assert torch.equal(decode(code(odd, 4, 1), 4, 3, torch.float32), odd)


def test_what_is_no_block_is_corrupt() -> None:
    raw = to_bytes(pack(block_of(llama())))
    for broken in (b"", b"\x80\x04K\x01.", raw[:-1], raw[:40]):
        with pytest.raises(Corrupt, match="rebuild"):
            from_bytes(broken)
    packed = pack(block_of(llama()))
    missing = replace(packed, tensors={n: t for n, t in packed.tensors.items() if n != "1.v"})
    with pytest.raises(Corrupt, match=r"1\.v"):
        unpack(missing)


def test_a_fingerprint_is_of_what_decides_the_numbers() -> None:
    model = llama()
    one = fingerprint(model)
    assert one == fingerprint(llama())
    assert one != fingerprint(llama(seed=1))  # other weights
    assert one != fingerprint(llama(YARN))  # the same weights, other positions
    assert one != fingerprint(llama(rms_norm_eps=1e-3))  # another setting
    with torch.no_grad():
        model.lm_head.weight[0, 0] += 1e-3
    assert one != fingerprint(model)

    class Words:
        def __init__(self, *words: str) -> None:
            self.words = words

        def get_vocab(self) -> dict[str, int]:
            return {word: number for number, word in enumerate(self.words)}

    assert fingerprint(llama(), Words("a", "b")) != fingerprint(llama(), Words("b", "a"))
    check(one, one)
    with pytest.raises(Mismatch, match="Rebuild"):
        check(one, fingerprint(model))
