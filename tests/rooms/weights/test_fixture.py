"""The committed model is the one its digest names, small, and knows its world."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "weights"


def test_the_model_is_the_one_its_digest_names_and_small() -> None:
    told = json.loads((FIXTURE / "DIGEST.json").read_text("utf-8"))
    assert hashlib.sha256((FIXTURE / "model.safetensors").read_bytes()).hexdigest() == told["sha256"]
    assert sum(path.stat().st_size for path in FIXTURE.iterdir()) < 1_000_000


def test_the_model_knows_its_world_and_its_tokenizer_says_it(model: Any, world: Any) -> None:
    from engrams_bench.parametric.base_model import rows
    from engrams_bench.parametric.world import BEGIN, ids
    from transformers import AutoTokenizer

    prompts, values = rows(world)
    with torch.no_grad():
        assert torch.equal(model(input_ids=prompts).logits[:, -1].argmax(-1), values)
    tokenizer = AutoTokenizer.from_pretrained(FIXTURE)
    assert tokenizer("tell anna city is")["input_ids"] == [BEGIN, *ids("tell anna city is")]
