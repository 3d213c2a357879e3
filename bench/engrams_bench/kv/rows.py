"""The rows of the tables: each policy with what it is told for contexts of a hundred tokens."""

from __future__ import annotations

from collections.abc import Mapping

from engrams.kv.policies.cake import Cake
from engrams.kv.policies.compress_kv import CompressKV
from engrams.kv.policies.expected_attention import ExpectedAttention
from engrams.kv.policies.h2o import H2O
from engrams.kv.policies.key_diff import KeyDiff
from engrams.kv.policies.la_cache import LaCache
from engrams.kv.policies.lazy_eviction import LazyEviction
from engrams.kv.policies.razor_attention import RazorAttention
from engrams.kv.policies.reference import Random
from engrams.kv.policies.retrieval_heads import RetrievalHeads
from engrams.kv.policies.rlkv import RLKV
from engrams.kv.policies.snapkv import SnapKV
from engrams.kv.policies.spec_kv import SpecKV
from engrams.kv.policies.streaming import Streaming
from engrams.kv.policies.task_kv import TaskKV
from engrams.kv.policies.think import ThinK
from engrams.kv.policy import Policy
from engrams_bench.kv.calibrate import SHORT, Calibrated

WINDOW, KERNEL = 12, 1  # a chunk; single tokens hold the values, so that smoothing only blurs
SINKS = 1  # the token that begins every text


def agnostic(known: Calibrated) -> Mapping[str, Policy]:
    """Policies that are asked before any question is known, by the name of their row."""
    return {
        "random": Random(),
        "streaming": Streaming(sinks=SINKS),
        "la-cache": LaCache(span=4, sinks=SINKS),
        "h2o": H2O(),
        "h2o, nothing recent": H2O(recent=0.0, per_query=True),
        "snapkv": SnapKV(WINDOW, KERNEL),
        "expected-attention": ExpectedAttention(future=64, sinks=SINKS),
        "key-diff": KeyDiff(),
        "cake": Cake(WINDOW, KERNEL),
        "compress-kv": CompressKV(known.semantic, window=WINDOW, kernel=KERNEL, best_heads=1),
        "task-kv": TaskKV(WINDOW, SINKS, recent=4, middle=4),
        "lazy-eviction": LazyEviction(window=4, alpha=0.05),
        "attention-gate": known.gate,
        "retrieval-heads": RetrievalHeads(known.retrieval, *SHORT),
        "rlkv": RLKV(known.searched, *SHORT),
        "razor-attention": RazorAttention(known.echo, SINKS, recent=4, recent_part=25),
        "razor-attention, no stand-in": RazorAttention(known.echo, SINKS, 4, 25, compensate=False),
    }


def aware(known: Calibrated) -> Mapping[str, Policy]:
    """Policies that are asked when the question is there, as the last thing that was read."""
    return {
        "random": Random(),
        "h2o, nothing recent": H2O(recent=0.0, per_query=True),
        "snapkv": SnapKV(WINDOW, KERNEL),
        "cake": Cake(WINDOW, KERNEL),
        "compress-kv": CompressKV(known.semantic, window=WINDOW, kernel=KERNEL, best_heads=1),
        "task-kv": TaskKV(WINDOW, SINKS, recent=4, middle=4),
        "spec-kv": SpecKV(WINDOW, KERNEL),
    }


def thin() -> Policy:
    """The policy that drops channels."""
    return ThinK(WINDOW)
