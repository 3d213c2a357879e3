"""The command `engrams-bench compare`: recipes over one data set, side by side."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click

from engrams import Memory, Recipe
from engrams.models.chat_prices import rates
from engrams.settings import Settings as House
from engrams_bench.cases import Case, DataSet
from engrams_bench.compare import compare
from engrams_bench.comparing import ANSWERED, Pair, Scored, measured, pairs
from engrams_bench.datasets import find
from engrams_bench.errors import BenchError
from engrams_bench.folder import data_folder, require
from engrams_bench.printing import differences
from engrams_bench.printing_many import dry_lines, ledger_lines, pair_lines, recipe_lines
from engrams_bench.quality import dry
from engrams_bench.quality.judging import JUDGING, Heard, answered, judged, posed, wrong_answers
from engrams_bench.results import Result, read
from engrams_bench.rows import Row, recipe_of
from engrams_bench.run import run
from engrams_bench.settings import EVERYTHING, FORMS, Settings

#: Folders of committed results below the one that is named.
PUBLISHED = "recipes"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row of a comparison: a recipe, and how it is run."""

    recipe: Recipe
    settings: Settings

    @property
    def name(self) -> str:
        """As in tables and files."""
        return self.settings.row(self.recipe)


@click.command("compare")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--recipes",
    "-r",
    default="",
    metavar="A,B,…",
    help="Recipes by name; `engrams+minilm` runs one with an embedder.",
)
@click.option("--data", "-d", "name", default="sample", show_default=True, help="The data set.")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Where data sets lie.")
@click.option(
    "--models",
    default="",
    metavar="none|replayed|scripted|MODEL",
    help="What answers for the language models of recipes; as in `run`.",
)
@click.option("--embedder", default="none", show_default=True, help="For recipes that need one.")
@click.option("--results", type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="Takes rows from result files in this folder and runs nothing.")  # fmt: skip
@click.option(
    "--measure",
    "wanted",
    multiple=True,
    help="A measure to tell recipes apart by; repeat. Default: recall@10 and in context.",
)
@click.option(
    "--reader", default="", metavar="MODEL", help="Answers every question from each recipe's context."
)
@click.option(
    "--judge", default="", metavar="MODEL", help="Says which answers are right. Default: the reader."
)
@click.option("--dry-run", is_flag=True, help="Says what language models would take at most; asks nobody.")
@click.option("--ledger", type=click.Path(path_type=Path, dir_okay=False),
              help="A file that keeps what models took, for `engrams --db FILE cost`; limits of a day hold over it.")  # fmt: skip
@click.option("--limit", type=click.IntRange(1), help="Only the first so many questions.")
@click.option("--vectors", type=click.Path(path_type=Path, dir_okay=False), help="A file of kept vectors.")
@click.option(
    "--processes", type=click.IntRange(1), default=1, show_default=True, help="As in `run`; without models."
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="A JSON file for the comparison."
)
def compare_recipes(
    files: tuple[Path, ...],
    recipes: str,
    name: str,
    folder: Path | None,
    models: str,
    embedder: str,
    results: Path | None,
    wanted: tuple[str, ...],
    reader: str,
    judge: str,
    dry_run: bool,
    ledger: Path | None,
    limit: int | None,
    vectors: Path | None,
    processes: int,
    out: Path | None,
) -> None:
    """Recipes over the same questions: what they find, take and cost, and which differences hold.

    `compare A.json B.json` sets two result files beside each other, measure by measure. `compare --recipes a,b,c --data X` runs recipes,
    or with --results takes their committed rows. Differences are told by a paired bootstrap over the same questions, all pairs
    together (Holm). With --reader, every context is answered from and judged.
    """
    if files:
        if len(files) != 2 or recipes:
            raise BenchError("compare takes two result files, or --recipes with --data")
        one, other = read(files[0]), read(files[1])
        click.echo(differences(one, other, compare(one, other)))
        return
    names = [part for part in recipes.replace(",", " ").split() if part]
    if len(names) < 2 or len(set(names)) < len(names):
        raise BenchError("--recipes: at least two recipes by name, each once, such as bm25,engrams,mem0")
    (data, *others) = find(name)
    if others:
        raise BenchError(
            f"--data {name} is a group; name one of {', '.join(d.name for d in (data, *others))}"
        )
    if judge and not reader:
        raise BenchError("--judge says which answers are right: name who gives them with --reader")
    settings = Settings(limit=limit, embedder=embedder, vectors=vectors, models=models, processes=processes)
    if results is not None:
        if reader or dry_run:
            raise BenchError("--results runs nothing: a reader answers from contexts, which no result holds")
        rows = [_committed(results, data, one, settings) for one in names]
        _tell(data, rows, pairs([row.recipe["name"] for row in rows], measured(rows, wanted)), out=out)
        return
    plan = [_planned(one, settings) for one in names]
    where = data_folder(folder)
    require(data, where)
    judge = judge or reader
    if dry_run:
        _would_take(data, where, plan, reader, judge)
        return
    _compare(data, where, plan, wanted, reader, judge, ledger, out)


def _planned(name: str, settings: Settings) -> Wanted:
    bare, _, beside = name.partition("+")
    recipe = recipe_of(Row(bare))
    asks = any(recipe.asks(chain) for chain in recipe.chains())
    if asks and not settings.models:
        raise BenchError(
            f"{bare} asks a language model: --models none (its form without), replayed, or a model by name"
        )
    embedder = beside or (settings.embedder if "embedder" in recipe.needs else "none")
    return Wanted(recipe, replace(settings, embedder=embedder, models=settings.models if asks else ""))


def _committed(folder: Path, data: DataSet, name: str, settings: Settings) -> Result:
    """The row of a recipe: by its whole name, or as the settings name it."""
    bare = name.partition("+")[0]
    called = [name]
    if bare in Memory.catalogue():
        called.append(_planned(name, replace(settings, models=settings.models or "none")).name)
    for row in called:
        for place in (folder / f"{data.name}-{row}.json", folder / PUBLISHED / f"{data.name}-{row}.json"):
            if place.is_file():
                return read(place)
    there = sorted(
        path.stem.removeprefix(f"{data.name}-")
        for place in (folder, folder / PUBLISHED)
        for path in place.glob(f"{data.name}-*.json")
    )
    raise BenchError(
        f"no result of {name} over {data.name} in {folder}; there are {', '.join(there) or 'none'}"
    )


def _asked_models(plan: Sequence[Wanted]) -> str:
    """The model that recipes ask, where one does."""
    return next((one.settings.models for one in plan if one.settings.models not in ("", *FORMS)), "")


def _cases(data: DataSet, folder: Path, limit: int | None) -> list[Case]:
    cases, left = [], limit
    for case in data.load(require(data, folder)):
        if left is not None and left <= 0:
            break
        if case.questions:
            cases.append(case if left is None else replace(case, questions=case.questions[:left]))
            left = None if left is None else left - len(case.questions)
    return cases


def _would_take(data: DataSet, folder: Path, plan: Sequence[Wanted], reader: str, judge: str) -> None:
    known = rates(House.load().model_prices)
    cases, lines = _cases(data, folder, plan[0].settings.limit), []
    questions = posed(cases)
    with Memory.open(":memory:", "none", embedder="none") as memory:
        for one in plan:
            budget = one.settings.budget_of(one.recipe) or 0
            if one.settings.models not in ("", *FORMS):
                lines += dry.deriving(
                    one.recipe,
                    one.settings.models,
                    cases,
                    one.settings.embedder,
                    budget,
                    lambda text: memory.count_tokens([text])[0],
                    known,
                )
            if reader:
                most = budget if budget < EVERYTHING else _longest(cases, memory)
                lines += dry.answering(one.recipe, questions, reader, judge, most, known, memory)
        if reader:
            lines.append(dry.misjudging(questions, judge, known, memory))
    click.echo(dry_lines(lines) if lines else "No language model would be asked.")


def _longest(cases: Sequence[Case], memory: Memory) -> int:
    """Tokens of the longest haystack, for a recipe that gives everything."""
    said = [[turn.message.content for session in case.sessions for turn in session.turns] for case in cases]
    return max(sum(memory.count_tokens(texts)) for texts in said)


def _compare(
    data: DataSet,
    folder: Path,
    plan: Sequence[Wanted],
    wanted: Sequence[str],
    reader: str,
    judge: str,
    ledger: Path | None,
    out: Path | None,
) -> None:
    model = _asked_models(plan)
    with ExitStack() as open_now:
        held = ledger or Path(open_now.enter_context(tempfile.TemporaryDirectory())) / "ledger.db"
        # Two memories over one file: one ledger, one limit of the day, and models of their own.
        writer = (
            open_now.enter_context(Memory.open(held, "none", embedder="none", actor="bench", model=model))
            if model
            else None
        )
        asked = (
            open_now.enter_context(
                Memory.open(
                    held, "none", embedder="none", actor="bench", model=reader, models={JUDGING: judge}
                )
            )
            if reader
            else None
        )
        rows: list[Result] = []
        answers: list[dict[str, bool]] = []
        questions = posed(_cases(data, folder, plan[0].settings.limit)) if asked else []
        for one in plan:
            heard = Heard()
            lent = (
                writer.chat(f"recipes/{one.recipe.name}") if writer and one.settings.models == model else None
            )
            told = heard if asked else None
            rows.append(run(one.recipe, data, folder, one.settings, _progress(one), lent, told))
            if asked is not None:
                chat = asked.chat(f"answers/{one.recipe.name}")
                answers.append(answered(chat, questions, heard.texts))
        scored = measured(rows, wanted)
        fooled: dict[str, bool] = {}
        if asked is not None:
            fooled = judged(asked.chat("wrong-answers"), wrong_answers(questions))
            ids = [question for question in questions if all(question.id in told for told in answers)]
            scored.append(
                Scored(
                    ANSWERED,
                    tuple(tuple(float(told[q.id]) for q in ids) for told in answers),
                    tuple(q.case for q in ids),
                )
            )
        found = pairs([row.recipe["name"] for row in rows], scored)
        last = asked or writer
        spent = ledger_lines(last.costs()) if last is not None else ""
        _tell(data, rows, found, answers, fooled, judge, spent, out)


def _progress(one: Wanted) -> Callable[[Case, int], None]:
    def told(case: Case, asked: int) -> None:
        if not asked:
            click.echo(f"{one.name} …", err=True)

    return told


def _tell(
    data: DataSet,
    rows: Sequence[Result],
    found: Sequence[Pair],
    answers: Sequence[dict[str, bool]] = (),
    fooled: dict[str, bool] | None = None,
    judge: str = "",
    spent: str = "",
    out: Path | None = None,
) -> None:
    click.echo(recipe_lines(rows, answers, fooled or {}, judge))
    click.echo(pair_lines(found))
    if spent:
        click.echo(spent)
    if out is not None:
        held: dict[str, Any] = {
            "data": dict(rows[0].data),
            "recipes": [
                {"recipe": dict(row.recipe), "settings": dict(row.settings), "cost": dict(row.cost)}
                | ({"right": answers[place]} if answers else {})
                for place, row in enumerate(rows)
            ],
            "pairs": [asdict(pair) | {"established": pair.established} for pair in found],
            "judge": {"model": judge, "wrong answers called right": fooled} if fooled else None,
        }
        out.write_text(json.dumps(held, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        click.echo(f"written: {out}", err=True)
