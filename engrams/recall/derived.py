"""What steps work out of a whole view and no question: made once per view, kept with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

from engrams.ports import Int32, View

Made = TypeVar("Made")


def once(view: View, key: tuple[object, ...], make: Callable[[], Made]) -> Made:
    """What `make` gives for this view's arrays, from the first call with `key` on the same.

    It must depend on the key and on the arrays alone, not on `view.allowed`: views of one state share it. Two threads
    may both make it; both make the same.
    """
    held = view.derived
    if key not in held:
        held[key] = make()
    return held[key]  # type: ignore[return-value]


def mean_length(view: View) -> float:
    """Mean term occurrences of a row, 0 where there is none."""
    return once(view, ("mean length",), lambda: float(view.length.mean()) if view.size else 0.0)


def onward(view: View) -> tuple[Int32, Int32]:
    """The row before and the row after each row in its thread, int32[size + 1] each; `size`: none, which leads to itself."""

    def make() -> tuple[Int32, Int32]:
        before, after = (
            np.append(np.where(step < 0, np.int32(view.size), step), np.int32(view.size))
            for step in (view.previous, view.following)
        )
        return before.astype(np.int32, copy=False), after.astype(np.int32, copy=False)

    return once(view, ("onward",), make)
