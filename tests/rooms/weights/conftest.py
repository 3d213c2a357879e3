"""The committed model, loaded once, and the world it was taught."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "weights"


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def model() -> Any:
    from transformers import LlamaForCausalLM

    return LlamaForCausalLM.from_pretrained(FIXTURE)


@pytest.fixture(scope="session")
def world() -> Any:
    from engrams_bench.parametric.world import build

    return build(0)


@pytest.fixture(scope="session")
def learner(model: Any) -> Any:
    from engrams.weights.running import Learner

    return Learner(model, "the model")
