"""What steps work out of a whole view and no question: made once per view, kept with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from engrams.arithmetic import distinct
from engrams.ports import Int32, Int64, View

Made = TypeVar("Made")
Number = TypeVar("Number", bound=np.generic)


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


def threads_in_a_row(view: View) -> tuple[Int64 | None, Int64, Int64, Int32 | None]:
    """An order in which threads lie one behind the other, where each begins and how long it is; the place of each row's.

    The first and the last are None where the rows lie so already.
    """

    def make() -> tuple[Int64 | None, Int64, Int64, Int32 | None]:
        thread, order, place = view.thread, None, None
        begins = np.append(True, thread[1:] != thread[:-1])[: view.size]
        if len(distinct(thread[begins])) < np.count_nonzero(begins):
            order = np.argsort(thread, kind="stable")
            own = thread[order]
            begins = np.append(True, own[1:] != own[:-1])
            place = np.empty(view.size, dtype=np.int32)
            place[order] = np.cumsum(begins, dtype=np.int32) - np.int32(1)
        starts = np.flatnonzero(begins)
        return order, starts, np.diff(starts, append=view.size), place

    return once(view, ("threads in a row",), make)


def of_threads(view: View, values: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """What each row's thread has, [size] of [threads]."""
    _, starts, lengths, place = threads_in_a_row(view)
    return np.repeat(values[view.thread[starts]], lengths) if place is None else values[view.thread]


LEAST_STEADY = 4
"""Neighbours in a thread are looked up by shifting whole columns while less than this part of the rows lies elsewhere."""


def beside(view: View) -> tuple[tuple[Int32, int | None, Int64], ...]:
    """For the row before and the row after each: (its number int32[size], -1 for none; how far off it mostly is; where not).

    Where a thread's rows mostly lie one behind the other the second is -1 or 1 and the third the rows of which that is
    not so; else the second is None.
    """

    def make() -> tuple[tuple[Int32, int | None, Int64], ...]:
        own = np.arange(view.size, dtype=np.int32)
        found: list[tuple[Int32, int | None, Int64]] = []
        for step, shift in ((view.previous, -1), (view.following, 1)):
            breaks = np.flatnonzero(step != own + np.int32(shift))
            found.append((step, shift if len(breaks) * LEAST_STEADY < view.size else None, breaks))
        return tuple(found)

    return once(view, ("beside",), make)


def of_three(
    view: View, values: npt.NDArray[Number], better: np.ufunc, nothing: Number
) -> npt.NDArray[Number]:
    """The `better` (`np.minimum` or `np.maximum`) of each row and its neighbours in the thread, [size] of [size].

    `nothing` is what is worse than everything: it stands for a neighbour that there is not.
    """
    padded = np.append(values, nothing)  # its last: no such row, number -1
    best = values
    for step, shift, breaks in beside(view):
        if shift is None:
            best = better(best, padded[step])
            continue
        other = np.empty_like(values)
        if shift < 0:  # the first row is no break: -1, that it has none, is one less than its number
            other[:1], other[1:] = nothing, values[:-1]
        else:
            other[:-1] = values[1:]
        other[breaks] = padded[step[breaks]]
        best = better(best, other, out=other)
    return best


def of_whole_thread(view: View, values: npt.NDArray[Number], better: np.ufunc) -> npt.NDArray[Number]:
    """The `better` (`np.minimum` or `np.maximum`) of the thread each row stands in, [size] of [size], at least one row."""
    order, starts, lengths, place = threads_in_a_row(view)
    best = better.reduceat(values if order is None else values[order], starts)
    found: npt.NDArray[Number] = np.repeat(best, lengths) if place is None else best[place]
    return found
