"""Time to the first token behind stored chunks, of that behind a full prefill: what it takes does not depend on the weights."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from engrams.kv.activation import ActivationMemory
from engrams.kv.reuse.blend import CacheBlend
from engrams.kv.reuse.chunks import StalestChunks
from engrams.kv.reuse.edge import Edge
from engrams.kv.reuse.method import Reuse
from engrams_bench.machine import machine, origin

DEPTHS = (8, 16, 32)
CHUNKS, CHUNK_TOKENS, QUESTION_TOKENS = 8, 128, 16
WIDTH, INNER, HEADS, PAIRED_HEADS, VOCABULARY = 256, 768, 8, 2, 1_000
BEGIN, FIRST = 0, 4
REPEATS = 5
FULL, COMPOSE = "full prefill", "compose"
#: Nothing is computed anew by the first: what is measured is loading from disk, turning and the question.
WAYS: dict[str, Reuse | None] = {
    COMPOSE: None,
    "edge 0.05": Edge(0.05),
    "edge 0.15": Edge(0.15),
    "cacheblend 0.15": CacheBlend(0.15),
    "cacheblend, filter 0.3 0.2 0.15": CacheBlend(filter=(0.3, 0.2, 0.15)),
    "stalest 1 chunk by its last third": StalestChunks(1, tail=1 / 3),
}


def measure(
    depths: Sequence[int] = DEPTHS, repeats: int = REPEATS, tell: Callable[[str], None] = print
) -> dict[str, Any]:
    """CPU seconds of one thread, the median of `repeats` rounds in which every way has its turn; per depth."""
    torch.set_num_threads(1)
    return {
        "settings": {
            "tokens": 1 + CHUNKS * CHUNK_TOKENS,
            "chunks": CHUNKS,
            "question": QUESTION_TOKENS,
            "width": WIDTH,
            "inner": INNER,
            "heads": HEADS,
            "key-value heads": PAIRED_HEADS,
            "repeats": repeats,
            "clock": "CPU seconds of one thread",
        },
        "origin": origin(),
        "machine": machine(),
        "depths": [_at(depth, repeats, tell) for depth in depths],
    }


def _at(depth: int, repeats: int, tell: Callable[[str], None]) -> dict[str, Any]:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=depth,
        num_attention_heads=HEADS,
        num_key_value_heads=PAIRED_HEADS,
        max_position_embeddings=8192,
    )
    model = LlamaForCausalLM(config).eval()
    lot = torch.Generator().manual_seed(1)
    drawn = torch.randint(
        FIRST, VOCABULARY, (CHUNKS * CHUNK_TOKENS + QUESTION_TOKENS,), generator=lot
    ).tolist()
    chunks = [drawn[at : at + CHUNK_TOKENS] for at in range(0, CHUNKS * CHUNK_TOKENS, CHUNK_TOKENS)]
    question = drawn[CHUNKS * CHUNK_TOKENS :]
    with TemporaryDirectory() as folder:
        # No RAM tier: every composition loads its blocks from disk.
        memory = ActivationMemory(model, root=folder, ram=0)
        handles = [memory.store([BEGIN]), *(memory.store(chunk, behind=[BEGIN]) for chunk in chunks)]
        work: dict[str, Callable[[], Any]] = {FULL: partial(_prefill, model, [BEGIN, *drawn])}
        for name, way in WAYS.items():
            work[name] = partial(_composed, model, memory, handles, way, question)
        seconds: dict[str, list[float]] = {name: [] for name in work}
        shares = {name: run() for name, run in work.items()}  # once before it counts
        for _ in range(repeats):
            for name, run in work.items():
                began = time.process_time()
                run()
                seconds[name].append(time.process_time() - began)
        size = sum(handle.bytes for handle in handles)
        memory.close()
    full = median(seconds[FULL])
    rows = [
        {
            "way": name,
            "seconds": round(median(taken), 4),
            "times": round(full / median(taken), 2),
            "share": round(shares[name], 4),
        }
        for name, taken in seconds.items()
    ]
    tell(f"{depth} layers: " + ", ".join(f"{row['way']} {row['times']}x" for row in rows))
    return {"layers": depth, "bytes on disk": size, "rows": rows}


def _prefill(model: Any, tokens: list[int]) -> float:
    with torch.no_grad():
        model(input_ids=torch.tensor([tokens]), logits_to_keep=1)
    return 1.0


def _composed(
    model: Any, memory: ActivationMemory, handles: list[Any], way: Reuse | None, question: list[int]
) -> float:
    composed = memory.compose(handles, reuse=way)
    begin = composed.next_position
    with torch.no_grad():
        model(
            input_ids=torch.tensor([question]),
            position_ids=torch.arange(begin, begin + len(question))[None],
            past_key_values=composed.past(),
            logits_to_keep=1,
        )
    return composed.report.share
