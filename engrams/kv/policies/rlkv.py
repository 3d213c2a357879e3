"""RLKV: which heads keep everything is learnt from what the model gets right with some of them short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engrams.kv.policies.heads import Scores
from engrams.kv.policies.retrieval_heads import split
from engrams.kv.policies.scoring import not_below
from engrams.kv.policy import Kept, Seen


@dataclass(frozen=True)
class RLKV:
    """The heads with the widest gates keep every token, as many as the budget allows; others `sinks` and `recent` tokens.

    `heads`: a gate for each layer and key-value head, from a file (`engrams.kv.policies.heads.read_scores`) or from `search`
    there, which rewards right answers. Source: Du et al., section 3.
    """

    heads: Scores
    sinks: int = 4
    recent: int = 16

    name: ClassVar[str] = "rlkv"
    paper: ClassVar[str] = (
        "Which Heads Matter for Reasoning? RL-Guided KV Cache Compression, 2025 (2510.08525)"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "gates are open or shut while they are learnt; the paper mixes full and local attention by a weight",
        "approximation of the paper's sizes: 4 first and 16 recent tokens for heads that are shut",
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
            BadSetting: a budget under what the ends alone take, or gates of other heads than the model has.
        """
        return split(seen, budget, self.heads, self.sinks, self.recent)
