"""Selects: the best rows become engrams, one per event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engrams.arithmetic import Indices, top_k
from engrams.errors import BadSetting
from engrams.ports import Float32, Int32, View
from engrams.recall.fuse import Summed
from engrams.records import Engram, Query, Ranked, Row, Scored
from engrams.step import Run, Step


@dataclass(frozen=True)
class Top(Step[Summed, Ranked[Engram]]):
    """The `k` (>= 1) best engrams that the query may see, at most one per event; the query's own limit goes first.

    Equal scores fall in the order in which the rows were written. Each engram carries the share of every signal in
    its score; the shares add up to it.
    """

    k: int = 50

    def __post_init__(self) -> None:
        if self.k < 1:
            raise BadSetting("Top.k", self.k, "a whole number of at least 1")

    def __call__(self, value: Summed, run: Run) -> Ranked[Engram]:
        """Selects and fetches."""
        scores = _seen(value)
        events = value.view.event[value.rows]
        return _ranked(value, _one_per_event(scores, events, value.query.limit or self.k), run)


@dataclass(frozen=True)
class TopOfEach(Step[Summed, Ranked[Engram]]):
    """The `k` (>= 1) best engrams of each of some `kinds` that the query may see, all together best first.

    The query's own limit cuts what is found. No option of `Top`: that gives one engram for an event, of any kind; here one message
    leaves many short memories, on shelves of their own.

    Source: Mem-alpha (Wang et al. 2025): as many of each type.
    """

    kinds: tuple[str, ...]
    k: int = 50

    def __post_init__(self) -> None:
        if self.k < 1:
            raise BadSetting("TopOfEach.k", self.k, "a whole number of at least 1")

    def __call__(self, value: Summed, run: Run) -> Ranked[Engram]:
        """Selects and fetches."""
        scores, kind = _seen(value), value.view.kind[value.rows]
        found: list[int] = []
        for code in [code for code, name in enumerate(value.view.kinds) if name in self.kinds]:
            there = np.flatnonzero(kind == code)
            found += there[top_k(scores[there], self.k)].tolist()
        best = sorted(found, key=lambda at: (-scores[at], at))
        return _ranked(value, best[: value.query.limit], run)


def _seen(value: Summed) -> Float32:
    """The scores, -inf where the query may not see the row, float32[c]."""
    if value.view.allowed is None:
        return value.scores
    return np.where(value.view.allowed[value.rows], value.scores, -np.inf).astype(np.float32)


def _ranked(value: Summed, chosen: Sequence[int], run: Run) -> Ranked[Engram]:
    """The engrams of candidates, in their order, with the shares of their scores."""
    engrams = fetch(run, value.view, value.rows[chosen])
    scores, shares = value.scores[chosen].tolist(), value.shares[:, chosen].T.tolist()
    return Ranked(
        value.query,
        tuple(
            Scored(
                engram,
                score,
                dict(zip(value.names, parts, strict=True)),
            )
            for engram, score, parts in zip(engrams, scores, shares, strict=True)
            if engram is not None
        ),
        value.confidence,
    )


def _one_per_event(scores: np.ndarray[tuple[int], np.dtype[np.float32]], events: Int32, k: int) -> list[int]:
    """Indices of the k best of float32[c] whose events differ, best first."""
    wanted = 2 * k
    while True:
        order = top_k(scores, wanted)
        first: dict[int, int] = {}
        for event, at in zip(events[order].tolist(), order.tolist(), strict=True):
            first.setdefault(event, at)
        if len(first) >= k or len(order) < wanted:
            return list(first.values())[:k]
        wanted *= 4


def fetch(run: Run, view: View, rows: Indices) -> list[Engram | None]:
    """The engrams of some rows of a view, in their order; None for one that was erased since the view was made."""
    numbers = [Row(number) for number in view.rows[rows].tolist()]
    engrams: list[Engram | None] = list(run.store.engrams_at(numbers))
    if len(engrams) == len(numbers):
        return engrams
    return [(run.store.engrams_at([number]) or [None])[0] for number in numbers]  # type: ignore[list-item]


@dataclass(frozen=True)
class Everything(Step[Query, Ranked[Engram]]):
    """All that the query may see, the newest first, without looking at the question: the whole context as a baseline.

    `k` (>= 1) bounds how much is fetched; the query's own limit goes first.
    """

    k: int = 100_000

    def __post_init__(self) -> None:
        if self.k < 1:
            raise BadSetting("Everything.k", self.k, "a whole number of at least 1")

    def __call__(self, value: Query, run: Run) -> Ranked[Engram]:
        """Fetches."""
        view = run.index.view(value)
        rows = np.arange(view.size) if view.allowed is None else np.flatnonzero(view.allowed)
        newest = rows[np.lexsort((-rows, -view.occurred_at[rows]))][: value.limit or self.k]
        engrams = fetch(run, view, newest)
        return Ranked(
            value,
            tuple(
                Scored(engram, -float(place)) for place, engram in enumerate(engrams) if engram is not None
            ),
        )


@dataclass(frozen=True)
class Nothing(Step[Query, Ranked[Engram]]):
    """Finds nothing, whatever is asked: what an agent without memory has.

    No option of `Everything` or `Top`: it looks at nothing, so that what a memory costs by being there can be told.
    """

    def __call__(self, value: Query, run: Run) -> Ranked[Engram]:
        """The question, and no items."""
        return Ranked(value)
