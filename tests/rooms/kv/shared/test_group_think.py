"""Thinkers in one text: where their tokens stand, who sees whom, and that one pass over all of it gives the same."""

from __future__ import annotations

import pytest
import torch
from transformers import DynamicCache

from engrams.errors import BadSetting, OverBudget
from engrams.kv.shared.group_think import GroupThink
from tests.rooms.kv.readers import Reader, tiny

PROMPT = [0, 7, 3]


@pytest.fixture(scope="module")
def llama() -> Reader:
    return tiny("Llama", num_hidden_layers=3)


def test_every_thinker_has_positions_of_its_own(llama: Reader) -> None:
    group = GroupThink(llama.model, PROMPT, thinkers=2, room=10)
    group.step([[5, 6], [8]])
    group.step([[9], [4]])
    assert group.tokens == [0, 7, 3, 5, 8, 6, 9, 4]
    assert group.positions == [0, 1, 2, 3, 13, 4, 5, 14]
    assert group.of(0) == [5, 6, 9]
    assert group.of(1) == [8, 4]


def test_a_token_sees_earlier_turns_and_itself(llama: Reader) -> None:
    """After the prompt (3): 5 and 8 in one turn, then 6."""
    group = GroupThink(llama.model, PROMPT, thinkers=2, room=10)
    group.step([[5, 6], [8]])
    seen = (group.mask(3, torch.float32)[0, 0] == 0).int().tolist()
    assert seen == [[1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 1, 0], [1, 1, 1, 1, 1, 1]]
    prompt = (group.mask(0, torch.float32)[0, 0, :3] == 0).int().tolist()
    assert prompt == [[1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0]]


def test_step_by_step_is_one_pass_over_all(llama: Reader) -> None:
    group = GroupThink(llama.model, PROMPT, thinkers=3, room=8)
    said = [group.step(texts) for texts in ([[5, 6], [8], [1, 2, 3]], [[9], [4], []], [[11], [12], [13]])]
    cache = DynamicCache()
    with torch.no_grad():
        whole = llama.model(
            input_ids=torch.tensor([group.tokens]),
            position_ids=torch.tensor([group.positions]),
            attention_mask=group.mask(0, torch.float32),
            past_key_values=cache,
        ).logits[0]
    for one, other in zip(group.cache.layers, cache.layers, strict=True):
        assert float((one.keys - other.keys).abs().max()) < 1e-5
        assert float((one.values - other.values).abs().max()) < 1e-5
    for thinker in range(3):
        last = said[-1][thinker]
        assert last is not None
        place = max(i for i, t in enumerate(group.tokens) if t == (11, 12, 13)[thinker])
        assert float((last - whole[place]).abs().max()) < 1e-5
    assert said[1][2] is None


def test_one_thinker_is_an_ordinary_generation(llama: Reader) -> None:
    group = GroupThink(llama.model, PROMPT, thinkers=1, room=8)
    group.step([[5, 6]])
    said = group.step([[9]])[0]
    with torch.no_grad():
        expected = llama.model(input_ids=torch.tensor([[*PROMPT, 5, 6, 9]])).logits[0, -1]
    assert said is not None
    assert float((said - expected).abs().max()) < 1e-5


def test_positions_run_out(llama: Reader) -> None:
    group = GroupThink(llama.model, PROMPT, thinkers=2, room=2)
    group.step([[5, 6], [8]])
    with pytest.raises(OverBudget, match="limit is 2, 3 would be spent"):
        group.step([[9], [4]])
    assert group.of(1) == [8]
    assert group.step([[], [4]])[0] is None
    assert group.of(1) == [8, 4]


def test_texts_that_make_no_sense_are_refused(llama: Reader) -> None:
    group = GroupThink(llama.model, PROMPT, thinkers=2, room=2)
    for texts in ([[1]], [[], []]):
        with pytest.raises(BadSetting):
            group.step(texts)
    for prompt, thinkers, room in (([], 1, 1), (PROMPT, 0, 1), (PROMPT, 1, 0)):
        with pytest.raises(BadSetting):
            GroupThink(llama.model, prompt, thinkers, room)
