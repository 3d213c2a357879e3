"""Every method learns a session of few lessons, keeps its hands off the base model, and gives it back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from engrams.weights.catalogue import FORMS, METHODS
from engrams.weights.lessons import Reserve, Session
from engrams.weights.method import Method
from engrams.weights.methods.mlp_memory import MlpMemory
from engrams.weights.methods.sema import Sema
from engrams.weights.methods.session_lora import SessionLora
from engrams.weights.rows import right
from engrams.weights.training import lesson_rows

FEW, STEPS = 4, 12
#: Fewer steps, or a smaller bank, so that all of them together take seconds.
QUICK: dict[str, dict[str, Any]] = {
    "fpf": {"steps": 10, "again": 10},
    "mac": {"steps": 4, "bank": 8},
    "merged-lora": {"each": SessionLora(steps=STEPS)},
    "mlp-memory": {"steps": 60},
    "second-me": {"steps": 15, "batch": 16},
    "sparse-mezo": {"steps": 3},
    "wise": {"steps": 8, "rate": 5e-2},
}
#: What is too little for these to learn: that is measured in the benchmark.
LEARNS_NOT_YET = ("mac", "merged-lora", "mlp-memory", "sparse-mezo", "wise")


@pytest.fixture(scope="module")
def told(world: Any) -> tuple[list[Session], Reserve]:
    from engrams_bench.parametric import told

    reserve = told.reserve(world)
    few = [Session(one.name, one.lessons[-FEW:]) for one in told.sessions(world)]
    return few, Reserve(reserve.replayed[:16], reserve.held[:16], reserve.texts[:4])


@pytest.mark.parametrize("name", list(METHODS))
def test_a_method_learns_and_lets_the_base_model_stand(name: str, told: Any, learner: Any) -> None:
    sessions, reserve = told
    method: Method = replace(METHODS[name], **QUICK.get(name, {"steps": STEPS}))  # type: ignore[type-var]
    weights = {n: p.clone() for n, p in learner.model.named_parameters()}
    asked = lesson_rows(learner, [*sessions[0].lessons, *reserve.held])
    learner.known(asked)  # transformers hangs hooks of its own in, once
    hooks = [list(m._forward_hooks) for m in learner.model.modules()]
    base = method.logits(learner, (), asked)
    assert torch.equal(base, learner.run(asked).logits)
    first = method.write(learner, (), sessions[:1], reserve)
    second = method.write(learner, first, sessions[:2], reserve)
    assert all(torch.equal(weights[n], p) for n, p in learner.model.named_parameters())
    assert hooks == [list(m._forward_hooks) for m in learner.model.modules()]
    assert all(not tensor.requires_grad for part in second for tensor in part.tensors.values())
    again = method.write(learner, (), sessions[:1], reserve)
    for one, same in zip(first, again, strict=True):
        assert all(torch.equal(one.tensors[n], same.tensors[n]) for n in one.tensors)
    if name not in LEARNS_NOT_YET:
        newest = lesson_rows(learner, sessions[1].lessons)
        assert right(method.logits(learner, second, newest), newest).float().mean() >= 0.75
    if method.separable:
        left = method.without(method.without(second, sessions[0].name), sessions[1].name)
        assert torch.equal(method.logits(learner, left, asked), base)


def test_more_of_an_mlp_memory_in_the_mixture_changes_more(told: Any, learner: Any) -> None:
    sessions, reserve = told
    asked = lesson_rows(learner, sessions[0].lessons)
    little, much = (MlpMemory(lam=lam, steps=60) for lam in (0.25, 0.75))
    parts = little.write(learner, (), sessions[:1], reserve)
    base = learner.known(asked).logits
    moved = [
        float((m.logits(learner, parts, asked) - base.log_softmax(-1)).abs().mean()) for m in (little, much)
    ]
    assert 0 < moved[0] < moved[1]


def test_sema_grows_only_on_what_is_new(told: Any, learner: Any) -> None:
    sessions, reserve = told
    easy = Sema(exp_threshold=1e9, steps=5)
    first = easy.write(learner, (), sessions[:1], reserve)
    taught = easy.write(learner, first, sessions[:2], reserve)
    assert [part.sessions for part in taught] == [("session-1", "session-2")]
    assert any(not torch.equal(first[0].tensors[n], taught[0].tensors[n]) for n in first[0].tensors)
    frozen = replace(easy, reuse="frozen").write(learner, first, sessions[:2], reserve)
    assert all(torch.equal(first[0].tensors[n], frozen[0].tensors[n]) for n in first[0].tensors)
    grown = replace(easy, exp_threshold=-1.0).write(learner, first, sessions[:2], reserve)
    assert [part.sessions for part in grown] == [("session-1",), ("session-2",)]


def test_the_forms_are_of_the_methods() -> None:
    assert all(type(form) is type(METHODS[form.about.name]) for form in FORMS.values())
