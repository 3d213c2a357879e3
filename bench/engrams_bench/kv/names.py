"""Budgets and names of rows, apart from what needs torch: tables are made without it."""

from __future__ import annotations

BUDGETS = (0.5, 0.25)
#: Only channels of keys go: a budget is above one half.
THIN_BUDGETS = (0.875, 0.75, 0.625)
STRUCTURAL = ("streaming", "la-cache")
#: Those whose score tells tokens apart: at 25 % they have to be better than a draw by lot.
SCORED = (
    "attention-gate",
    "cake",
    "compress-kv",
    "expected-attention",
    "h2o",
    "h2o, nothing recent",
    "key-diff",
    "lazy-eviction",
    "snapkv",
)
