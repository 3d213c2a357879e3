"""What a composition computed anew: of which tokens, in which layers, and what that is of a full prefill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Recomputed:
    """What one composition cost and left behind.

    `tokens`, `layers`: the size of what was composed. `computed`: for each layer how many tokens were computed in it, a token
    that was computed twice counted twice. `fresh`: for each layer the places whose keys and values are new in the result,
    ascending. `pieces`: for each piece the score by which it was judged (a mean deviation, a share to be fixed), empty where
    the method looks at none.
    """

    method: str
    tokens: int
    layers: int
    computed: tuple[int, ...]
    fresh: tuple[tuple[int, ...], ...]
    pieces: tuple[float, ...] = ()

    @property
    def token_layers(self) -> int:
        """Tokens computed, summed over the layers."""
        return sum(self.computed)

    @property
    def share(self) -> float:
        """Token-layers computed, of those of a full prefill; 0 where nothing was."""
        return self.token_layers / (self.tokens * self.layers)

    def to_json(self) -> dict[str, Any]:
        """The report as plain values."""
        return {
            "method": self.method,
            "tokens": self.tokens,
            "layers": self.layers,
            "computed": list(self.computed),
            "token_layers": self.token_layers,
            "share": round(self.share, 4),
            "fresh": [list(places) for places in self.fresh],
            "pieces": [round(score, 6) for score in self.pieces],
        }


def nothing(method: str, tokens: int, layers: int) -> Recomputed:
    """The report of a composition that computed nothing."""
    return Recomputed(method, tokens, layers, (0,) * layers, ((),) * layers)
