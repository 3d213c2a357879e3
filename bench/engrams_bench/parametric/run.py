"""Each method, told the same sessions, seed after seed: what it knows, what it lost, what it took."""

from __future__ import annotations

import importlib.metadata
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from engrams.weights.catalogue import FORMS, METHODS
from engrams.weights.judging import Limits, drift, failures, judge, known, unchanged
from engrams.weights.lessons import Reserve, Session
from engrams.weights.method import Method, Parts
from engrams.weights.running import Learner
from engrams.weights.training import lesson_rows
from engrams_bench.machine import machine, origin
from engrams_bench.parametric import told
from engrams_bench.parametric.base_model import Trained, train
from engrams_bench.parametric.world import World, build

SEEDS = (0, 1, 2)
#: A row for the model that nobody told anything.
NOTHING = "nothing written"
#: How often the answers to all questions are asked for, to take the median of the time.
REPEATS = 5


def rows_of(names: Sequence[str]) -> dict[str, Method | None]:
    """The rows of the table by name, in its order; those named, or all."""
    every: dict[str, Method | None] = {NOTHING: None}
    for name, method in METHODS.items():
        every[name] = method
        every.update({form: m for form, m in FORMS.items() if m.about.name == name})
    return {name: every[name] for name in names} if names else every


def ground(seed: int) -> tuple[World, Trained]:
    """A world and the model that was taught it; one processor thread, so that seconds mean the same everywhere."""
    torch.set_num_threads(1)
    world = build(seed)
    return world, train(world)


def measure(world: World, trained: Trained, method: Method | None) -> dict[str, Any]:
    """One row for one seed: figures after every session, and what the whole took."""
    learner = Learner(trained.model, f"seed {world.seed}", world.seed)
    sessions, reserve = told.sessions(world), told.reserve(world)
    parts: Parts = ()
    after, taken = [], 0.0
    for count in range(1, len(sessions) + 1):
        began = time.process_time()
        if method is not None:
            parts = method.write(learner, parts, sessions[:count], reserve)
        taken += time.process_time() - began
        after.append(_figures(learner, method, parts, sessions[:count], reserve))
    return {
        "seed": world.seed,
        "base": {"steps": trained.steps, "seconds": round(trained.seconds, 2)},
        "after": after,
        "seconds": round(taken, 2),
        "milliseconds an answer": _speed(learner, method, parts, reserve),
        "bytes": sum(part.bytes for part in parts),
        "parts": len(parts),
    }


def _figures(
    learner: Learner, method: Method | None, parts: Parts, so_far: Sequence[Session], reserve: Reserve
) -> dict[str, Any]:
    def speak(asked: Any) -> Any:
        return learner.known(asked).logits if method is None else method.logits(learner, parts, asked)

    verdict = judge(learner, speak, so_far, reserve, Limits())
    every = [lesson for one in so_far for lesson in one.lessons]
    return {
        "recall": [known(learner, speak, one.lessons) for one in so_far],
        "all": known(learner, speak, every),
        "in other words": known(learner, speak, every, otherwise=True),
        "kept": known(learner, speak, reserve.held),
        "kept in other words": known(learner, speak, reserve.held, otherwise=True),
        "unchanged": unchanged(learner, speak, reserve.held),
        "drift": drift(learner, speak, reserve),
        "taken back": failures(verdict, Limits()),
    }


def _speed(learner: Learner, method: Method | None, parts: Parts, reserve: Reserve) -> float:
    """Median processor milliseconds of one answer among all held questions, asked at once."""
    asked, took = lesson_rows(learner, reserve.held), []
    for _ in range(REPEATS):
        began = time.process_time()
        if method is None:
            learner.known(asked)
        else:
            method.logits(learner, parts, asked)
        took.append((time.process_time() - began) * 1e3 / len(asked))
    return round(sorted(took)[REPEATS // 2], 4)


def run(names: Sequence[str], seeds: Sequence[int], folder: Path, tell: Callable[[str], None]) -> None:
    """Measures rows over seeds; a file for each row, written anew after every seed, so that a stop loses one row at most."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = rows_of(names)
    for seed in seeds:
        world, trained = ground(seed)
        tell(f"seed {seed}: base model in {trained.steps} steps, {trained.seconds:.1f} s")
        for name, method in chosen.items():
            found = measure(world, trained, method)
            last = found["after"][-1]
            tell(f"  {name}: recall {last['all']:.3f}, kept {last['kept']:.3f}, {found['seconds']:.1f} s")
            _put(folder / f"{file_name(name)}.json", name, method, found)


def file_name(row: str) -> str:
    """The name of a row's file, without its ending."""
    return row.replace(", ", "-").replace(" ", "-")


def _put(path: Path, name: str, method: Method | None, found: Mapping[str, Any]) -> None:
    held = json.loads(path.read_text(encoding="utf-8"))["seeds"] if path.is_file() else []
    whole = {
        "row": name,
        "method": None if method is None else method.about.name,
        "approximation": method is not None and method.about.approximation,
        "settings": {} if method is None else asdict(method),  # type: ignore[call-overload]
        "seeds": sorted(
            [*(one for one in held if one["seed"] != found["seed"]), found], key=lambda o: o["seed"]
        ),
        "machine": {**machine(), "torch": importlib.metadata.version("torch"), "torch threads": 1},
        "origin": origin(),
    }
    path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
