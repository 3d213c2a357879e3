"""Runs one recipe over one data set and makes the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engrams import Recipe
from engrams_bench import __version__
from engrams_bench.asking import PRICED_HAYSTACKS, SINGLE_ADDS, Costs, Hearing
from engrams_bench.cases import Case, DataSet
from engrams_bench.folder import digest, require
from engrams_bench.haystacks import every, summed
from engrams_bench.machine import machine, origin
from engrams_bench.measures.cost import spread
from engrams_bench.measures.intervals import RESAMPLES, SEED
from engrams_bench.results import Outcome, Result
from engrams_bench.settings import Settings
from engrams_bench.tables import tables


def _cost(costs: Costs, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Every price with its unit in its name."""
    listed: dict[str, Sequence[float]] = {
        "add ms": costs.add,
        "bulk add ms per message": costs.bulk,
        "first search ms": costs.first,
        "search ms": costs.search,
        "context ms": costs.context,
        "context tokens": [o.tokens for o in outcomes if o.tokens is not None],
        "bytes per message": [held for held in costs.bytes if held],
    }
    told: dict[str, Any] = {}
    for name, prices in listed.items():
        found = spread(prices)
        told[name] = None if found is None else {k: _short(v) for k, v in asdict(found).items()}
    return told | {
        "model calls": sum(o.model_calls for o in outcomes),
        "model calls in all": costs.models.calls,
        "model calls to write": costs.writing.calls,
        "model tokens": costs.models.tokens,
        "model tokens to write": costs.writing.tokens,
        "model seconds": round(costs.models.seconds, 1),
        "model money": costs.models.money,
        "cpu seconds": round(costs.seconds, 1),
    }


def _short(value: float) -> float:
    """Four digits: more would be noise in every diff."""
    return value if isinstance(value, int) else float(f"{value:.4g}")


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(held) for key, held in value.items()}
    if isinstance(value, tuple | list):
        return [_rounded(held) for held in value]
    return round(value, 5) if isinstance(value, float) else value


def run(
    recipe: Recipe,
    data: DataSet,
    folder: Path,
    settings: Settings,
    progress: Callable[[Case, int], None] | None = None,
    model: object = None,
    hear: Hearing | None = None,
) -> Result:
    """Each case into a memory of its own, each question asked; `progress` is told each case and the questions so far, where one
    process does it all. `model` answers in place of the one that the settings name, which then is its name alone. `hear` is told each
    context.

    Raises:
        MissingData, MalformedData: the data set cannot be read.
        EngramsError: the recipe failed.
    """
    paths = require(data, folder)
    done = every(recipe, data, folder, settings, progress, model, hear)
    form = done[-1].form if done else recipe
    outcomes = [outcome for one in done for outcome in one.outcomes]
    costs = summed([one.costs for one in done])
    return Result(
        recipe={
            "name": settings.row(recipe),
            "fingerprint": form.fingerprint(),
            "card": form.card().splitlines(),
        },
        data={
            "name": data.name,
            "title": data.title,
            "licence": data.licence,
            "level": data.level,
            "files": [path.name for path in paths],
            "digest": digest(paths),
            "cases": len(done),
            "messages": sum(one.messages for one in done),
            "questions": len(outcomes),
        },
        settings={
            "ks": list(settings.ks),
            "depth": max(settings.ks),
            "budget": settings.budget_of(recipe),
            "store": "postgresql" if settings.store.startswith("postgres") else settings.store,
            "embedder": settings.embedder,
            "models": settings.models,
            "kept vectors": settings.vectors is not None,
            "limit": settings.limit,
            "processes": settings.processes,
            "single adds": SINGLE_ADDS,
            "of haystacks": PRICED_HAYSTACKS,
            "seed": SEED,
            "resamples": RESAMPLES,
        },
        origin=origin() | {"bench": __version__, "date": datetime.now(UTC).date().isoformat()},
        machine=machine(),
        cost=_cost(costs, outcomes),
        tables=_rounded(tables(outcomes, settings.ks)),
        outcomes=tuple(outcomes),
    )
