"""What kvpress keeps of the same contexts, asked the same questions: run in an environment of its own.

    .venv-kvpress/bin/python -m engrams_bench.kv.kvpress_rows bench/results/kv/kvpress.json

It holds transformers 5.2, and importing kvpress changes the attention functions of the whole process.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transformers import DynamicCache

from engrams_bench.kv import fixture, rows
from engrams_bench.kv.asking import Asked, described, drawn
from engrams_bench.kv.compressing import Rows, Tell
from engrams_bench.kv.names import BUDGETS
from engrams_bench.machine import machine, origin


def presses(kvpress: Any) -> Mapping[str, Callable[[float], Any]]:
    """Each press with the settings of our rows, given the share that goes."""
    window, sinks = rows.WINDOW, rows.SINKS
    return {
        "RandomPress": lambda gone: kvpress.RandomPress(gone, seed=0),
        "StreamingLLMPress": lambda gone: kvpress.StreamingLLMPress(gone, n_sink=sinks),
        "KnormPress": lambda gone: kvpress.KnormPress(gone),
        "SnapKVPress": lambda gone: kvpress.SnapKVPress(gone, window_size=window, kernel_size=rows.KERNEL),
        "PyramidKVPress": lambda gone: kvpress.PyramidKVPress(
            gone, window_size=window, kernel_size=rows.KERNEL, beta=4
        ),
        "TOVAPress": lambda gone: kvpress.TOVAPress(gone),
        "KeyDiffPress": lambda gone: kvpress.KeyDiffPress(gone),
        "LagKVPress": lambda gone: kvpress.LagKVPress(gone, n_sink=sinks, lag_size=16),
        "CURPress": lambda gone: kvpress.CURPress(gone),
        "LeverageScorePress": lambda gone: kvpress.LeverageScorePress(gone),
        "ExpectedAttentionPress": lambda gone: kvpress.ExpectedAttentionPress(
            gone, n_future_positions=64, n_sink=sinks
        ),
        "ObservedAttentionPress": lambda gone: kvpress.ObservedAttentionPress(gone),
    }


def measure(model: Any, kvpress: Any, tell: Tell) -> dict[str, Any]:
    """Compressed before any question is known."""
    asked = list(drawn())
    held, failed = Rows(), dict[str, str]()
    for number, one in enumerate(asked):
        for name, press in presses(kvpress).items():
            for budget in BUDGETS:
                if name in failed:
                    continue
                try:
                    right = _asked(model, press(1 - budget), one)
                except (AssertionError, AttributeError, RuntimeError, ValueError) as error:
                    failed[name] = f"{type(error).__name__}: {error}"[:160]
                    held.held = {key: row for key, row in held.held.items() if key[0] != name}
                    continue
                held.at(name, budget).right += right
        if number % 12 == 0:
            tell(f"kvpress: context {number + 1} of {len(asked)}")
    return {"rows": held.told(), "failed": failed, "questions": described(asked)}


def _asked(model: Any, press: Any, one: Asked) -> list[bool]:
    tokens, count = one.sample.tokens(), len(one.questions)
    cache = DynamicCache(config=model.config)
    with torch.no_grad(), press(model):
        model.model(input_ids=torch.tensor([tokens]), past_key_values=cache)
    lengths = {layer.keys.shape[2] for layer in cache.layers}
    for layer in cache.layers:
        layer.keys = layer.keys.expand(count, -1, -1, -1).contiguous()
        layer.values = layer.values.expand(count, -1, -1, -1).contiguous()
    ids = torch.tensor([question.tokens() for question in one.questions])
    at = torch.arange(len(tokens), len(tokens) + ids.shape[1]).expand(count, -1)
    # Layers of different length take one token at a time: transformers makes one mask for all.
    steps = [ids] if len(lengths) == 1 else list(ids.split(1, 1))
    with torch.no_grad():
        for step, place in zip(steps, [at] if len(steps) == 1 else at.split(1, 1), strict=True):
            out = model(input_ids=step, past_key_values=cache, position_ids=place, attention_mask=None)
    found = out.logits[:, -1].argmax(-1).tolist()
    return [f == q.value for f, q in zip(found, one.questions, strict=True)]


def main() -> None:
    """Writes the rows into the file that is named."""
    import kvpress

    torch.set_num_threads(1)
    model = fixture.load()
    model.set_attn_implementation("eager")  # ObservedAttentionPress looks at the weights
    told = measure(model, kvpress, lambda line: print(line, file=sys.stderr))
    told = {
        "versions": {name: version(name) for name in ("kvpress", "transformers", "torch")},
        "fixture": fixture.made()["sha256"],
        "origin": origin(),
        "machine": machine(),
        **told,
    }
    Path(sys.argv[1]).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
