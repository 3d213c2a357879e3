"""All compression policies by name, with what they are told by default."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engrams.errors import UnknownName
from engrams.kv.policies.attention_gate import AttentionGate
from engrams.kv.policies.cake import Cake
from engrams.kv.policies.compress_kv import CompressKV
from engrams.kv.policies.delta import Delta
from engrams.kv.policies.expected_attention import ExpectedAttention
from engrams.kv.policies.h2o import H2O
from engrams.kv.policies.key_diff import KeyDiff
from engrams.kv.policies.la_cache import LaCache
from engrams.kv.policies.lazy_eviction import LazyEviction
from engrams.kv.policies.razor_attention import RazorAttention
from engrams.kv.policies.reference import Full, Random
from engrams.kv.policies.retrieval_heads import RetrievalHeads
from engrams.kv.policies.rlkv import RLKV
from engrams.kv.policies.snapkv import SnapKV
from engrams.kv.policies.spec_kv import SpecKV
from engrams.kv.policies.spec_pc import SpecPC
from engrams.kv.policies.streaming import Streaming
from engrams.kv.policies.task_kv import TaskKV
from engrams.kv.policies.think import ThinK
from engrams.kv.policy import Policy

#: Those whose every field has a default: a name is enough.
BY_NAME: Mapping[str, Any] = {
    "cake": Cake,
    "expected-attention": ExpectedAttention,
    "full": Full,
    "h2o": H2O,
    "key-diff": KeyDiff,
    "la-cache": LaCache,
    "lazy-eviction": LazyEviction,
    "random": Random,
    "snapkv": SnapKV,
    "spec-kv": SpecKV,
    "spec-pc": SpecPC,
    "streaming": Streaming,
    "task-kv": TaskKV,
    "think": ThinK,
}
#: Those that need to know a model's heads, or are trained for it: by hand only.
OF_A_MODEL: tuple[Any, ...] = (AttentionGate, CompressKV, RLKV, RazorAttention, RetrievalHeads)
#: It chooses anew for every query and drops nothing: given to a forward pass, not to `compress`.
OF_A_PASS: tuple[Any, ...] = (Delta,)


def find(name: str) -> Policy:
    """The policy of that name with its own defaults.

    Raises:
        UnknownName: none is called that, or it needs a model's heads.
    """
    if name not in BY_NAME:
        raise UnknownName("policy", name, sorted(BY_NAME))
    policy: Policy = BY_NAME[name]()
    return policy


def cards() -> list[dict[str, Any]]:
    """Name, paper and departures of every policy, by name; `needs` says what a name alone does not bring."""
    held: list[dict[str, Any]] = []
    for kinds, needs in (
        (tuple(BY_NAME.values()), ""),
        (OF_A_MODEL, "a model's heads"),
        (OF_A_PASS, "a forward pass"),
    ):
        held += [
            {"name": kind.name, "paper": kind.paper, "differs": list(kind.differs), "needs": needs}
            for kind in kinds
        ]
    return sorted(held, key=lambda card: str(card["name"]))
