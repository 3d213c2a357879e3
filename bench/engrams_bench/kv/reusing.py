"""Chunks that were read alone, put together in several ways: what is answered, what was computed anew, how long it takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from engrams.kv.block import Block
from engrams.kv.files import from_bytes, pack, to_bytes, unpack
from engrams.kv.measure import cpu_seconds
from engrams.kv.reuse.blend import CacheBlend
from engrams.kv.reuse.chunks import StalestChunks
from engrams.kv.reuse.edge import Edge
from engrams.kv.reuse.joining import Piece
from engrams.kv.reuse.method import Reuse
from engrams.kv.reuse.reference import Concatenate, RandomTokens, RecomputeAll, ReRotate
from engrams_bench.kv.asking import Asked
from engrams_bench.kv.tasks import BEGIN

Tell = Callable[[str], None]
#: Ways to compose, by the name of their row. Random draws take as many token-layers as the row they stand beside.
WAYS: Mapping[str, Reuse] = {
    "full prefill": RecomputeAll(),
    "concatenate": Concatenate(),
    "re-rotate": ReRotate(),
    "cacheblend, r = 0": CacheBlend(ratio=0.0),
    "cacheblend, r = 0.15": CacheBlend(ratio=0.15),
    "cacheblend, r = 0.30": CacheBlend(ratio=0.30),
    "cacheblend, r = 0.30, values": CacheBlend(ratio=0.30, side="values"),
    "random, as dear as r = 0.15": RandomTokens(ratio=0.36),
    "random, as dear as r = 0.30": RandomTokens(ratio=0.475),
    "edge, 15 %": Edge(ratio=0.15),
    "edge, 50 %": Edge(ratio=0.50),
    "stalest chunks, 1 of 8": StalestChunks(count=1),
    "stalest chunks, 2 of 8": StalestChunks(count=2),
    "stalest chunks, 3 of 8": StalestChunks(count=3),
}


def reusing(model: Any, asked: Sequence[Asked], tell: Tell) -> dict[str, Any]:
    """Every way on the contexts of facts; right answers in the order of the questions."""
    right: dict[str, str] = dict.fromkeys(WAYS, "")
    shares: dict[str, list[float]] = {name: [] for name in WAYS}
    worst = 0.0
    contexts = [one for one in asked if one.sample.task == "facts"]
    for number, one in enumerate(contexts):
        pieces = pieces_of(model, one.sample.chunks)
        full = _read(model, one.sample.tokens())
        for name, way in WAYS.items():
            # A draw of its own for every context, or all would share one luck.
            way = replace(way, seed=number) if isinstance(way, RandomTokens) else way
            reused = way(model, pieces)
            ids = torch.tensor([question.tokens() for question in one.questions])
            at = torch.arange(reused.next_position, reused.next_position + ids.shape[1]).expand(len(ids), -1)
            with torch.no_grad():
                out = model(input_ids=ids, past_key_values=reused.past(len(ids)), position_ids=at).logits[
                    :, -1
                ]
            found = out.argmax(-1).tolist()
            right[name] += "".join(str(int(f == q.value)) for f, q in zip(found, one.questions, strict=True))
            shares[name].append(reused.report.share)
            if isinstance(way, RecomputeAll):
                told = zip(reused.layers, full, strict=True)
                worst = max(worst, *(float((a[i] - b[i]).abs().max()) for a, b in told for i in (0, 1)))
        if number % 12 == 0:
            tell(f"chunks put together: context {number + 1} of {len(contexts)}")
    rows = [
        {"way": name, "computed": round(sum(held) / len(held), 4), "right": right[name]}
        for name, held in shares.items()
    ]
    return {"rows": rows, "recompute_all_differs_by": worst}


def pieces_of(model: Any, chunks: Sequence[Sequence[int]]) -> list[Piece]:
    """The beginning, and each chunk read behind it alone."""
    begin = _read(model, (BEGIN,))
    held = [Piece(torch.tensor([BEGIN]), torch.arange(1), begin)]
    for chunk in chunks:
        layers = _read(model, (BEGIN, *chunk))
        own = tuple((keys[:, 1:], values[:, 1:]) for keys, values in layers)
        held.append(Piece(torch.tensor(chunk), torch.arange(1, len(chunk) + 1), own, (BEGIN,)))
    return held


def _read(model: Any, tokens: Sequence[int]) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    cache = DynamicCache(config=model.config)
    with torch.no_grad():
        model.base_model(input_ids=torch.tensor([list(tokens)]), past_key_values=cache)
    return tuple((layer.keys[0], layer.values[0]) for layer in cache.layers)


#: Models of random weights, whose answers mean nothing and whose time does: layers, and tokens in chunks.
DEPTHS, WIDTH, CHUNK, CHUNKS = (4, 8, 16), 256, 128, 8
QUESTION, REPEATS = 16, 5


def timing(tell: Tell) -> dict[str, Any]:
    """CPU seconds until the first token of an answer, one thread: of a full prefill, and from chunks in files."""
    rows: list[dict[str, Any]] = []
    for layers in DEPTHS:
        torch.manual_seed(0)
        settings = LlamaConfig(
            vocab_size=1000,
            hidden_size=WIDTH,
            intermediate_size=3 * WIDTH,
            num_hidden_layers=layers,
            num_attention_heads=8,
            num_key_value_heads=2,
            max_position_embeddings=8192,
        )
        model = LlamaForCausalLM(settings).eval().requires_grad_(False)
        lot = torch.Generator().manual_seed(1)
        chunks = [torch.randint(4, 1000, (CHUNK,), generator=lot).tolist() for _ in range(CHUNKS)]
        question = torch.randint(4, 1000, (1, QUESTION), generator=lot)
        pieces = pieces_of(model, chunks)
        files = [
            to_bytes(pack(Block.of(p.layers, p.tokens.tolist(), "", int(p.positions[0]), p.behind)))
            for p in pieces
        ]
        tokens = [BEGIN, *(token for chunk in chunks for token in chunk)]

        def prefill(
            model: Any = model, tokens: list[int] = tokens, question: torch.Tensor = question
        ) -> None:
            ids = torch.cat((torch.tensor([tokens]), question), 1)
            with torch.no_grad():
                model(input_ids=ids, past_key_values=DynamicCache(config=model.config), logits_to_keep=1)

        def composed(
            way: Reuse, model: Any = model, files: list[bytes] = files, question: torch.Tensor = question
        ) -> None:
            held = [unpack(from_bytes(raw)).piece() for raw in files]
            reused = way(model, held)
            at = torch.arange(reused.next_position, reused.next_position + QUESTION)[None]
            with torch.no_grad():
                model(input_ids=question, past_key_values=reused.past(), position_ids=at, logits_to_keep=1)

        base = cpu_seconds(prefill, REPEATS)
        rows.append(
            {"layers": layers, "way": "full prefill", "cpu_seconds": round(base, 4), "times_faster": 1.0}
        )
        for name, way in (
            ("compose (re-rotate)", ReRotate()),
            ("edge, 15 %", Edge(ratio=0.15)),
            ("cacheblend, r = 0.15", CacheBlend(ratio=0.15)),
        ):
            taken = cpu_seconds(lambda way=way: composed(way), REPEATS)  # type: ignore[misc]
            rows.append(
                {
                    "layers": layers,
                    "way": name,
                    "cpu_seconds": round(taken, 4),
                    "times_faster": round(base / taken, 2),
                }
            )
            tell(f"{layers} layers, {name}: {base / taken:.2f} times faster than a prefill")
    return {"tokens": 1 + CHUNK * CHUNKS, "question": QUESTION, "width": WIDTH, "rows": rows}
