"""Cache-Craft: chunk caches kept with what they owe to their neighbours; behind others, only that share is computed anew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.reuse.craft_scores import Contact, attention_to, contact
from engrams.kv.reuse.craft_store import ChunkCaches, Variant, name_of
from engrams.kv.reuse.joining import Joined, Piece, join
from engrams.kv.reuse.method import Reused, count_of, highest, reused
from engrams.kv.reuse.passing import Passed, recompute
from engrams.kv.rotary import Rotary

#: A chunk of which this share must be computed is computed whole, and kept as a variant of its own.
WHOLE = 1.0


class CacheCraft:
    """Composes prompts of chunks and learns their caches as they come by: the first time whole, then only what is owed.

    Source: Cache-Craft: Managing Chunk-Caches for Efficient Retrieval-Augmented Generation, 2025, arXiv 2502.15734.

    `alpha` (above 0): how dear a missing neighbour is, fitted to the quality wanted; `caches`: what is held, and what goes.
    """

    name: ClassVar[str] = "cache-craft"
    paper: ClassVar[str] = (
        "Cache-Craft: Managing Chunk-Caches for Efficient Retrieval-Augmented Generation, 2025, arXiv 2502.15734"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "the equations were read in a restatement of the paper",
        "approximation of alpha, the number of chunks (100) and of variants (5), and of the cap on 1/CFO",
        "a chunk that was first read with no other before it owes everything where others stand before it (the paper is silent)",
        "chunks are computed to the last layer: the paper stops early for those the question does not look at",
        "the fixed beginning of a prompt is no chunk, and attention to it counts as neither inside nor outside",
    )

    def __init__(self, alpha: float = 1.0, caches: ChunkCaches | None = None) -> None:
        if alpha <= 0:
            raise BadSetting("alpha", alpha, "a number above 0", self.name)
        self.alpha = alpha
        self.caches = caches if caches is not None else ChunkCaches()

    def compose(self, model: Any, beginning: Piece, chunks: Sequence[Sequence[int]]) -> Reused:
        """The cache of a prompt: a fixed beginning, then chunks of tokens in order.

        Chunks that no cache is held of (or whose best one would have to be computed whole) are computed, and what they look at is
        kept with them. The report's `pieces` are the shares computed: 0 for the beginning, then each chunk's CFO, 1 where it is new.

        Raises:
            BadSetting: an empty chunk.
        """
        if not all(chunks):
            raise BadSetting("chunks", [len(c) for c in chunks], "chunks of at least one token", self.name)
        names = [name_of(chunk) for chunk in chunks]
        found = [self.caches.best(name, names[:i], self.alpha) for i, name in enumerate(names)]
        held = [pair if pair is not None and pair[1] < WHOLE else None for pair in found]
        pieces = [beginning] + [
            pair[0].piece if pair is not None else _blank(chunk, beginning)
            for chunk, pair in zip(chunks, held, strict=True)
        ]
        joined = join(pieces, Rotary.of(model))
        places = self._places(joined, held)
        new = [i for i, pair in enumerate(held) if pair is None]
        passed, attention = _compute(model, joined, places, [joined.spans[i + 1] for i in new])
        for i, rows in zip(new, attention, strict=True):
            self._keep(joined, passed, names, i, rows)
        for pair in held:
            if pair is not None:
                self.caches.used(*pair)
        shares = (0.0, *(pair[1] if pair is not None else WHOLE for pair in held))
        return reused(self.name, joined, passed, pieces=shares)

    def _places(self, joined: Joined, held: Sequence[tuple[Variant, float] | None]) -> Tensor:
        """Who is computed: all of a new chunk; of a held one the tokens that looked most at others (equation 14)."""
        chosen = [joined.tokens[:0]]
        for (begin, end), pair in zip(joined.spans[1:], held, strict=True):
            if pair is None:
                chosen.append(torch.arange(begin, end))
            else:
                owed = torch.tensor(pair[0].contact.tokens)
                chosen.append(begin + highest(owed, count_of(pair[1], end - begin)))
        places = torch.cat(chosen)
        return places[places >= joined.exact]

    def _keep(
        self, joined: Joined, passed: Passed, names: Sequence[str], which: int, rows: Sequence[Tensor]
    ) -> None:
        begin, end = joined.spans[which + 1]
        piece = Piece(
            joined.tokens[begin:end],
            torch.arange(begin, end),
            tuple((k[:, begin:end].clone(), v[:, begin:end].clone()) for k, v in passed.layers),
            tuple(joined.tokens[:begin].tolist()),
        )
        before = joined.spans[1 : which + 1]
        seen: Contact = contact(rows, (begin, end), before, names[:which])
        self.caches.add(Variant(names[which], piece, seen))


def _blank(chunk: Sequence[int], like: Piece) -> Piece:
    """A chunk that nothing is known of yet: its keys and values are computed before anybody reads them."""
    layers = tuple(
        (k.new_zeros(k.shape[0], len(chunk), k.shape[2]), v.new_zeros(v.shape[0], len(chunk), v.shape[2]))
        for k, v in like.layers
    )
    tokens = torch.tensor(list(chunk), dtype=like.tokens.dtype)
    return Piece(tokens, torch.arange(len(chunk)), layers, (-1,))  # -1, no token: never taken for exact


def _compute(
    model: Any, joined: Joined, places: Tensor, spans: Sequence[tuple[int, int]]
) -> tuple[Passed, list[list[Tensor]]]:
    """The pass, and for each of `spans` (all of whose tokens are computed) its rows of attention float[n, T] in each layer."""
    rows: list[list[Tensor]] = [[] for _ in spans]
    where = [torch.searchsorted(places, torch.tensor(span)).tolist() for span in spans]

    def watch(_: int, queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> None:
        for mine, (begin, end) in zip(rows, where, strict=True):
            mine.append(attention_to(queries[0, :, begin:end], keys[0], places[begin:end], scale))

    return recompute(model, joined, places, watch=watch if spans else None), rows
