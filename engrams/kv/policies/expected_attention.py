"""Expected Attention: what queries to come would attend to, if they are drawn as those so far."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from engrams.errors import BadSetting
from engrams.kv.policies.scoring import by_score, first, not_below
from engrams.kv.policy import Kept, Seen, all_of, check_queries
from engrams.kv.rotary import Rotary


@dataclass(frozen=True)
class ExpectedAttention:
    """Score of token t: E[exp(q·k_t/√d)] ‖v_t‖ for queries q ~ N(μ, Σ) at the next `future` positions.

    μ and Σ are those of the queries so far before rotation, turned by the mean rotation of the positions to come; the
    expectation is exp(μ·k/√d + k'Σk/2d), made weights by a softmax over the tokens. `sinks` tokens at the start stay and do not
    count. Source: Devoto et al., section 3; constants as in the authors' code.
    """

    future: int = 512
    sinks: int = 4
    epsilon: float = 0.0

    name: ClassVar[str] = "expected-attention"
    paper: ClassVar[str] = (
        "Expected Attention: KV Cache Compression by Estimating Attention from Future Queries Distribution, 2025 (2510.00636)"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "the same budget in every head; the paper may share it among heads",
    )

    def __post_init__(self) -> None:
        not_below(self.name, 1, future=self.future)
        not_below(self.name, 0, sinks=self.sinks)

    def queries(self, tokens: int) -> int:
        """All."""
        return tokens

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """Each head's own tokens.

        Raises:
            BadSetting: no more tokens than sinks.
        """
        check_queries(seen, self)
        if seen.tokens <= self.sinks:
            raise BadSetting(
                "sinks", self.sinks, f"fewer than the {seen.tokens} tokens of the text", self.name
            )
        sinks = all_of(seen) < self.sinks
        return by_score([first(self.score(seen, at), sinks) for at in range(len(seen.layers))], seen, budget)

    def score(self, seen: Seen, layer: int) -> Tensor:
        """Float[H, T], 0 for the sinks."""
        held = seen.layers[layer]
        heads, tokens, width = held.keys.shape
        asked = seen.asked >= seen.positions[self.sinks]  # sinks are like no other token
        at = seen.asked[asked]
        plain = Rotary(seen.frequencies).move(held.queries[:, asked].float(), at, torch.zeros_like(at))
        mean = plain.mean(1)
        apart = plain - mean[:, None]
        spread = torch.einsum("hwi,hwj->hij", apart, apart) / plain.shape[1]
        turned = _mean_turn(seen, self.future)
        mean, spread = mean @ turned.T, turned @ spread @ turned.T
        keys = held.keys.float().repeat_interleave(mean.shape[0] // heads, 0)
        expected = (keys @ mean[:, :, None])[..., 0] * width**-0.5
        expected = expected + torch.einsum("hti,hij,htj->ht", keys, spread, keys) / width / 2
        # Sinks get no share: they stay anyway, and would take most of it.
        share = expected[:, self.sinks :].softmax(-1).reshape(heads, -1, tokens - self.sinks).mean(1)
        worth = (share + self.epsilon) * held.values[:, self.sinks :].float().norm(dim=-1)
        return torch.nn.functional.pad(worth, (self.sinks, 0))


def _mean_turn(seen: Seen, future: int) -> Tensor:
    """The mean rotation of the next `future` positions: float[D, D], for channels i and i + D/2 paired."""
    then = int(seen.positions[-1]) + 1
    steps = torch.arange(then, then + future, device=seen.frequencies.device)
    angles = steps[:, None] * seen.frequencies.float()[None]
    cos, sin = angles.cos().mean(0).diag(), angles.sin().mean(0).diag()
    return torch.cat((torch.cat((cos, -sin), 1), torch.cat((sin, cos), 1)))
