"""Every way of reuse on the same contexts: chunks read alone, composed in order, and asked what only several of them tell."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch
from transformers import DynamicCache

from engrams.kv.reuse.blend import CacheBlend
from engrams.kv.reuse.chunks import GivenChunks, StalestChunks
from engrams.kv.reuse.craft import CacheCraft
from engrams.kv.reuse.edge import Edge
from engrams.kv.reuse.joining import Piece
from engrams.kv.reuse.method import Reuse, Reused
from engrams.kv.reuse.reference import Concatenate, RandomTokens, ReRotate
from engrams_bench.kv.asking import LOCAL, QUESTIONS, SEEDS
from engrams_bench.kv.fixture import made
from engrams_bench.kv.tasks import BEGIN, FILLER, REFERENCE, Question, Sample, facts
from engrams_bench.machine import machine, origin

#: Contexts of each draw, four questions to each: 480 in all.
CONTEXTS = 40
FULL, GIVEN = "full prefill", "the chunks that refer to others, given"
#: The layer whose keys tell on this model: the first behind a head that follows references.
CHECK = 2
#: Rows by name; the last part of each is what it is of.
WAYS: dict[str, Reuse] = {
    "plain concatenation": Concatenate(),
    "re-rotated, nothing computed": ReRotate(),
    "edge 0.15": Edge(0.15),
    "edge 0.3": Edge(0.3),
    "cacheblend r = 0": CacheBlend(0.0, check_layer=CHECK),
    "cacheblend 0.15": CacheBlend(0.15, check_layer=CHECK),
    "cacheblend 0.25": CacheBlend(0.25, check_layer=CHECK),
    "cacheblend 0.35": CacheBlend(0.35, check_layer=CHECK),
    "cacheblend 0.25, values": CacheBlend(0.25, check_layer=CHECK, side="values"),
    "cacheblend 0.25, check layer 1": CacheBlend(0.25, check_layer=1),
    "cacheblend, filter 0.5 0.35 0.2": CacheBlend(filter=(0.5, 0.35, 0.2), check_layer=CHECK),
    "cacheblend 0.25, its choice alone": CacheBlend(0.25, check_layer=CHECK, keep_check=False),
    "stalest 2 chunks": StalestChunks(2, CHECK),
    "stalest 3 chunks": StalestChunks(3, CHECK),
    "stalest 2 chunks by their last third": StalestChunks(2, CHECK, tail=1 / 3),
    "stalest 3 chunks by their last third": StalestChunks(3, CHECK, tail=1 / 3),
}
#: Rows beside which random tokens of the same number of token-layers are computed.
RANDOM = (
    "edge 0.15",
    "cacheblend 0.25",
    "stalest 2 chunks by their last third",
    "stalest 3 chunks by their last third",
)
#: Cache-Craft's alpha, row by row.
ALPHAS = (1.0, 2.0)

Tell = Callable[[str], None]


@dataclass
class Row:
    """A way of reuse: which questions it got right, in the order they were put, and what it computed of each context."""

    way: str
    right: list[bool] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """As it stands in the result file."""
        return {
            "way": self.way,
            "share": round(sum(self.shares) / len(self.shares), 4),
            "right": "".join("1" if one else "0" for one in self.right),
        }


def contexts(seeds: Sequence[int], count: int) -> Iterator[tuple[int, Sample, list[Question]]]:
    """Contexts of chunks and what is asked of them: one question that its own chunk answers, three that need others."""
    for seed in seeds:
        rng = Random(seed)
        for _ in range(count):
            sample = facts(rng)
            local = [q for q in sample.questions if not q.depth]
            deep = [q for q in sample.questions if q.depth]
            yield seed, sample, [*rng.sample(local, LOCAL), *rng.sample(deep, QUESTIONS - LOCAL)]


def read(model: Any, tokens: Sequence[int], behind: Sequence[int] = ()) -> Piece:
    """A stretch as the model reads it behind others."""
    cache = DynamicCache()
    with torch.no_grad():
        model.model(input_ids=torch.tensor([[*behind, *tokens]]), past_key_values=cache, use_cache=True)
    skip, end = len(behind), len(behind) + len(tokens)
    layers = tuple((layer.keys[0, :, skip:], layer.values[0, :, skip:]) for layer in cache.layers)
    return Piece(torch.tensor(tokens), torch.arange(skip, end), layers, tuple(behind))


def right(model: Any, layers: Sequence[Any], questions: Sequence[Question]) -> list[bool]:
    """Which questions are answered behind a cache, each put alone."""
    cache, count = DynamicCache(), len(questions)
    for number, (keys, values) in enumerate(layers):
        shape = (count, *keys.shape)
        cache.update(keys[None].expand(shape), values[None].expand(shape), number)
    begin = int(layers[0][0].shape[1])
    with torch.no_grad():
        said = model(
            input_ids=torch.tensor([q.tokens() for q in questions]),
            position_ids=torch.arange(begin, begin + 3)[None].expand(count, -1),
            past_key_values=cache,
            logits_to_keep=1,
        ).logits[:, -1]
    return [int(token) == q.value for token, q in zip(said.argmax(-1), questions, strict=True)]


def measure(
    model: Any, seeds: Sequence[int] = SEEDS, count: int = CONTEXTS, tell: Tell = print
) -> dict[str, Any]:
    """All rows, question by question; one thread."""
    torch.set_num_threads(1)
    began, rows, asked = time.process_time(), dict[str, Row](), []
    for number, (seed, sample, questions) in enumerate(contexts(seeds, count)):
        asked += [{"seed": seed, "context": number, "depth": q.depth} for q in questions]

        def put(way: str, layers: Sequence[Any], share: float, these: list[Question] = questions) -> None:
            row = rows.setdefault(way, Row(way))
            row.right += right(model, layers, these)
            row.shares.append(share)

        pieces = [read(model, [BEGIN]), *(read(model, chunk, [BEGIN]) for chunk in sample.chunks)]
        put(FULL, read(model, sample.tokens()).layers, 1.0)
        for name, way in WAYS.items():
            made_of = way(model, pieces)
            put(name, made_of.layers, made_of.report.share)
            if name in RANDOM:
                drawn = RandomTokens(made_of.report.share, seed=number)(model, pieces)
                put(f"random, as dear as {name}", drawn.layers, drawn.report.share)
        known = GivenChunks(tuple(1 + i for i, c in enumerate(sample.chunks) if REFERENCE <= c[1] < FILLER))
        given = known(model, pieces)
        put(GIVEN, given.layers, given.report.share)
        for alpha in ALPHAS:
            crafted = craft(model, alpha, pieces[0], sample.chunks, Random(number))
            put(f"cache-craft, alpha {alpha:g}", crafted.layers, crafted.report.share)
        if number % 10 == 9:
            tell(
                f"context {number + 1} of {len(seeds) * count}, {time.process_time() - began:.0f} CPU seconds"
            )
    return {
        "fixture": made()["sha256"],
        "settings": {"seeds": list(seeds), "contexts": count, "questions": len(asked), "check layer": CHECK},
        "origin": origin(),
        "machine": machine(),
        "cpu_seconds": round(time.process_time() - began, 1),
        "questions": asked,
        "rows": [row.told() for row in rows.values()],
    }


def craft(model: Any, alpha: float, beginning: Piece, chunks: Sequence[Sequence[int]], rng: Random) -> Reused:
    """Cache-Craft where the same chunks came by before, in another order: what is billed is the second prompt."""
    way = CacheCraft(alpha)
    way.compose(model, beginning, rng.sample(list(chunks), len(chunks)))
    return way.compose(model, beginning, chunks)


def write(found: dict[str, Any], path: Path) -> None:
    """A result file, one line to each question and row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
