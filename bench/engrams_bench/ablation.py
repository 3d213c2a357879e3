"""What each signal of the house's sum is worth: every question asked again without it, and with it alone.

Each haystack is put into a memory once; the file is opened again for every variant, so that only the sum differs.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engrams import Memory, Recipe
from engrams.recipes.engrams import ENGRAMS, SUM
from engrams_bench import __version__
from engrams_bench.asking import NAMESPACE, Costs, fill, outcome
from engrams_bench.cases import Case, DataSet
from engrams_bench.folder import digest, require
from engrams_bench.machine import machine, origin
from engrams_bench.measures.intervals import RESAMPLES, SEED
from engrams_bench.measures.paired import paired
from engrams_bench.results import Outcome
from engrams_bench.rows import DOCUMENTS, alone, without
from engrams_bench.settings import Settings
from engrams_bench.tables import measures, scores
from engrams_bench.vectors import KeptVectors, kept_vectors

SCHEMA = 1
KS = (5, 10, 100)
VECTORS = ("dense", "dense nearby", "dense session")
#: Signals that say nearly the same, left out together: the name of the variant, and what it goes without.
TOGETHER = {
    "both meanings": ("meaning", "meaning nearby"),
    "anything nearby": ("words nearby", "session", "meaning nearby", "dense nearby", "dense session"),
    "any date": ("date", "spoken", "tells when"),
    "vectors": VECTORS,
}
#: Signals looked at by themselves: those that find, where the others only sort.
FINDERS = ("words", "words nearby", "session", "meaning", "meaning nearby", *VECTORS)
#: What is kept of a variant where the data has gold for it.
KEPT = ("turn recall@5", "turn recall@10", "turn recall@100", "session recall@5", "session recall@10")

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Variant:
    """A change of the sum: `kind` is "all", "without" or "alone", `name` the signal or signals."""

    kind: str
    name: str
    recipe: Recipe


def variants(data: DataSet, embedder: bool) -> list[Variant]:
    """The house recipe, without each signal that weighs something on such data, without some together, each finder alone."""
    weights = SUM.notes if data.name in DOCUMENTS else SUM.dialogue
    there = [name for name, _ in weights if embedder or name not in VECTORS]
    made = [Variant("all", "", ENGRAMS)]
    made += [Variant("without", name, without(ENGRAMS, [name])) for name in there]
    for title, signals in TOGETHER.items():
        gone = [name for name in signals if name in there]
        if len(gone) > 1:
            made.append(Variant("without", title, without(ENGRAMS, gone)))
    finders = [name for name in FINDERS if embedder or name not in VECTORS]
    return made + [Variant("alone", name, alone(ENGRAMS, name)) for name in finders]


def measure(data: DataSet, folder: Path, settings: Settings, told: Told) -> dict[str, Any]:
    """The result as it is written: a row for each variant, with its difference to the whole sum.

    Raises:
        MissingData, MalformedData: the data set cannot be read.
    """
    paths = require(data, folder)
    wanted = variants(data, settings.embedder != "none")
    found: dict[int, list[Outcome]] = {number: [] for number in range(len(wanted))}
    cases = 0
    with kept_vectors(settings.embedder, settings.vectors) as vectors:
        for case in data.load(paths):
            if settings.limit is not None and cases >= settings.limit:
                break
            cases += 1
            told(case.id)
            _one(case, wanted, settings, vectors, found)
    base = found[0]
    return {
        "schema": SCHEMA,
        "recipe": {
            "name": settings.row(ENGRAMS),
            "fingerprint": ENGRAMS.fingerprint(),
            "card": ENGRAMS.card().splitlines(),
        },
        "data": {"name": data.name, "title": data.title, "licence": data.licence, "digest": digest(paths)},
        "settings": {"ks": list(KS), "embedder": settings.embedder, "limit": settings.limit}
        | {"seed": SEED, "resamples": RESAMPLES},
        "origin": origin() | {"bench": __version__, "date": datetime.now(UTC).date().isoformat()},
        "machine": machine(),
        "cases": cases,
        "questions": sum(one.counts for one in base),
        "rows": [
            {"kind": variant.kind, "name": variant.name} | compared(base, found[number])
            for number, variant in enumerate(wanted)
        ],
    }


def _one(
    case: Case,
    wanted: Sequence[Variant],
    settings: Settings,
    vectors: KeptVectors | None,
    found: Mapping[int, list[Outcome]],
) -> None:
    embedder = vectors or settings.embedder
    asked = [question for question in case.questions if not question.abstain]
    if not asked:
        return
    with (
        tempfile.TemporaryDirectory(prefix="engrams-bench-") as place,
        # The vectors of questions too are taken from the file: nothing is priced here.
        nullcontext() if vectors is None else vectors.bulk(),
    ):
        path = Path(place) / "memory.db"
        with Memory.open(path, ENGRAMS, embedder=embedder, actor="bench") as memory:
            turn_of = fill(memory, case, Costs())
        for number, variant in enumerate(wanted):
            with Memory.open(path, variant.recipe, embedder=embedder, actor="bench") as memory:
                for question in asked:
                    hits = memory.search(
                        question.text, k=max(KS), namespace=NAMESPACE, asked_at=question.asked_at
                    )
                    found[number].append(outcome(case, question, hits, None, turn_of))


def compared(base: Sequence[Outcome], others: Sequence[Outcome]) -> dict[str, Any]:
    """Each measure of `others` with its difference to `base` on the same questions, and the 95 % interval of that."""
    ones, twos = [o for o in base if o.counts], [o for o in others if o.counts]
    row: dict[str, Any] = {}
    for name, of in (measures(KS, "turn") | measures(KS, "session")).items():
        before, after = scores(ones, of, name)[0], scores(twos, of, name)[0]
        if name in KEPT and before:
            gap = paired(before, after)
            row[name] = {
                "mean": round(gap.b, 5),
                "difference": round(gap.difference, 5),
                "interval": [round(end, 5) for end in gap.interval],
            }
    return row


def text_of(result: Mapping[str, Any]) -> str:
    """The file's text: readable JSON, one variant a line."""
    head = {name: held for name, held in result.items() if name != "rows"}
    rows = ",\n".join("    " + json.dumps(row, ensure_ascii=False) for row in result["rows"])
    return json.dumps(head, indent=2, ensure_ascii=False)[:-2] + f',\n  "rows": [\n{rows}\n  ]\n}}\n'


def write(result: Mapping[str, Any], path: Path) -> None:
    """Writes the file, whole or not at all; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(text_of(result), encoding="utf-8")
    unfinished.replace(path)
