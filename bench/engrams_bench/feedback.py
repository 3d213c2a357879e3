"""Learning from use: how much feedback on some questions of a conversation helps its other questions.

For each conversation and seed the questions are shuffled. The first of them are asked and answered with feedback: of
the hits shown, those that hold the evidence are cited, and the others are passed over. The questions after them are
held out: they are asked before any feedback and after every step of it, and get none themselves. With `wrong` above 0
that share of the feedback cites a hit that was shown and holds no evidence, in place of the evidence.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from engrams import Memory, Recipe
from engrams.recipes.engrams import SUM
from engrams_bench import __version__
from engrams_bench.asking import NAMESPACE, Costs, fill, opened
from engrams_bench.cases import Case, DataSet, Question
from engrams_bench.errors import BenchError
from engrams_bench.folder import digest, require
from engrams_bench.machine import machine, origin
from engrams_bench.measures.intervals import RESAMPLES, SEED
from engrams_bench.measures.paired import paired
from engrams_bench.measures.ranks import turn_ranks
from engrams_bench.measures.recall import recall_at

STEPS = (5, 10, 20, 40, 80)
KS = (5, 10)
SHOWN = 10  # hits a person looks at before citing one; what `Memory.search` gives by default
SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Settings:
    """How it is measured: questions with feedback, at each of which the held-out ones are asked; seeds; wrong share 0..1."""

    steps: tuple[int, ...] = STEPS
    seeds: int = 5
    wrong: tuple[float, ...] = (0.0, 0.2)
    shown: int = SHOWN
    ks: tuple[int, ...] = KS
    embedder: str = "none"


def misfit(recipe: Recipe) -> Recipe:
    """The recipe with the weights of notes also where people take turns: house weights that do not fit the data."""
    return replace(recipe.replace("read.SumStandardised.dialogue", SUM.notes), name=f"{recipe.name}-misfit")


Scores = dict[int, float]  # recall by k
Told = Callable[[str], None]


def measure(recipe: Recipe, data: DataSet, folder: Path, settings: Settings, told: Told) -> dict[str, Any]:
    """The result as it is written: a row for each share of wrong feedback and each number of questions with feedback.

    A recipe that asks a language model is measured in the form that does without.

    Raises:
        BenchError: no conversation of the set has more questions than feedback is given to.
        MissingData, MalformedData: the data set cannot be read.
    """
    paths = require(data, folder)
    recipe = recipe.without_models()
    most = max(settings.steps)
    rows: dict[tuple[float, int], _Row] = {}
    cases = held_out = 0
    for case in data.load(paths):
        questions = [q for q in case.questions if q.turns and not q.abstain]
        if len(questions) <= most:
            continue
        cases, held_out = cases + 1, held_out + len(questions) - most
        with opened(recipe, "memory", settings.embedder) as memory:
            turn_of = fill(memory, case, Costs())
            before = {q.id: _scores(memory, q, turn_of, settings) for q in questions}
            for wrong in settings.wrong:
                for seed in range(settings.seeds):
                    told(f"{case.id}, {wrong:.0%} wrong, seed {seed}")
                    _one(memory, case, questions, turn_of, before, settings, wrong, seed, rows)
    if not cases:
        raise BenchError(
            f"{data.name}: no conversation has more than {most} questions with evidence; give fewer --steps"
        )
    return {
        "schema": SCHEMA,
        "recipe": {
            "name": recipe.name,
            "fingerprint": recipe.fingerprint(),
            "card": recipe.card().splitlines(),
        },
        "data": {"name": data.name, "title": data.title, "licence": data.licence, "digest": digest(paths)},
        "settings": asdict(settings) | {"seed": SEED, "resamples": RESAMPLES},
        "origin": origin() | {"bench": __version__, "date": datetime.now(UTC).date().isoformat()},
        "machine": machine(),
        "conversations": cases,
        "held out": held_out,
        "rows": [row.told(wrong, step, settings) for (wrong, step), row in sorted(rows.items())],
    }


class _Row:
    """Scores of held-out questions before and after feedback, and how many verdicts that was."""

    def __init__(self) -> None:
        self.questions: list[str] = []
        self.before: list[Scores] = []
        self.after: list[Scores] = []
        self.verdicts: list[int] = []

    def told(self, wrong: float, step: int, settings: Settings) -> dict[str, Any]:
        """The row of the table: intervals draw questions, each with all its seeds."""
        row: dict[str, Any] = {
            "wrong": wrong,
            "questions with feedback": step,
            "verdicts": round(sum(self.verdicts) / len(self.verdicts), 1),
        }
        for k in settings.ks:
            found = paired([s[k] for s in self.before], [s[k] for s in self.after], self.questions)
            row[f"recall@{k}"] = {
                "before": round(found.a, 5),
                "after": round(found.b, 5),
                "difference": round(found.difference, 5),
                "interval": [round(end, 5) for end in found.interval],
            }
        return row


def _one(
    memory: Memory,
    case: Case,
    questions: Sequence[Question],
    turn_of: Mapping[str, str],
    before: Mapping[str, Scores],
    settings: Settings,
    wrong: float,
    seed: int,
    rows: dict[tuple[float, int], _Row],
) -> None:
    """One seed over one conversation; the memory forgets the feedback afterwards."""
    draw = random.Random(f"{case.id} {seed}")
    order = draw.sample(questions, len(questions))
    most = max(settings.steps)
    journalled: list[str] = []
    for number, question in enumerate(order[:most], 1):
        journalled += _told(memory, question, turn_of, settings, draw.random() < wrong, draw)
        if number in settings.steps:
            row = rows.setdefault((wrong, number), _Row())
            row.verdicts.append(len(journalled))
            for other in order[most:]:
                row.questions.append(f"{case.id} {other.id}")
                row.before.append(before[other.id])
                row.after.append(_scores(memory, other, turn_of, settings))
    for event in reversed(journalled):
        memory.delete(event)


def _scores(memory: Memory, question: Question, turn_of: Mapping[str, str], settings: Settings) -> Scores:
    hits = memory.search(question.text, k=max(settings.ks), namespace=NAMESPACE, asked_at=question.asked_at)
    ranks = turn_ranks([[turn_of[e] for e in hit.event_ids] for hit in hits], question.turns)
    return {k: recall_at(ranks, k) for k in settings.ks}


def _told(
    memory: Memory,
    question: Question,
    turn_of: Mapping[str, str],
    settings: Settings,
    misled: bool,
    draw: random.Random,
) -> tuple[str, ...]:
    """Feedback on one question; ids of the events it is journalled as, none where nothing shown holds the evidence."""
    shown = memory.search(question.text, k=settings.shown, namespace=NAMESPACE, asked_at=question.asked_at)
    gold = [hit for hit in shown if {turn_of[e] for e in hit.event_ids} & set(question.turns)]
    others = [hit for hit in shown if hit not in gold]
    cited = [draw.choice(others)] if misled and others else gold
    if not cited:
        return ()
    receipt = memory.feedback(
        question.text, cited=cited, k=settings.shown, namespace=NAMESPACE, asked_at=question.asked_at
    )
    return receipt.event_ids


def table(result: Mapping[str, Any]) -> str:
    """The rows as a table in Markdown."""
    ks = result["settings"]["ks"]
    heads = ["questions with feedback", "wrong", *(f"R@{k} (before {_percent(result, k)})" for k in ks)]
    lines = [f"| {' | '.join(heads)} |", f"|{'--:|' * len(heads)}"]
    for row in result["rows"]:
        cells = [str(row["questions with feedback"]), f"{row['wrong']:.0%}"]
        for k in ks:
            held = row[f"recall@{k}"]
            low, high = (f"{100 * end:+.1f}" for end in held["interval"])
            cells.append(f"{100 * held['after']:.1f} ({100 * held['difference']:+.2f}, {low} to {high})")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _percent(result: Mapping[str, Any], k: int) -> str:
    return f"{100 * result['rows'][0][f'recall@{k}']['before']:.1f}"


def write(result: Mapping[str, Any], path: Path) -> None:
    """Writes the file, whole or not at all; makes its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(path)
