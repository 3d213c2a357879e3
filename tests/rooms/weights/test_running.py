"""Adapters on a map of two numbers, by hand; and the router."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from engrams.errors import BadSetting
from engrams.weights.routing import KEYS, LEAST, KeyRouter, states
from engrams.weights.rows import rows
from engrams.weights.running import DOWN, UP, Answer, new_low_rank, wearing


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 2, bias=False)
        self.inner.weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0]])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x)


def test_an_adapter_adds_scale_times_b_a_x_and_comes_off_without_a_trace() -> None:
    model, x = Small(), torch.tensor([[3.0, 5.0]])
    tensors = {"inner" + DOWN: torch.tensor([[1.0, 1.0]]), "inner" + UP: torch.tensor([[2.0], [0.0]])}
    with torch.no_grad(), wearing(model, tensors, 0.5):
        assert model(x).tolist() == [[3.0 + 0.5 * 2 * 8, 5.0]]
    assert model(x).tolist() == [[3.0, 5.0]]
    assert model.inner._forward_hooks == {}


def test_an_adapter_comes_off_after_an_error_too() -> None:
    model = Small()
    tensors = {"inner" + DOWN: torch.zeros(1, 2), "inner" + UP: torch.zeros(2, 1)}
    with pytest.raises(ZeroDivisionError), wearing(model, tensors, 1.0):
        raise ZeroDivisionError
    assert model.inner._forward_hooks == {}


def test_an_adapter_for_maps_that_are_not_there_is_refused() -> None:
    with (
        pytest.raises(BadSetting, match="elsewhere"),
        wearing(Small(), {"elsewhere" + DOWN: torch.zeros(1, 2)}, 1.0),
    ):
        pass


def test_a_new_adapter_changes_nothing_and_depends_on_the_seed_alone(learner: Any) -> None:
    one, again, other = (new_low_rank(learner, 4, name) for name in ("a", "a", "b"))
    asked = rows([((1, 5, 9), (20,))])
    with torch.no_grad():
        assert torch.equal(learner.run(asked, low_rank=one).logits, learner.run(asked).logits)
    name = next(iter(one))
    assert torch.equal(one[name], again[name])
    assert not torch.equal(one[name], other[name])
    assert len(one) == 2 * 3 * 7  # two tensors for each of seven maps in three layers


def answer(vectors: list[list[float]]) -> Answer:
    """Hidden states of one token each, the same behind every layer."""
    state = torch.tensor(vectors)[:, None]
    return Answer(torch.zeros(len(vectors), 1, 2), (state, state, state))


def test_a_prompt_goes_to_the_nearest_key_the_later_one_of_two_or_nowhere() -> None:
    asked = rows([((1,), ())] * 3)
    stored = [
        {KEYS: torch.tensor([[1.0, 0.0]]), LEAST: torch.tensor([0.9])},
        {KEYS: torch.tensor([[0.0, 1.0], [1.0, 0.0]]), LEAST: torch.tensor([0.9])},
    ]
    said = answer([[2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])
    at, near = KeyRouter().route(stored, asked, said)
    assert at.tolist() == [
        1,
        1,
        -1,
    ]  # both know the first: the later has it; the third is at cosine 0.71 from all
    assert near.tolist() == pytest.approx([1.0, 1.0, -1.0])
    assert KeyRouter().route(stored[:1], asked, said)[0].tolist() == [0, -1, -1]


def test_the_threshold_lies_between_the_nearest_foreign_prompt_and_the_key() -> None:
    keys = torch.tensor([[1.0, 0.0]])
    assert KeyRouter(margin=0.5).threshold(keys, torch.tensor([[0.96, 0.28]])).item() == pytest.approx(0.98)
    assert KeyRouter(margin=0.25).threshold(keys, torch.tensor([[0.96, 0.28]])).item() == pytest.approx(0.97)
    assert KeyRouter().threshold(keys, keys[:0]).item() == pytest.approx(
        0.9
    )  # nothing foreign known: from 0.8
    assert KeyRouter().threshold(keys, keys).item() < 1.0  # a key finds itself again


def test_states_are_those_of_the_last_token_of_the_prompt() -> None:
    hidden = torch.tensor([[[3.0, 4.0], [0.0, 2.0], [9.0, 9.0]]])
    said = Answer(torch.zeros(1, 3, 2), (hidden * 0, hidden, hidden * 0))
    assert states(said, rows([((1, 2), (3,))]), 0.5).tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize("wrong", [{"depth": 1.5}, {"margin": 0.0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadSetting):
        KeyRouter(**wrong)


def test_a_model_in_half_precision_learns_in_float32(model: Any) -> None:
    import copy

    from engrams.weights.lessons import Lesson
    from engrams.weights.methods.session_lora import SessionLora
    from engrams.weights.parametric import ParametricMemory

    half = copy.deepcopy(model).to(torch.bfloat16)
    memory = ParametricMemory(half, fingerprint="half", method=SessionLora(steps=25))
    assert memory.write("s", [Lesson(((1, 5, 70, 9),), (90,))]).reliability == 1.0
    assert {one.dtype for name, one in memory.adapters()[0].part.tensors.items() if "lora" in name} == {
        torch.float32
    }
