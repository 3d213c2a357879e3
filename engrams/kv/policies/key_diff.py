"""KeyDiff: tokens whose keys are least like the others'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from engrams.kv.policies.scoring import by_score
from engrams.kv.policy import Kept, Seen


@dataclass(frozen=True)
class KeyDiff:
    """Score of token t: -cos(k_t, mean of all k/‖k‖). No query is looked at. Source: Park et al., section 3."""

    name: ClassVar[str] = "key-diff"
    paper: ClassVar[str] = (
        "KeyDiff: Key Similarity-Based KV Cache Eviction for Long-Context LLM Inference in Resource-Constrained "
        "Environments, 2025 (2504.15364)"
    )
    differs: ClassVar[tuple[str, ...]] = (
        "one choice after the whole text was read; the paper drops tokens block by block while it reads",
    )

    def queries(self, tokens: int) -> int:
        """None."""
        return 0

    def __call__(self, seen: Seen, budget: float) -> Kept:
        """Each head's own tokens."""
        return by_score([self.score(layer.keys) for layer in seen.layers], seen, budget)

    def score(self, keys: Tensor) -> Tensor:
        """Float[H, T] of keys float[H, T, D]."""
        usual = normalize(keys.float(), dim=-1).mean(1, keepdim=True)
        return -cosine_similarity(keys.float(), usual, dim=-1)
