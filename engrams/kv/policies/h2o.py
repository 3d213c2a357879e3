"""H2O: tokens that got most attention so far, and the most recent ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.policies.scoring import by_score, first, weights
from engrams.kv.policy import Kept, Seen, all_of, check_queries, tokens_of


@dataclass(frozen=True)
class H2O:
    """Score of token t: Σ over queries w of a_wt, mean over the heads of a group; a `recent` share of the budget is the last tokens'.

    With `per_query` the sum is divided by how many queries could see the token at all: early tokens do not win by their age.
    Source: Zhang et al., section 4, algorithm 1: half of the budget recent.
    """

    recent: float = 0.5
    per_query: bool = False

    name: ClassVar[str] = "h2o"
    paper: ClassVar[str] = (
        "H2O: Heavy-Hitter Oracle for Efficient Generative Inference of Large Language Models, 2023 (2306.14048)"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "one choice after the whole text was read; the paper drops a token whenever one is added",
        "mean over the query heads that share a key-value head; the paper has no shared heads",
    )

    def __post_init__(self) -> None:
        if not 0 <= self.recent <= 1:
            raise BadSetting("recent", self.recent, "a share from 0 to 1", self.name)

    def queries(self, tokens: int) -> int:
        """All."""
        return tokens

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """Each head's own tokens."""
        check_queries(seen, self)
        recent = all_of(seen) >= seen.tokens - int(self.recent * tokens_of(seen, budget))
        return by_score([first(self.score(seen, at), recent) for at in range(len(seen.layers))], seen, budget)

    def score(self, seen: Seen, layer: int) -> Tensor:
        """Float[H, T]."""
        summed = weights(seen, layer).sum(2).mean(1)
        if not self.per_query:
            return summed
        able = (seen.asked[:, None] >= seen.positions[None, :]).sum(0).clamp(min=1)
        return summed / able
