"""What it cost: the middle and the tail of a list of prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, median and 95th percentile of `count` prices, in their unit."""

    mean: float
    p50: float
    p95: float
    count: int


def spread(prices: Sequence[float]) -> Spread | None:
    """The spread of prices, percentiles by linear interpolation; None where there are none."""
    if not prices:
        return None
    values = np.asarray(prices, float)
    middle, tail = np.percentile(values, [50, 95])
    return Spread(float(values.mean()), float(middle), float(tail), len(prices))
