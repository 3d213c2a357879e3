"""CacheBlend: a look at all tokens in the first layers says whose keys are wrong; the rest of the model computes only those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.reuse.deviation import Choose, Side, compare
from engrams.kv.reuse.joining import Piece, join
from engrams.kv.reuse.method import Reused, check_share, count_of, highest, inexact, reused
from engrams.kv.reuse.passing import recompute
from engrams.kv.rotary import Rotary


@dataclass(frozen=True)
class CacheBlend:
    """Layers up to the check layer compute every token; behind it only those whose keys deviated most there go on.

    Source: CacheBlend, 2024, arXiv 2405.16444, section 4 (selective recompute, gradual filtering); the authors' code
    (`check_layers`, `recomp_ratio`) and LMCache's, which compares keys where the authors' code compares values.

    `ratio`: share of the tokens that go on in the last layers, rounded up. `filter`: shares behind the check layer, the one
    after it, and so on, not increasing; the last one holds for the remaining layers and `ratio` is not used; empty chooses once.
    `check_layer`: the layer whose keys are compared, from 0. `side`: keys or values. `keep_check`: the layers up to the check
    layer stay fresh for all tokens, as published; without it the look only chooses, and a second pass computes the chosen tokens
    from the first layer on, which shows what the choice alone is worth.
    """

    ratio: float = 0.15
    filter: tuple[float, ...] = ()
    check_layer: int = 1
    side: Side = "keys"
    keep_check: bool = True

    name: ClassVar[str] = "cacheblend"
    paper: ClassVar[str] = (
        "CacheBlend: Fast Large Language Model Serving for RAG with Cached Knowledge Fusion, 2024, arXiv 2405.16444"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "keys decide by default, as in LMCache; the authors' code compares values (`side`)",
        "the tokens become fewer behind the check layer; the authors' code drops the others' queries inside it",
        "tokens that are exact already (a prefix) are not computed in the check layers either",
        "the question follows the composed cache in its own pass, in which all its tokens are computed",
        "the shares of the gradual filter are the caller's: the paper says they fall slowly towards the ratio, not how",
    )

    def __post_init__(self) -> None:
        check_share("ratio", self.ratio, self.name)
        for share in self.filter:
            check_share("filter", share, self.name)
        if list(self.filter) != sorted(self.filter, reverse=True):
            raise BadSetting("filter", self.filter, "shares that do not increase", self.name)
        if self.check_layer < 0:
            raise BadSetting("check_layer", self.check_layer, "a layer from 0 on", self.name)

    def __call__(self, model: Any, pieces: Sequence[Piece]) -> Reused:
        """Composes; computes all tokens up to the check layer and the chosen ones behind it."""
        joined = join(pieces, Rotary.of(model))
        found = torch.zeros(len(joined.tokens))
        chosen = [joined.tokens[:0]]

        def most(share: float, first: bool) -> Choose:
            def choose(places: Tensor, scores: Tensor) -> Tensor:
                kept = highest(scores, count_of(share, len(joined.tokens)))
                if first:
                    found[places] = scores
                    chosen[0] = places[kept]
                return kept

            return choose

        shares = self.filter or (self.ratio,)
        choose = {self.check_layer + i: most(share, i == 0) for i, share in enumerate(shares)}
        passed = compare(model, joined, inexact(joined), self.side, choose, self.keep_check)
        means = tuple(float(found[begin:end].mean()) for begin, end in joined.spans)
        if self.keep_check:
            return reused(self.name, joined, passed, pieces=means)
        return reused(self.name, joined, recompute(model, joined, chosen[0]), passed, means)
