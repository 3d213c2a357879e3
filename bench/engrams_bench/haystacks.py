"""Haystacks one after another, or shared out among processes: each is a memory of its own, so none waits for another."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from engrams import Recipe
from engrams_bench.asking import PRICED_HAYSTACKS, SINGLE_ADDS, Costs, Hearing, Spent, answer
from engrams_bench.cases import Case, DataSet
from engrams_bench.copying import copying
from engrams_bench.datasets import DATASETS
from engrams_bench.errors import BenchError
from engrams_bench.folder import require
from engrams_bench.replays import replay_of
from engrams_bench.results import Outcome
from engrams_bench.settings import FULL_CONTEXT, Settings
from engrams_bench.vectors import kept_vectors


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one haystack: the `place`-th of its data set, asked in `form` of the recipe."""

    place: int
    form: Recipe
    outcomes: list[Outcome]
    costs: Costs
    messages: int


def every(
    recipe: Recipe,
    data: DataSet,
    folder: Path,
    settings: Settings,
    progress: Callable[[Case, int], None] | None = None,
    model: object = None,
    hear: Hearing | None = None,
) -> list[Done]:
    """Every haystack of a data set that has questions, in its order; with `settings.processes` above 1 side by side, each process
    every so-manieth of them, and `progress` is not told. `model` and `hear` as `run` takes them.

    Raises:
        BenchError: several processes, and something that only one can be given.
    """
    if settings.processes == 1:
        return share(recipe, data, folder, settings, 0, progress, model, hear)
    if model is not None or hear is not None:
        raise BenchError("--processes shares neither a model's connection nor contexts: run in one process")
    todo = [(recipe, data.name, folder, settings, part) for part in range(settings.processes)]
    # Not forked: libraries below numpy and onnxruntime do not outlive a fork of their threads.
    with multiprocessing.get_context("spawn").Pool(settings.processes) as pool:
        parts = pool.starmap(_part, todo, chunksize=1)
    return sorted((done for part in parts for done in part), key=lambda done: done.place)


def _part(recipe: Recipe, name: str, folder: Path, settings: Settings, part: int) -> list[Done]:
    return share(recipe, DATASETS[name], folder, settings, part)


def share(
    recipe: Recipe,
    data: DataSet,
    folder: Path,
    settings: Settings,
    part: int,
    progress: Callable[[Case, int], None] | None = None,
    model: object = None,
    hear: Hearing | None = None,
) -> list[Done]:
    """The `part`-th process's haystacks, one after another; `settings.limit` ends them after so many questions."""
    held: list[Done] = []
    asked = 0
    recorded = replay_of(data.name, folder) if settings.models == "replayed" else None
    form = recipe.without_models() if settings.models == "none" else recipe
    with (
        kept_vectors(settings.embedder, settings.vectors) as vectors,
        copying() if settings.models == "scripted" else nullcontext("") as scripted,
    ):
        for place, case in enumerate(data.load(require(data, folder))):
            left = None if settings.limit is None else settings.limit - asked
            if left is not None and left <= 0:
                break
            if not case.questions or place % settings.processes != part:
                continue
            if progress is not None:
                progress(case, asked)
            asked_of: object = (
                None if settings.models in ("", "none") else model or scripted or settings.models
            )
            if recorded is not None:
                asked_of = replay = recorded(case)
                form = replay.form(recipe)
            costs = Costs()
            outcomes = answer(
                case,
                case.questions[:left],
                form,
                settings.store,
                max(settings.ks),
                settings.budget_of(recipe),
                costs,
                vectors or settings.embedder,
                model=asked_of,
                alike=recipe.name == FULL_CONTEXT,
                hear=hear,
                singly=SINGLE_ADDS if place < PRICED_HAYSTACKS else 0,
            )
            asked += len(outcomes)
            held.append(Done(place, form, outcomes, costs, case.size))
    return held


def summed(parts: Sequence[Costs]) -> Costs:
    """The prices of several haystacks together, in their order."""
    whole = Costs()
    whole.models = sum((one.models for one in parts), Spent())
    whole.writing = sum((one.writing for one in parts), Spent())
    for one in parts:
        whole.add += one.add
        whole.bulk += one.bulk
        whole.first += one.first
        whole.search += one.search
        whole.context += one.context
        whole.bytes += one.bytes
        whole.seconds += one.seconds
    return whole
