"""Recall of the base and of trained embedders on the same questions: alone and added to the house recipe's signals."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from engrams_bench.measures.ranks import session_ranks, turn_ranks
from engrams_bench.measures.recall import recall_at

from engrams.arithmetic import moments, standardise
from engrams.models.minilm import MiniLM
from engrams.recipes.engrams import SUM
from finetune.signals import Asked, Floats, Haystack

DEPTH = 100
SHORTLIST = 60
"""Rows of a large haystack that the vectors may reorder: the best of the sum without an embedder. All are embedded
where a haystack serves many questions; where each question has its own, embedding it all costs 10 s a question."""
SPREAD = 30
"""Rows, evenly spaced, that mean and deviation come from where only a shortlist is embedded."""
WEIGHTS = (0.0, 0.2, 0.3, 0.5, 0.75, 1.0)
"""Of the standardised vector signal in the sum. One is chosen on the base embedder, then kept for the trained ones."""

Outcome = dict[str, float]
"""Recall of one question by level, depth and way: `turn@5 sum 0.3`."""


class Vectors:
    """An embedder that remembers what it embedded, also in a file."""

    def __init__(self, folder: Path, file: Path) -> None:
        self._model, self._file = MiniLM(folder), file
        self._known: dict[bytes, npt.NDArray[np.float16]] = {}
        if file.is_file():
            with np.load(file) as held:
                self._known = dict(zip((bytes(key) for key in held["keys"]), held["rows"], strict=True))

    def __call__(self, texts: Sequence[str]) -> Floats:
        """float32[n, d]; remembered in 16 bits, which moves a cosine by less than 0.001."""
        keys = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}
        if new:
            rows = self._model.embed(list(new.values())).astype(np.float16)
            self._known.update(zip(new, rows, strict=True))
        return np.stack([self._known[key] for key in keys]).astype(np.float32)

    def keep(self) -> None:
        """Writes the file."""
        keys = np.array([np.frombuffer(key, np.uint8) for key in self._known])
        with self._file.open("wb") as file:
            np.savez(file, keys=keys, rows=np.stack(list(self._known.values())))


@dataclass(frozen=True)
class Way:
    """How the vectors take part: weights of a row's own cosine (None: nothing else counts), of the best of the row and
    its neighbours, of the best of its session, and of the vector of the row's window. `raw`: the question with names."""

    name: str
    own: float | None
    nearby: float = 0.0
    session: float = 0.0
    window: float = 0.0
    raw: bool = False


HOUSE = "house recipe"
"""The way with the signals and weights of the recipe `engrams` for dialogues."""


def ways(whole: bool, windows: bool) -> list[Way]:
    """The ways that are measured; those that need every row's vector only where there is one."""
    out = [Way("alone", None), Way("alone, names kept", None, raw=True)]
    out += [Way(f"sum {weight}", weight) for weight in WEIGHTS]
    if whole:
        house = dict(SUM.dialogue)
        out.append(Way(HOUSE, house["dense"], house["dense nearby"], house["dense session"]))
    if windows:
        out += [Way(f"sum {weight} + window {weight}", weight, window=weight) for weight in WEIGHTS if weight]
    return out


def outcomes(
    stacks: Sequence[tuple[Haystack, list[Asked]]],
    embed: Callable[[Sequence[str]], Floats],
    *,
    whole: bool,
    windows: bool,
) -> dict[str, Outcome]:
    """What each question gets, by its id. `whole`: every row is embedded, else a shortlist of each question."""
    out = {}
    for stack, questions in stacks:
        own = embed(stack.texts) if whole else None
        wide = embed(stack.windows()) if windows else None
        for asked in questions:
            rows, spread = _candidates(asked.score, whole)
            held = own if own is not None else embed([stack.texts[row] for row in rows])
            clean, raw = embed([asked.nameless, asked.text])
            near = held @ clean
            signals = {"own": standardise(near, *moments(near[spread]))}
            if whole:
                signals["nearby"] = _standard(_nearby(stack, near))
                signals["session"] = _standard(_best_of_session(stack, near))
            if wide is not None:
                signals["window"] = _standard(wide @ clean)
            told: Outcome = {}
            for way in ways(whole, windows):
                score = held @ raw if way.raw else near
                if way.own is not None:
                    score = asked.score[rows] + sum(
                        getattr(way, name) * signal for name, signal in signals.items()
                    )
                told.update(_recalls(stack, asked, rows, score, way.name))
            out[asked.id] = told
    return out


def _standard(values: Floats) -> Floats:
    return standardise(values, *moments(values))


def _nearby(stack: Haystack, own: Floats) -> Floats:
    padded = np.append(own, np.float32(-np.inf))  # row -1, "none", is the last
    best: Floats = np.maximum(np.maximum(own, padded[stack.previous]), padded[stack.following])
    return best


def _best_of_session(stack: Haystack, own: Floats) -> Floats:
    _, codes = np.unique(stack.sessions, return_inverse=True)
    best = np.full(codes.max() + 1, -np.inf, np.float32)
    np.maximum.at(best, codes, own)
    return best[codes]


def _candidates(score: Floats, whole: bool) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The rows that are ranked, and where among them those stand that mean and deviation come from."""
    if whole:
        every = np.arange(len(score))
        return every, every
    best = np.argsort(-score, kind="stable")[:SHORTLIST]
    spread = np.linspace(0, len(score) - 1, min(SPREAD, len(score))).astype(np.int64)
    rows = np.concatenate((best, spread[~np.isin(spread, best)]))
    place = {int(row): at for at, row in enumerate(rows)}
    return rows, np.array([place[int(row)] for row in spread])


def _recalls(stack: Haystack, asked: Asked, rows: npt.NDArray[np.int64], score: Floats, way: str) -> Outcome:
    order = rows[np.argsort(-score, kind="stable")]
    found = list(dict.fromkeys(stack.turns[row] for row in order))[:DEPTH]
    home = dict(zip(stack.turns, stack.sessions, strict=True))
    out = {}
    if asked.gold_turns:
        ranks = turn_ranks([[turn] for turn in found], asked.gold_turns)
        out.update({f"turn@{k} {way}": recall_at(ranks, k) for k in (5, 10)})
    if asked.gold_sessions:
        ranks = session_ranks([[turn] for turn in found], asked.gold_sessions, home)
        out[f"session@5 {way}"] = recall_at(ranks, 5)
    return out
