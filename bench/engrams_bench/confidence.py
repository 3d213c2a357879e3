"""Whether the memory knows when nothing is there: its confidence for questions with an answer, without one, and foreign.

A foreign question is one that has an answer in another haystack of the set, asked here with the names of the speakers
exchanged for those of this haystack: of what it asks, nothing is there at all. Reliability is told at even odds, as the
constants of the recipe were fitted: questions with an answer weigh as much together as all those without, and of these
either kind as much as the other.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engrams import Recipe
from engrams_bench import __version__
from engrams_bench.asking import NAMESPACE, Costs, fill, opened
from engrams_bench.cases import Case, DataSet, Question
from engrams_bench.folder import digest, require
from engrams_bench.machine import machine, origin
from engrams_bench.measures.abstention import BINS, auroc, auroc_interval
from engrams_bench.measures.intervals import RESAMPLES, SEED
from engrams_bench.settings import Settings
from engrams_bench.vectors import kept_vectors

SCHEMA = 1
#: Foreign questions asked of a haystack that has several questions, and of one that has one.
FOREIGN = (100, 1)
#: Confidences below which a memory might say that nothing was found; the first is the house's.
THRESHOLDS = (0.14, 0.3)
KINDS = ANSWER, NO_ANSWER, ELSEWHERE = "answer", "no answer", "foreign"

Told = Callable[[str], None]


def people(case: Case) -> list[str]:
    """Who speaks in a haystack, in the order of their first word."""
    names = (turn.message.speaker for session in case.sessions for turn in session.turns)
    return list(dict.fromkeys(name for name in names if name))


def foreign(case: Case, others: Sequence[tuple[list[str], Question]], draw: random.Random) -> list[Question]:
    """Questions of other haystacks, as (speakers there, question), asked of this one, its speakers for theirs."""
    here = people(case)
    asked = []
    for there, question in draw.sample(others, min(FOREIGN[len(case.questions) == 1], len(others))):
        text = question.text
        for old, new in zip(there, here, strict=False):
            text = re.sub(rf"\b{re.escape(old)}\b", new, text)
        at = case.questions[0].asked_at
        asked.append(replace(question, text=text, turns=(), sessions=(), asked_at=at, abstain=True))
    return asked


def measure(recipe: Recipe, data: DataSet, folder: Path, settings: Settings, told: Told) -> dict[str, Any]:
    """The result as it is written: the confidence of each question, and what follows from it.

    Raises:
        MissingData, MalformedData: the data set cannot be read.
    """
    paths = require(data, folder)
    pool = [
        (case.id, people(case), question)
        for case in data.load(paths)
        for question in case.questions
        if not question.abstain
    ]
    draw = random.Random(SEED)
    rows: list[dict[str, Any]] = []
    cases = 0
    with kept_vectors(settings.embedder, settings.vectors) as vectors:
        for case in data.load(paths):
            if settings.limit is not None and cases >= settings.limit:
                break
            if not case.questions:
                continue
            cases += 1
            told(case.id)
            with (
                nullcontext() if vectors is None else vectors.bulk(),
                opened(recipe, "memory", vectors or settings.embedder) as memory,
            ):
                fill(memory, case, Costs())
                own = [(NO_ANSWER if q.abstain else ANSWER, q) for q in case.questions]
                others = [(there, q) for id, there, q in pool if id != case.id]
                for kind, question in [*own, *((ELSEWHERE, q) for q in foreign(case, others, draw))]:
                    hits = memory.search(question.text, k=1, namespace=NAMESPACE, asked_at=question.asked_at)
                    sure = hits[0].confidence if hits else 0.0
                    rows.append(
                        {
                            "id": question.id,
                            "case": case.id,
                            "kind": kind,
                            "confidence": round(sure or 0.0, 4),
                        }
                    )
    return {
        "schema": SCHEMA,
        "recipe": {
            "name": settings.row(recipe),
            "fingerprint": recipe.fingerprint(),
            "card": recipe.card().splitlines(),
        },
        "data": {"name": data.name, "title": data.title, "licence": data.licence, "digest": digest(paths)},
        "settings": {"embedder": settings.embedder, "limit": settings.limit, "foreign": list(FOREIGN)}
        | {"seed": SEED, "resamples": RESAMPLES},
        "origin": origin() | {"bench": __version__, "date": datetime.now(UTC).date().isoformat()},
        "machine": machine(),
        "cases": cases,
        "tables": tables(rows),
        "rows": rows,
    }


def tables(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the confidences of questions say together."""
    held = {kind: [row["confidence"] for row in rows if row["kind"] == kind] for kind in KINDS}
    points = even(held)
    return {
        "questions": {kind: len(found) for kind, found in held.items()},
        "auroc": {kind: _rounded(auroc(held[ANSWER], held[kind])) for kind in KINDS[1:]},
        "interval": {kind: _rounded(auroc_interval(held[ANSWER], held[kind])) for kind in KINDS[1:]},
        "silent": {
            f"{least:g}": {
                kind: _rounded(sum(sure < least for sure in found) / len(found))
                for kind, found in held.items()
                if found
            }
            for least in THRESHOLDS
        },
        "calibration error": _rounded(sum(p.weight * abs(p.confidence - p.answerable) for p in points)),
        "reliability": [{name: _rounded(value) for name, value in asdict(point).items()} for point in points],
    }


@dataclass(frozen=True, slots=True)
class Point:
    """Questions whose confidence lies in one tenth, at even odds: its mean, the share with an answer, their weight (of 1)."""

    confidence: float
    answerable: float
    weight: float


def even(held: Mapping[str, Sequence[float]]) -> list[Point]:
    """The points of a reliability diagram at even odds, ascending; `held` are confidences by the kind of question."""
    without = [kind for kind in KINDS[1:] if held[kind]]
    bins: dict[int, list[tuple[float, float, bool]]] = {}
    for kind in (ANSWER, *without):
        share = 0.5 if kind == ANSWER else 0.5 / len(without)
        for sure in held[kind]:
            place = min(int(sure * BINS), BINS - 1)
            bins.setdefault(place, []).append((share / len(held[kind]), sure, kind == ANSWER))
    points = []
    for _, found in sorted(bins.items()):
        total = sum(weight for weight, _, _ in found)
        points.append(
            Point(
                sum(weight * sure for weight, sure, _ in found) / total,
                sum(weight for weight, _, due in found if due) / total,
                total,
            )
        )
    return points


def _rounded(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_rounded(one) for one in value]
    return None if value is None else round(value, 5)


def write(result: Mapping[str, Any], path: Path) -> None:
    """Writes the file, one question a line, whole or not at all; makes its folder."""
    head = json.dumps(
        {name: held for name, held in result.items() if name != "rows"}, indent=2, ensure_ascii=False
    )
    rows = ",\n".join("    " + json.dumps(row, ensure_ascii=False) for row in result["rows"])
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(head[:-2] + f',\n  "rows": [\n{rows}\n  ]\n}}\n', encoding="utf-8")
    unfinished.replace(path)
