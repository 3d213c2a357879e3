"""Retrieval heads: the few heads that look things up keep everything, the others the start and the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engrams.kv.policies.heads import Scores
from engrams.kv.policies.scoring import ends, not_below, whole_heads
from engrams.kv.policy import Kept, KeptLayer, Seen, all_of, heads_of


@dataclass(frozen=True)
class RetrievalHeads:
    """The heads with the best scores keep every token, as many as the budget allows; others `sinks` and `recent` tokens.

    `heads`: a score for each layer and key-value head (`engrams.kv.policies.heads.copying`, then `shared`). Source: Wu et al.
    """

    heads: Scores
    sinks: int = 4
    recent: int = 16

    name: ClassVar[str] = "retrieval-heads"
    paper: ClassVar[str] = (
        "Retrieval Head Mechanistically Explains Long-Context Factuality, 2024 (2404.15574)"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "the paper finds the heads and shows that masking them destroys look-up; keeping the others short is the use made of it here",
    )

    def __post_init__(self) -> None:
        not_below(self.name, 0, sinks=self.sinks)
        not_below(self.name, 1, recent=self.recent)

    def queries(self, tokens: int) -> int:
        """None."""
        return 0

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """Everything for some heads, the ends for the others.

        Raises:
            BadSetting: a budget under what the ends alone take, or scores of other heads than the model has.
        """
        return split(seen, budget, self.heads, self.sinks, self.recent)


def split(seen: Seen, budget: float, heads: Scores, sinks: int, recent: int) -> Kept:
    """The best heads keep all, the others their ends."""
    places = ends(seen, sinks, recent)
    whole = whole_heads(heads_of(heads, seen), seen, budget, int(places.numel()))
    every = all_of(seen)
    return Kept(
        tuple(KeptLayer(tuple(every if keeps else places for keeps in row)) for row in whole.tolist())
    )
