"""The command `engrams-bench`: run, compare, report, plot, convert, feedback, list."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import click

from engrams import EngramsError, Recipe
from engrams_bench import __version__, ablation_table, confidence_table, feedback
from engrams_bench.cases import Case, DataSet
from engrams_bench.compare_command import compare_recipes
from engrams_bench.convert import convert
from engrams_bench.datasets import DATASETS, find
from engrams_bench.errors import BenchError
from engrams_bench.folder import data_folder, files_of, require
from engrams_bench.gallery.command import gallery
from engrams_bench.gallery.rows import scripted
from engrams_bench.hooks import hooks
from engrams_bench.kv import measured, reuse_table
from engrams_bench.kv import table as kv_table
from engrams_bench.kv.command import kv
from engrams_bench.kv.reuse_command import kv_reuse
from engrams_bench.load.command import load
from engrams_bench.parametric import table as weights_table
from engrams_bench.parametric.command import weights
from engrams_bench.plots import draw, pictures
from engrams_bench.policies.command import policy
from engrams_bench.policies.table import gather as gather_policies
from engrams_bench.policies.table import markdown as policy_markdown
from engrams_bench.printing import columns, shown
from engrams_bench.report import FEEDBACK, gather, insert, markdown
from engrams_bench.results import write
from engrams_bench.rows import Row, recipe_of, rows_of, without
from engrams_bench.run import run as run_one
from engrams_bench.settings import BUDGET, KS, Settings
from engrams_bench.signals_command import ablate, confident
from engrams_bench.speed.command import speed
from engrams_bench.speed.plots import pictures as speed_pictures
from engrams_bench.speed.run import gather as gather_speed
from engrams_bench.speed.table import TITLES
from engrams_bench.speed.table import markdown as speed_markdown

#: What runs where no data set is named: each of these that is at hand.
SETS = ("sample", "locomo", "longmemeval", "musique", "hotpotqa", "2wiki", "memdaily")
RESULTS = Path("bench/results")
PAGES = (Path("README.md"), Path("bench/README.md"))
SCALE, RECALL, SURE = Path("docs/scale.md"), Path("docs/recall.md"), Path("docs/confidence.md")
WEIGHTS = Path("docs/weights.md")
ACTIVATION = Path("docs/kv.md")
#: The page on recipes, and the folder of results in which rows of published memories lie, apart from the README's.
SYSTEMS_PAGE, PUBLISHED = Path("docs/recipes.md"), "recipes"
IMAGES = Path("docs/images")


def _depths(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    """Numbers in a text, as `1,5,10` or `1 5 10`."""
    found = value.replace(",", " ").split()
    if not found or not all(part.isdigit() and int(part) for part in found):
        raise click.BadParameter(f"{value!r}: expected whole numbers from 1 such as 1,5,10", ctx, param)
    return tuple(sorted({int(part) for part in found}))


def _recipes(names: Sequence[str], changes: Sequence[str], less: Sequence[str] = ()) -> list[Recipe]:
    held = []
    for name in names:
        recipe = without(recipe_of(Row(name)), less)
        for change in changes:
            path, _, value = change.partition("=")
            recipe = recipe.replace(path.strip(), _value(value.strip()))
        held.append(recipe)
    return held


def _value(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def _sets(names: Sequence[str], folder: Path) -> list[DataSet]:
    if names:
        return [data for name in names for data in find(name)]
    return [DATASETS[name] for name in SETS if files_of(DATASETS[name], folder)]


def _place(out: Path | None, name: str, whole: bool) -> Path | None:
    """Where a result goes: the file or folder that was named, else the committed results, for whole runs only."""
    if out is None:
        return RESULTS / f"{name}.json" if whole and RESULTS.is_dir() else None
    return out if out.suffix == ".json" else out / f"{name}.json"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="engrams-bench")
def cli() -> None:
    """Runs Engrams recipes over real conversations and measures what they find and what it costs."""


def _store(context: click.Context, option: click.Parameter, value: str) -> str:
    if value in ("file", "memory") or value.startswith(("postgresql://", "postgres://")):
        return value
    raise BenchError(f"--store {value}: file, memory, or the address of an empty PostgreSQL")


@cli.command()
@click.option(
    "--recipe",
    "-r",
    "recipes",
    multiple=True,
    help="A recipe; repeat for several. Without one: the rows of the README's table, embedder and all.",
)
@click.option(
    "--data",
    "-d",
    "sets",
    multiple=True,
    help="A data set or group; repeat for several. Default: all at hand.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where data sets lie. Default: ENGRAMS_BENCH_DATA, else ./data.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="PATH=VALUE",
    help="Changes a recipe's parameter, as read.Top.k=20.",
)
@click.option(
    "--k",
    "ks",
    callback=_depths,
    default=",".join(map(str, KS)),
    help="Depths to measure at. Default: 1,5,10,20,100.",
)
@click.option(
    "--budget", type=click.IntRange(1), default=BUDGET, show_default=True, help="Tokens of a context."
)
@click.option("--no-context", is_flag=True, help="Search only: no contexts, no tokens, no 'nothing found'.")
@click.option(
    "--store",
    metavar="file|memory|postgresql://…",
    default="file",
    show_default=True,
    callback=_store,
    help="Where memories lie while they are asked; a PostgreSQL must be empty, and is left so.",
)
@click.option(
    "--embedder",
    default="none",
    show_default=True,
    help="Turns texts into vectors, by name, as minilm; its rows are called engrams+minilm.",
)
@click.option(
    "--without",
    "less",
    multiple=True,
    metavar="SIGNAL",
    help="Leaves a signal out of the house's sum; repeat for several.",
)
@click.option(
    "--vectors",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file in which vectors are kept by content: a text is embedded once, and a run cut off goes on.",
)
@click.option(
    "--models",
    default="",
    metavar="none|replayed|scripted|MODEL",
    help="What answers for language models: none (recipes in the form that does without), replayed (recorded outputs of real "
    "models, over locomo and musique), scripted (one that only copies what it is shown), or a model by name, as openai:NAME@URL.",
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Share the haystacks out among so many processes; what is found is the same, times are of busier cores.",
)
@click.option("--missing", is_flag=True, help="Only rows that have no result yet.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    help="Only the first so many questions of each set: a trial, not a result.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="A file or folder for results. Default: bench/results, for whole runs.",
)
@click.option("--quiet", is_flag=True, help="No tables, no progress.")
def run(
    recipes: tuple[str, ...],
    sets: tuple[str, ...],
    folder: Path | None,
    changes: tuple[str, ...],
    ks: tuple[int, ...],
    budget: int,
    no_context: bool,
    store: str,
    embedder: str,
    less: tuple[str, ...],
    vectors: Path | None,
    models: str,
    processes: int,
    missing: bool,
    limit: int | None,
    out: Path | None,
    quiet: bool,
) -> None:
    """Runs recipes over data sets, prints tables and writes result files; without --recipe, all rows of the table."""
    where = data_folder(folder)
    data = _sets(sets, where)
    settings = Settings(
        ks, None if no_context else budget, store, limit, embedder, vectors, models, processes
    )
    if limit is not None and processes > 1:
        raise BenchError("--limit takes the first questions, --processes share all out: name one of the two")
    if not recipes and (changes or less or models or embedder != "none"):
        raise BenchError("--set, --without, --models and --embedder change a recipe: name one with --recipe")
    chosen = _recipes(recipes, changes, less)
    todo = [
        (one, recipe, replace(settings, embedder=beside))
        for one in data
        for recipe, beside in (
            [(recipe, embedder) for recipe in chosen]
            or [(recipe_of(row), row.embedder) for row in rows_of(one)]
        )
    ]
    if len(todo) > 1 and out is not None and out.suffix == ".json":
        raise BenchError(f"--out {out}: {len(todo)} results; name a folder")
    for one in data:
        require(one, where)
    for one, recipe, how in todo:
        # A changed recipe is not the one the tables speak of: it is kept only where the caller says so.
        place = _place(out, f"{one.name}-{how.row(recipe)}", limit is None and not changes)
        if missing and place is not None and place.is_file():
            continue
        result = run_one(recipe, one, where, how, None if quiet else _progress(recipe, one))
        if not quiet:
            _clear()
            click.echo(shown(result))
        if place is not None:
            write(result, place)
            click.echo(f"written: {place}", err=True)


def _progress(recipe: Recipe, data: DataSet) -> Callable[[Case, int], None]:
    def told(case: Case, asked: int) -> None:
        if sys.stderr.isatty():
            click.echo(
                f"\r\x1b[K{recipe.name} on {data.name}: {asked:,} questions, now {case.id}",
                err=True,
                nl=False,
            )

    return told


def _clear() -> None:
    if sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False)


@cli.command()
@click.option(
    "--results",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=RESULTS,
    show_default=True,
)
@click.option(
    "--into",
    "pages",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="Pages with markers. Default: README.md and bench/README.md.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail when a page is not what the results say.")
@click.option("--print", "only", is_flag=True, help="Print the tables and touch no page.")
def report(results: Path, pages: tuple[Path, ...], check: bool, only: bool) -> None:
    """Makes the tables of the README and of docs/recall.md, confidence.md, scale.md, recipes.md and weights.md from the results."""
    text, speeds = markdown(gather(results)), speed_markdown(gather_speed(results, list(TITLES)))
    shares = ablation_table.markdown(ablation_table.gather(results), gather(results))
    sure = confidence_table.markdown(confidence_table.gather(results))
    if only:
        click.echo("\n\n".join((text, shares, sure, speeds)))
        return
    learnt = weights_table.markdown(weights_table.gather(results), weights_table.month(results))
    published = results / PUBLISHED
    tables = {SCALE.name: speeds, RECALL.name: shares, SURE.name: sure, WEIGHTS.name: learnt}
    told = gather(published) if published.is_dir() else []
    tables[SYSTEMS_PAGE.name] = markdown([row for row in told if not scripted(row)])
    tables[SYSTEMS_PAGE.name] += policy_markdown(gather_policies(results))
    every = (*PAGES, SCALE, RECALL, SURE, SYSTEMS_PAGE, WEIGHTS)
    for page in pages or [page for page in every if page.is_file()]:
        changed = insert(page, tables.get(page.name, text), check)
        click.echo(f"{page}: {'written' if changed else 'as the results say'}")
    if not pages and measured.TARGET.parent.is_dir():
        changed = measured.write(results / "kv", check=check)
        click.echo(f"{measured.TARGET}: {'written' if changed else 'as the results say'}")
    if not pages and ACTIVATION.is_file():
        changed = insert(ACTIVATION, reuse_table.markdown(results / "kv"), check, reuse_table.BEGIN)
        click.echo(f"{ACTIVATION}, reuse: {'written' if changed else 'as the results say'}")
        text = kv_table.markdown(kv_table.gather(results / "kv"))
        changed = insert(ACTIVATION, text, check, kv_table.BEGIN)
        click.echo(f"{ACTIVATION}, compression: {'written' if changed else 'as the results say'}")


@cli.command()
@click.option(
    "--results",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=RESULTS,
    show_default=True,
)
@click.option("--check", is_flag=True, help="Write nothing; fail when a picture is not what the results say.")
@click.argument("out", type=click.Path(path_type=Path, file_okay=False), default=IMAGES)
def plot(results: Path, check: bool, out: Path) -> None:
    """Draws the committed results as SVG files into the folder OUT (docs/images): recall, cost, reliability, growth."""
    made = [
        *pictures(gather(results)),
        *confidence_table.pictures(confidence_table.gather(results)),
        *speed_pictures(gather_speed(results, list(TITLES))),
        *weights_table.pictures(weights_table.gather(results)),
        *kv_table.pictures(kv_table.gather(results / "kv")),
    ]
    for path in draw(made, out, check):
        click.echo(path)


@cli.command("convert")
@click.argument("questions", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("sessions", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
def convert_file(questions: Path, sessions: Path, out: Path) -> None:
    """LongMemEval with sessions stored once (QUESTIONS.jsonl, SESSIONS.jsonl[.xz]) into the official form OUT.json."""
    click.echo(f"{out}: {convert(questions, sessions, out)} questions")


@cli.command("feedback")
@click.option("--recipe", "-r", "name", default="engrams", show_default=True, help="A recipe that learns.")
@click.option(
    "--data", "-d", "sets", default="locomo", show_default=True, help="A data set with conversations."
)
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Where data sets lie.")
@click.option("--steps", callback=_depths, default=",".join(map(str, feedback.STEPS)), show_default=True,
              help="Questions with feedback, at each of which the held-out ones are asked.")  # fmt: skip
@click.option(
    "--seeds", type=click.IntRange(1), default=5, show_default=True, help="Shuffles of each conversation."
)
@click.option("--wrong", type=click.FloatRange(0, 1), multiple=True, default=(0.0, 0.2), show_default=True,
              help="Share of the feedback that cites a wrong hit.")  # fmt: skip
@click.option(
    "--embedder", default="none", show_default=True, help="As `Memory.open` takes it: none, auto, minilm, …"
)
@click.option(
    "--misfit", is_flag=True, help="Begin with the weights of notes, which do not fit conversations."
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="The result file. Default: bench/results."
)
def learn(
    name: str,
    sets: str,
    folder: Path | None,
    steps: tuple[int, ...],
    seeds: int,
    wrong: tuple[float, ...],
    embedder: str,
    misfit: bool,
    out: Path | None,
) -> None:
    """How many verdicts on some questions of a conversation help its other questions."""
    (recipe,), (data, *_) = _recipes([name], ()), find(sets)
    settings = feedback.Settings(steps=steps, seeds=seeds, wrong=wrong, embedder=embedder)
    result = feedback.measure(
        feedback.misfit(recipe) if misfit else recipe,
        data,
        data_folder(folder),
        settings,
        lambda line: click.echo(line, err=True),
    )
    click.echo(feedback.table(result))
    if out is None and not RESULTS.is_dir():
        return
    place = out or RESULTS / f"{FEEDBACK}{data.name}{'-misfit' if misfit else ''}.json"
    feedback.write(result, place)
    click.echo(f"written: {place}", err=True)


@cli.command("list")
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Where data sets lie.")
def list_sets(folder: Path | None) -> None:
    """The data sets, which of them are at hand, and where to get the others."""
    where = data_folder(folder)
    rows = [["data set", "licence", "at hand", "files or source"]]
    for data in DATASETS.values():
        found = files_of(data, where)
        rows.append(
            [
                data.name,
                data.licence,
                "yes" if found else "no",
                ", ".join(p.name for p in found) if found else data.source,
            ]
        )
    click.echo(columns(rows, left=4))


cli.add_command(ablate)
cli.add_command(compare_recipes)
cli.add_command(confident)
cli.add_command(gallery)
cli.add_command(hooks)
cli.add_command(kv)
cli.add_command(kv_reuse)
cli.add_command(load)
cli.add_command(policy)
cli.add_command(speed)
cli.add_command(weights)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command's entry: errors of the house are one line and exit code 2, not a traceback."""
    try:
        cli.main(
            args=None if arguments is None else list(arguments),
            prog_name="engrams-bench",
            standalone_mode=True,
        )
    except (BenchError, EngramsError) as error:
        click.echo(f"engrams-bench: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
