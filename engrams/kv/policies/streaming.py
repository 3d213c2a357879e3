"""StreamingLLM: the first tokens and the last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engrams.kv.policies.scoring import ends, not_below
from engrams.kv.policy import Kept, KeptLayer, Seen, same_for, tokens_of


@dataclass(frozen=True)
class Streaming:
    """Keeps `sinks` tokens at the start, which attention rests on where it has nothing to find, and the most recent ones.

    Source: Xiao et al., section 3.2; 4 sinks as in the authors' code.
    """

    sinks: int = 4

    name: ClassVar[str] = "streaming"
    paper: ClassVar[str] = "Efficient Streaming Language Models with Attention Sinks, 2023 (2309.17453)"
    differs: ClassVar[tuple[str, ...]] = (
        "tokens keep the positions they were read at; the paper counts positions within the cache",
    )

    def __post_init__(self) -> None:
        not_below(self.name, 0, sinks=self.sinks)

    def queries(self, tokens: int) -> int:
        """None."""
        return 0

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """The same places in every layer and head."""
        count = tokens_of(seen, budget)
        sinks = min(self.sinks, count)
        places = ends(seen, sinks, count - sinks)
        return Kept(tuple(KeptLayer(same_for(seen.heads, places)) for _ in seen.layers))
