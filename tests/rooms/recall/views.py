"""Views and runs small enough to compute by hand: a turn is written as its terms, its pieces and a few columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import numpy as np

from engrams.dates import Span
from engrams.ports import Bool, Float32, Int32, Int64, UInt16
from engrams.recall.found import Found, Question
from engrams.records import Engram, EngramId, Query, Row
from engrams.step import Run
from engrams.words import term_hash

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Turn:
    """One row: `terms` as written, `pieces` ids of the table below."""

    terms: str = ""
    pieces: tuple[int, ...] = ()
    speaker: str | None = None
    role: str = "user"
    thread: int = 0
    event: int | None = None
    at: datetime = EPOCH
    flags: int = 0


@dataclass
class HandView:
    """`ports.View` over a list of turns, by plain loops."""

    turns: Sequence[Turn]
    allowed: Bool | None = None
    vocabulary: int = 6
    size: int = field(init=False)
    derived: dict[tuple[object, ...], object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        turns = self.turns
        self.size = len(turns)
        self.rows = np.arange(self.size, dtype=np.int64) + 100
        self.event = np.array([i if t.event is None else t.event for i, t in enumerate(turns)], np.int32)
        self.thread = np.array([t.thread for t in turns], np.int32)
        self.threads = max((t.thread for t in turns), default=-1) + 1
        self.session = self.thread
        self.previous = np.full(self.size, -1, np.int32)
        self.following = np.full(self.size, -1, np.int32)
        for i, turn in enumerate(turns):
            before = [j for j in range(i) if turns[j].thread == turn.thread]
            if before:
                self.previous[i] = before[-1]
                self.following[before[-1]] = i
        self.speakers = sorted({t.speaker for t in turns if t.speaker})
        self.speaker = np.array(
            [self.speakers.index(t.speaker) if t.speaker else -1 for t in turns], np.int32
        )
        self.roles = sorted({t.role for t in turns})
        self.role = np.array([self.roles.index(t.role) for t in turns], np.int32)
        self.kinds: Sequence[str] = ["passage"]
        self.kind = np.zeros(self.size, np.int32)
        self.occurred_at = np.array(
            [round((t.at - EPOCH).total_seconds() * 1e6) for t in turns], dtype=np.int64
        )
        self.length = np.array([len(t.terms.split()) for t in turns], np.float32)
        self.flags = np.array([t.flags for t in turns], np.uint8)
        self.pieces = np.array([p for t in turns for p in t.pieces], np.uint16)
        self.offsets = np.cumsum([0, *(len(t.pieces) for t in turns)])
        self.piece_frequency = np.bincount(self.pieces, minlength=self.vocabulary).astype(np.int32)

    def postings(self, term: int) -> tuple[Int32, Float32]:
        held = [(i, Counter(map(term_hash, t.terms.split()))[term]) for i, t in enumerate(self.turns)]
        held = [(i, n) for i, n in held if n]
        return np.array([i for i, _ in held], np.int32), np.array([n for _, n in held], np.float32)

    def rows_with_pieces(self, pieces: Int64) -> tuple[Int32, Int64]:
        held = [
            (i, at) for i, t in enumerate(self.turns) for at, p in enumerate(pieces.tolist()) if p in t.pieces
        ]
        return np.array([i for i, _ in held], np.int32), np.array([at for _, at in held], np.int64)

    def vectors(self, fingerprint: str) -> Float32 | None:
        return None

    def nearest(self, fingerprint: str, asked: Float32, count: int) -> tuple[Int32, Float32] | None:
        values = self.vectors(fingerprint)
        if values is None:
            return None
        cosines = [(float(row @ asked), -i) for i, row in enumerate(values)]
        best = [
            (i, c)
            for c, i in sorted(cosines, reverse=True)
            if c > 0 and (self.allowed is None or self.allowed[-i])
        ][:count]
        return np.array([-i for i, _ in best], np.int32), np.array([c for _, c in best], np.float32)

    def distances(self, fingerprint: str, asked: Float32) -> UInt16 | None:
        values = self.vectors(fingerprint)
        if values is None:
            return None
        return np.array(
            [sum((v > 0) != (a > 0) for v, a in zip(row, asked, strict=True)) for row in values], np.uint16
        )


SIMILAR = {(0, 1): 0.8, (0, 2): 0.4, (3, 4): 0.5}
"""Cosines between pieces of the hand table; others are 0, each with itself 1."""


class HandTable:
    """Six pieces; a text's pieces are the digits 0..5 it holds."""

    def pieces(self, text: str) -> UInt16:
        return np.array(sorted({int(c) for c in text if c in "012345"}), np.uint16)

    def similarity(self, piece: int) -> Float32:
        both = {**SIMILAR, **{(b, a): s for (a, b), s in SIMILAR.items()}}
        return np.array([1 if p == piece else both.get((piece, p), 0) for p in range(6)], np.float32)

    def similarities(self, pieces: Sequence[int], among: Any) -> Float32:
        return np.array([self.similarity(piece)[among] for piece in pieces], np.float32)


def engram(row: int) -> Engram:
    """The engram of a row: its number is its text."""
    return Engram(EngramId(f"e{row}"), "default", "engrams", "passage", str(row), EPOCH, EPOCH, (f"ev{row}",))


@dataclass
class HandStore:
    """Gives an engram for every row but those that are `gone`."""

    gone: frozenset[int] = frozenset()

    def engrams_at(self, rows: Sequence[Row]) -> list[Engram]:
        return [engram(row) for row in rows if row not in self.gone]


@dataclass
class HandIndex:
    """Always the same view."""

    seen: HandView

    def view(self, query: Query) -> HandView:
        return self.seen


@dataclass
class HandClock:
    """Always the same time."""

    at: datetime

    def now(self) -> datetime:
        return self.at


def run(view: HandView, store: HandStore | None = None, now: datetime = EPOCH) -> Run:
    """A run over one view; ports that recall never asks for are left out."""
    return cast(Any, Run)(
        recipe="engrams",
        chain="read",
        scope=Query("").scope,
        store=store or HandStore(),
        index=HandIndex(view),
        clock=HandClock(now),
        tokenizer=None,
        table=HandTable(),
    )


def found(
    view: HandView,
    terms: str = "",
    pieces: tuple[int, ...] = (),
    speaker: int = -1,
    dates: tuple[Span, ...] = (),
    limit: int | None = None,
) -> Found:
    """A question already read, over a view."""
    asked = Question(tuple(map(term_hash, terms.split())), pieces, speaker, dates)
    return Found(Query("?", limit=limit), view, asked, np.arange(view.size, dtype=np.int32))
