"""Runs one recipe over one data set and makes the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engrams import Recipe
from engrams_bench import __version__
from engrams_bench.asking import SINGLE_ADDS, Costs, answer
from engrams_bench.cases import Case, DataSet
from engrams_bench.folder import digest, require
from engrams_bench.machine import machine, origin
from engrams_bench.measures.cost import spread
from engrams_bench.measures.intervals import RESAMPLES, SEED
from engrams_bench.replays import replay_of
from engrams_bench.results import Outcome, Result
from engrams_bench.tables import tables
from engrams_bench.vectors import kept_vectors

KS = (1, 5, 10, 20, 100)
BUDGET = 2000  # tokens of a context, what `Memory.context` gives by default
#: The reference row that gives everything, whatever is asked, has to be let.
FULL_CONTEXT = "full-context"
#: What the row of a recipe is named for, by what answers for language models.
FORMS = {"none": "no-model", "replayed": "replayed"}
EVERYTHING = 10_000_000  # tokens: the most `Memory.context` takes


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is made. `limit`: the first so many questions only; `budget` None: no contexts; `embedder` by its name;
    `vectors`: the file in which its vectors are kept from run to run (None: they are made anew). `models`: what answers for
    language models: "" (nothing is asked), "none" (recipes in the form that does without), "replayed" (recorded outputs of real
    models, see `engrams_bench.replays`), or a model as `Memory.open` takes it."""

    ks: tuple[int, ...] = KS
    budget: int | None = BUDGET
    store: str = "file"
    limit: int | None = None
    embedder: str = "none"
    vectors: Path | None = None
    models: str = ""

    def row(self, recipe: Recipe) -> str:
        """The name of the row in tables and files: the recipe's, and the embedder where one helps it."""
        optional = self.embedder != "none" and "embedder" not in recipe.needs
        name = f"{recipe.name}-{FORMS.get(self.models, self.models)}" if self.models else recipe.name
        return f"{name}+{self.embedder}" if optional else name


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
) -> Result:
    """Each case into a memory of its own, each question asked; `progress` is told each case and the questions so far.

    Raises:
        MissingData, MalformedData: the data set cannot be read.
        EngramsError: the recipe failed.
    """
    paths = require(data, folder)
    budget = EVERYTHING if settings.budget is not None and recipe.name == FULL_CONTEXT else settings.budget
    costs = Costs()
    outcomes: list[Outcome] = []
    cases = messages = 0
    recorded = replay_of(data.name, folder) if settings.models == "replayed" else None
    form = recipe.without_models() if settings.models == "none" else recipe
    with kept_vectors(settings.embedder, settings.vectors) as vectors:
        for case in data.load(paths):
            left = None if settings.limit is None else settings.limit - len(outcomes)
            if left is not None and left <= 0:
                break
            if not case.questions:
                continue
            if progress is not None:
                progress(case, len(outcomes))
            model: object = None if settings.models in ("", "none") else settings.models
            if recorded is not None:
                model = replay = recorded(case)
                form = replay.form(recipe)
            outcomes += answer(
                case,
                case.questions[:left],
                form,
                settings.store,
                max(settings.ks),
                budget,
                costs,
                vectors or settings.embedder,
                model=model,
                alike=recipe.name == FULL_CONTEXT,
            )
            cases += 1
            messages += case.size
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
            "cases": cases,
            "messages": messages,
            "questions": len(outcomes),
        },
        settings={
            "ks": list(settings.ks),
            "depth": max(settings.ks),
            "budget": budget,
            "store": "postgresql" if settings.store.startswith("postgres") else settings.store,
            "embedder": settings.embedder,
            "models": settings.models,
            "kept vectors": settings.vectors is not None,
            "limit": settings.limit,
            "single adds": SINGLE_ADDS,
            "seed": SEED,
            "resamples": RESAMPLES,
        },
        origin=origin() | {"bench": __version__, "date": datetime.now(UTC).date().isoformat()},
        machine=machine(),
        cost=_cost(costs, outcomes),
        tables=_rounded(tables(outcomes, settings.ks)),
        outcomes=tuple(outcomes),
    )
