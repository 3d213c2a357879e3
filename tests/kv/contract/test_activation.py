"""Activation memory over a small model: exact where it must be, and in a memory as every engram is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM, Qwen3Config, Qwen3ForCausalLM

from engrams.errors import BadSetting, Corrupt, Mismatch, NotFound, UsageError
from engrams.kv import ActivationMemory
from engrams.kv.policy import Kept, KeptLayer, Seen
from engrams.kv.reuse.reference import RecomputeAll
from tests.kv.tiny import YARN, llama, some_tokens

ONE, TWO, QUESTION = some_tokens(12, 1), some_tokens(9, 2), some_tokens(5, 3)


@dataclass(frozen=True)
class EveryOther:
    """Keeps the even places in head 0 and the odd ones in head 1, one more of them: heads of different length."""

    asks: int = 0
    name: ClassVar[str] = "every-other"
    paper: ClassVar[str] = ""
    differs: ClassVar[tuple[str, ...]] = ()

    def queries(self, tokens: int) -> int:
        return self.asks

    def __call__(self, seen: Seen, budget: float) -> Kept:
        assert seen.asked.tolist() == list(range(seen.tokens - self.asks, seen.tokens))
        assert seen.layers[0].queries.shape[1] == self.asks
        even = torch.arange(0, seen.tokens, 2)
        odd = torch.tensor([0, *range(1, seen.tokens, 2)])
        return Kept(tuple(KeptLayer((even, odd)) for _ in seen.layers))


@pytest.fixture
def model() -> Any:
    return llama()


@pytest.fixture
def kept(model: Any, tmp_path: Path) -> Iterator[ActivationMemory]:
    with ActivationMemory(model, root=tmp_path / "kv") as opened:
        yield opened


def logits(model: Any, tokens: list[int], past: Any = None, start: int = 0) -> torch.Tensor:
    places = torch.arange(start, start + len(tokens))[None]
    with torch.no_grad():
        return model(input_ids=torch.tensor([tokens]), past_key_values=past, position_ids=places).logits[0]


def files(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def test_one_prefix_composed_is_a_prefill(model: Any, kept: ActivationMemory) -> None:
    handle = kept.store(ONE)
    made = kept.compose([handle])
    found = logits(model, QUESTION, made.past(), made.next_position)
    # Two passes instead of one: the products are the same, their sums are rounded in another order.
    torch.testing.assert_close(found, logits(model, ONE + QUESTION)[12:], atol=1e-5, rtol=0)
    again = logits(model, QUESTION, made.past(), made.next_position)
    assert torch.equal(found, again)  # the first question left nothing behind
    fresh = torch.stack([layer.keys for layer in made.past().layers])
    with torch.no_grad():
        prefill = model(input_ids=torch.tensor([ONE]), use_cache=True).past_key_values
    assert torch.equal(fresh, torch.stack([layer.keys for layer in prefill.layers]))
    assert made.report.token_layers == 0
    assert (made.tokens, made.layers, made.bytes) == (tuple(ONE), 3, handle.bytes)


def test_blocks_read_in_a_row_are_a_prefill(model: Any, kept: ActivationMemory) -> None:
    first, second = kept.store(ONE), kept.store(TWO, behind=ONE)
    made = kept.compose([first, second])
    found = logits(model, QUESTION, made.past(), made.next_position)
    torch.testing.assert_close(found, logits(model, ONE + TWO + QUESTION)[21:], atol=1e-5, rtol=0)


def test_blocks_read_apart_are_recomputed_to_a_prefill(model: Any, kept: ActivationMemory) -> None:
    handles = [kept.store(TWO), kept.store(ONE)]
    truth = logits(model, TWO + ONE + QUESTION)[21:]
    apart = kept.compose(handles)
    assert (logits(model, QUESTION, apart.past(), 21) - truth).abs().max() > 1e-3
    whole = kept.compose(handles, reuse=RecomputeAll())
    torch.testing.assert_close(logits(model, QUESTION, whole.past(), 21), truth, atol=1e-5, rtol=0)
    assert whole.report.share == 1.0
    # The second block's keys are turned: the first layer's depend on token and position alone.
    there = torch.stack([apart.past().layers[0].keys, whole.past().layers[0].keys])
    assert (there[0] - there[1]).abs().max() < 1e-5


def test_generating_goes_on_from_a_composed_cache(model: Any, kept: ActivationMemory) -> None:
    made = kept.compose([kept.store(ONE)])
    ids = torch.tensor([[*ONE, *QUESTION]])
    mask = torch.ones_like(ids)
    told = {"max_new_tokens": 6, "do_sample": False, "pad_token_id": 0, "attention_mask": mask}
    assert torch.equal(model.generate(ids, past_key_values=made.past(), **told), model.generate(ids, **told))


def test_several_questions_at_once(model: Any, kept: ActivationMemory) -> None:
    made = kept.compose([kept.store(ONE)])
    asked = torch.tensor([QUESTION, QUESTION[::-1]])
    places = torch.arange(12, 17)[None].expand(2, -1)
    with torch.no_grad():
        found = model(input_ids=asked, past_key_values=made.past(2), position_ids=places).logits
    torch.testing.assert_close(found[1], logits(model, ONE + QUESTION[::-1])[12:], atol=1e-5, rtol=0)


@pytest.mark.parametrize("family", ["qwen3", "mistral"])
def test_other_families(family: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "vocab_size": 64,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
    }
    torch.manual_seed(0)
    made = (
        Qwen3ForCausalLM(Qwen3Config(**settings))
        if family == "qwen3"
        else MistralForCausalLM(MistralConfig(**settings, sliding_window=None))
    ).eval()
    with ActivationMemory(made, root=tmp_path) as kept:
        composed = kept.compose([kept.store(ONE), kept.store(TWO, behind=ONE)])
    found = logits(made, QUESTION, composed.past(), 21)
    torch.testing.assert_close(found, logits(made, ONE + TWO + QUESTION)[21:], atol=1e-5, rtol=0)


def test_a_sliding_window_is_refused(tmp_path: Path) -> None:
    config = MistralConfig(
        vocab_size=64, hidden_size=64, intermediate_size=96, num_hidden_layers=1, num_attention_heads=4
    )
    with pytest.raises(BadSetting, match="full_attention"):
        ActivationMemory(MistralForCausalLM(config), root=tmp_path)


@pytest.mark.parametrize("asks", [0, 4])
def test_a_compressed_block_takes_less_and_is_attended_to(
    model: Any, kept: ActivationMemory, tmp_path: Path, asks: int
) -> None:
    handle = kept.store(ONE)
    before = files(tmp_path / "kv")
    smaller = kept.compress(handle, EveryOther(asks), 0.5)
    assert smaller.id == handle.id
    assert smaller.bytes == files(tmp_path / "kv") < before
    block = kept.block(handle)
    assert [layer.lengths for layer in block.layers] == [(6, 7)] * 3
    made = kept.compose([handle])
    with made.reading(model):
        found = logits(model, QUESTION, made.past(), made.next_position)
    assert (found - logits(model, ONE + QUESTION)[12:]).abs().max() > 1e-3
    with pytest.raises(BadSetting, match="not compressed"):
        kept.compress(handle, EveryOther(), 0.5)
    with pytest.raises(BadSetting, match="computed anew"):
        kept.compose([handle], reuse=RecomputeAll())
    whole = kept.rebuild(handle)
    assert whole.bytes == handle.bytes
    assert kept.block(handle).whole


def test_a_compressed_block_stands_where_others_end(model: Any, kept: ActivationMemory) -> None:
    """Its gaps stay, its keys turn: the same entries cut from a prefill in that place, in layer 0."""
    first, second = kept.store(ONE), kept.store(TWO, policy=EveryOther(), budget=0.5)
    made = kept.compose([first, second])
    with torch.no_grad():
        prefill = model(input_ids=torch.tensor([ONE + TWO]), use_cache=True).past_key_values
    keys, layer = prefill.layers[0].keys[0], made.packed[0]
    even = [*range(12), *range(12, 21, 2)]
    odd = [*range(12), 12, *range(13, 21, 2)]
    assert [p.tolist() for p in layer.head_positions()] == [even, odd]
    for head, places in enumerate((even, odd)):
        assert (layer.head_keys()[head] - keys[head, places]).abs().max() < 1e-5
    with made.reading(model):
        assert logits(model, QUESTION, made.past(), made.next_position).shape == (5, 64)


def test_a_block_of_another_model_is_refused(model: Any, kept: ActivationMemory, tmp_path: Path) -> None:
    handle = kept.store(ONE)
    for other in (llama(seed=1), llama(YARN)):
        with ActivationMemory(other, root=tmp_path / "kv") as stranger:
            assert stranger.list() == []
            for call in (stranger.block, stranger.rebuild, lambda h, s=stranger: s.compose([h])):
                with pytest.raises(Mismatch, match="Rebuild"):
                    call(handle)


def test_it_is_there_after_opening_again(model: Any, kept: ActivationMemory, tmp_path: Path) -> None:
    handle = kept.store(ONE)
    with ActivationMemory(model, root=tmp_path / "kv") as again:
        assert [each.handle for each in again.list()] == [handle]
        assert again.store(ONE) == handle
        one, other = kept.block(handle), again.block(handle)
        pairs = zip(one.layers, other.layers, strict=True)
        assert all(torch.equal(a.keys, b.keys) and torch.equal(a.values, b.values) for a, b in pairs)


def test_a_damaged_file_is_named(model: Any, kept: ActivationMemory, tmp_path: Path) -> None:
    handle = kept.store(ONE)
    path = tmp_path / "kv" / f"{handle.id}.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with ActivationMemory(model, root=tmp_path / "kv") as again, pytest.raises(Corrupt, match="rebuild"):
        again.block(handle)


def test_dropped_it_is_made_again(kept: ActivationMemory, tmp_path: Path) -> None:
    handle = kept.store(ONE)
    before = kept.block(handle)
    assert kept.drop(handle)
    assert not kept.drop(handle)
    assert files(tmp_path / "kv") == 0
    with pytest.raises(NotFound, match="rebuild"):
        kept.compose([handle])
    assert [each.here for each in kept.list()] == [False]
    made = kept.compose([handle], rebuild=True)
    assert torch.equal(made.dense[0][0], before.layers[0].dense()[0])
    with pytest.raises(NotFound, match="no block"):
        kept.block("nobody")


def test_storages_take_what_they_say(model: Any, tmp_path: Path) -> None:
    sizes = {}
    for storage in ("same", "float16", "int8", "int4"):
        with ActivationMemory(model, root=tmp_path / storage, storage=storage) as kept:  # type: ignore[arg-type]
            handle = kept.store(some_tokens(60))
            sizes[storage] = (kept.ram.bytes, files(tmp_path / storage))
            assert kept.block(handle).layers[0].keys.dtype == torch.float32
    assert [ram for ram, _ in sizes.values()] == sorted((ram for ram, _ in sizes.values()), reverse=True)
    # 3 layers x 2 heads x 60 tokens x (16 + 16) numbers, and 60 token ids of 4 bytes; scales: 32 channels, 120 tokens.
    numbers, ids, scales = 3 * 2 * 60 * 32, 60 * 4, 3 * (32 + 120) * 8
    assert [ram for ram, _ in sizes.values()] == [
        numbers * 4 + ids,
        numbers * 2 + ids,
        numbers + scales + ids,
        numbers // 2 + scales + ids,
    ]
    assert all(0 < disk - ram < 4000 for ram, disk in sizes.values())  # the file's header
    with pytest.raises(BadSetting, match="int2"):
        ActivationMemory(model, root=tmp_path, storage="int2")  # type: ignore[arg-type]


def test_what_leaves_ram_is_loaded_again(model: Any, tmp_path: Path) -> None:
    with ActivationMemory(model, root=tmp_path) as kept:
        first, second, third = (kept.store(some_tokens(10, seed)) for seed in (1, 2, 3))
        size = kept.ram.bytes // 3
        kept.block(first)  # used now: the second is the one longest unused
        assert kept.evict("ram", most=2 * size) == [second.id]
        assert kept.ram.bytes == 2 * size
        assert kept.prefetch([first, second, third]).result() == 1
        assert kept.ram.bytes == 3 * size
        assert kept.evict("disk", most=0, order="lfu") == [third.id, first.id, second.id]
        assert (kept.ram.bytes, kept.disk.bytes, files(tmp_path)) == (0, 0, 0)
        assert [each.here for each in kept.list()] == [False] * 3
        with pytest.raises(BadSetting):
            kept.evict("tape")  # type: ignore[arg-type]


def test_room_is_made_when_something_comes(model: Any, tmp_path: Path) -> None:
    with ActivationMemory(model, root=tmp_path / "a") as kept:
        size = kept.store(ONE).bytes
        held = kept.ram.bytes
    with ActivationMemory(model, root=tmp_path / "b", ram=held, disk=2 * size + 100) as kept:
        first, second = kept.store(ONE), kept.store(ONE[::-1])
        assert set(kept.ram.uses) == {second.id}
        third = kept.store(some_tokens(12, 9))
        assert [each.here for each in kept.list()] == [False, True, True]
        assert kept.compose([second, third]).next_position == 24
        with pytest.raises(NotFound):
            kept.block(first)


# --- in a memory


class Words:
    """One token for each letter."""

    def __call__(self, text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) % 64 for letter in text]}

    def get_vocab(self) -> dict[str, int]:
        return {chr(64 + number): number for number in range(64)}


TEXT = "The spare key is under the flower pot."


def test_in_a_memory_a_block_is_an_engram(model: Any, tmp_path: Path) -> None:
    from engrams import Memory

    with (
        Memory.open(tmp_path / "memory.db") as memory,
        ActivationMemory(model, tokenizer=Words(), memory=memory, namespace="acme/ada") as kept,
    ):
        event = memory.add(TEXT, namespace="acme/ada").event_ids[0]
        handle = kept.store(TEXT, sources=[event])
        (found,) = memory.payloads(namespace="acme/ada")
        assert (found.id, found.content, found.sources) == (handle.id, TEXT, (event,))
        context = memory.context("where is the spare key?", namespace="acme/ada")
        assert context.kv == (handle,)
        assert (context.kv[0].layers, context.kv[0].tokens) == (3, len(TEXT))
        assert context.kv[0].milliseconds_saved is not None
        composed = kept.compose(context.kv)
        ids = [ord(letter) % 64 for letter in TEXT]
        truth = logits(model, ids + QUESTION)[len(ids) :]
        torch.testing.assert_close(
            logits(model, QUESTION, composed.past(), len(ids)), truth, atol=1e-5, rtol=0
        )

        smaller = kept.compress(handle, EveryOther(), 0.5)
        assert memory.context("where is the spare key?", namespace="acme/ada").kv == (smaller,)
        assert [r.version for r in memory.history(handle.id)] == [1, 2]
        assert sum(p.is_file() for p in (tmp_path / "memory.db.blobs").rglob("*")) == 1
        assert kept.evict("disk", most=0) == [handle.id]
        assert memory.context("where is the spare key?", namespace="acme/ada").kv == ()
        kept.rebuild(handle)

        memory.export_container(tmp_path / "ada.engram")
        memory.delete(event)
        assert kept.list() == []
        with pytest.raises(NotFound):
            kept.compose([handle])
    with Memory.open(tmp_path / "other.db") as other:
        other.restore_container(tmp_path / "ada.engram")
        with ActivationMemory(model, tokenizer=Words(), memory=other, namespace="acme/ada") as there:
            made = there.compose(other.context("where is the spare key?", namespace="acme/ada").kv)
            assert torch.equal(made.dense[2][1], composed.dense[2][1])


def test_a_text_without_sources_is_journalled(model: Any, tmp_path: Path) -> None:
    from engrams import Memory

    with (
        Memory.open(tmp_path / "memory.db") as memory,
        ActivationMemory(model, tokenizer=Words(), memory=memory) as kept,
    ):
        handle = kept.store(TEXT)
        assert [event.content for event in memory.log()] == [TEXT]
        assert kept.store(TEXT) == handle
        again = memory.add(TEXT).event_ids[0]
        assert kept.store(TEXT, sources=[again]).id != handle.id  # it would not go with the first event
        with pytest.raises(UsageError, match="sources="):
            kept.store(ONE)


def test_calls_that_make_no_sense_are_refused(model: Any, kept: ActivationMemory, tmp_path: Path) -> None:
    for wrong in ({}, {"root": tmp_path, "memory": object()}):
        with pytest.raises(UsageError):
            ActivationMemory(model, **wrong)  # type: ignore[arg-type]
    with pytest.raises(BadSetting):
        ActivationMemory(model, root=tmp_path, ram=-1)
    with pytest.raises(BadSetting):
        ActivationMemory(model, root=tmp_path, order="fifo")  # type: ignore[arg-type]
    with pytest.raises(BadSetting, match="tokenizer"):
        kept.store("a text")
    with pytest.raises(BadSetting):
        kept.store([])
    with pytest.raises(BadSetting):
        kept.compose([])
