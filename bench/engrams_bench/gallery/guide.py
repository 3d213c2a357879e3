"""Which recipe for what, as the rows have it: by need and data set the best row, and those that differ from it by chance at most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engrams_bench.comparing import Pair, measured, pairs
from engrams_bench.gallery.rows import broad, figure, scripted, shown
from engrams_bench.report import UNRANKED
from engrams_bench.results import Result
from engrams_bench.settings import BUDGET

#: Samples of the bootstrap: the least p is then 1 in 2,500, below what Holm asks of the hundred rows that a set may have.
SAMPLES = 5_000
#: A row is near enough to the best where it costs less: so many points of evidence in the context.
NEAR = 5.0
#: Tokens of a context that is called short: half of the usual budget.
SHORT = BUDGET // 2
#: Points of reference that published memories are held against.
BASELINES = ("bm25", "hybrid-rrf", "engrams")
#: The fewest rows over a set that say something of it.
FEWEST = 3


@dataclass(frozen=True)
class Need:
    """What somebody may want: the measure by which rows are told apart, and which rows can be meant at all."""

    title: str
    measure: str
    fits: Callable[[Result], bool]


def plain(row: Result) -> bool:
    """Rows whose figures compare: contexts of the usual budget, hits that say what they rest on."""
    return (
        row.settings["budget"] == BUDGET
        and row.recipe["name"] not in (*UNRANKED, "none")
        and not broad(row)
        and not scripted(row)
    )


NEEDS = (
    Need(f"the most evidence in a context of {BUDGET:,} tokens", "in context", plain),
    Need("the same with nothing to install", "in context", lambda row: plain(row) and _alone(row)),
    Need(
        f"the most evidence from contexts of {SHORT:,} tokens or fewer",
        "in context",
        lambda row: plain(row) and (figure(row, "tokens") or 0.0) <= SHORT,
    ),
    Need("evidence among the first five hits", "R@5", plain),
    Need("evidence among the first ten hits", "R@10", plain),
)
MEASURES = {"in context": "context recall", "R@5": "{level} recall@5", "R@10": "{level} recall@10"}


def _alone(row: Result) -> bool:
    return bool(row.settings["embedder"] == "none") and row.settings.get("models", "") != "replayed"


def sets(rows: Sequence[Result]) -> list[str]:
    """The data sets with enough rows, in their order."""
    names = dict.fromkeys(str(row.data["name"]) for row in rows)
    return [name for name in names if sum(row.data["name"] == name for row in rows) >= FEWEST]


def best(rows: Sequence[Result], need: Need) -> tuple[Result, list[Result]] | None:
    """The best row for a need, and those that differ from it by no more than chance (Holm over them); None where none fits."""
    there = [row for row in rows if need.fits(row) and figure(row, need.measure) is not None]
    if not there:
        return None
    first = max(there, key=lambda row: figure(row, need.measure) or 0.0)
    others = [row for row in there if row is not first]
    if not others:
        return first, []
    measure = MEASURES[need.measure].format(level=first.data["level"])
    held = [pair for pair in _against(first, others, measure) if not pair.established]
    return first, [row for row in others if str(row.recipe["name"]) in {pair.b for pair in held}]


def _against(first: Result, others: Sequence[Result], measure: str) -> list[Pair]:
    """The differences of some rows from one of them."""
    names = [str(row.recipe["name"]) for row in (first, *others)]
    return pairs(names, measured([first, *others], [measure]), first=True, resamples=SAMPLES)


def needs_table(rows: Sequence[Result]) -> str:
    """A line for each need, a column for each data set."""
    names = sets(rows)
    lines = ["| for | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for need in NEEDS:
        cells = []
        for name in names:
            found = best([row for row in rows if row.data["name"] == name], need)
            cells.append("–" if found is None else _best_cell(*found, need.measure))
        lines.append(f"| {need.title} | {' | '.join(cells)} |")
    lines.append(f"| the fastest search, at most {NEAR:.0f} points below the most evidence | " + " | ".join(
        _cheapest([row for row in rows if row.data["name"] == name], "search ms", "ms") for name in names) + " |")  # fmt: skip
    lines.append(f"| the shortest context, at most {NEAR:.0f} points below | " + " | ".join(
        _cheapest([row for row in rows if row.data["name"] == name], "tokens", "tokens") for name in names) + " |")  # fmt: skip
    return "\n".join(lines)


def _best_cell(first: Result, ties: Sequence[Result], measure: str) -> str:
    text = f"`{first.recipe['name']}` {shown(figure(first, measure))}"
    alike = [f"`{row.recipe['name']}` {shown(figure(row, measure))}" for row in ties]
    return f"{text}; by chance at most: {', '.join(alike)}" if alike else text


def _cheapest(rows: Sequence[Result], price: str, unit: str) -> str:
    there = [row for row in rows if plain(row) and figure(row, "in context") is not None]
    if not there:
        return "–"
    most = max(figure(row, "in context") or 0.0 for row in there)
    near = [row for row in there if (figure(row, "in context") or 0.0) >= most - NEAR and figure(row, price)]
    least = min(near, key=lambda row: figure(row, price) or 0.0)
    return (
        f"`{least.recipe['name']}` {shown(figure(least, price))} {unit}, {shown(figure(least, 'in context'))}"
    )


def baselines_table(rows: Sequence[Result], published: Sequence[str]) -> str:
    """Every row of a published memory against the points of reference on the same questions: evidence in the context."""
    lines = [
        "| data | row | in context | tokens | " + " | ".join(f"beside `{name}`" for name in BASELINES) + " |",
        "| --- | --- | --: | --: | " + " | ".join("--:" for _ in BASELINES) + " |",
    ]
    for name in sets(rows):
        here = [row for row in rows if row.data["name"] == name]
        by_name = {str(row.recipe["name"]): row for row in here}
        mine = [
            row
            for row in here
            if row.recipe["name"] in published and row.settings["budget"] == BUDGET and not scripted(row)
        ]
        held: dict[tuple[str, str], Pair] = {}
        for base in BASELINES:
            if base in by_name and mine:
                held |= {(base, p.b): p for p in _against(by_name[base], mine, MEASURES["in context"])}
        for row in mine:
            called = str(row.recipe["name"])
            mark = " †" if broad(row) else ""
            cells = [_difference(held.get((base, called)), broad(row)) for base in BASELINES]
            lines.append(
                f"| {name} | `{called}`{mark} | {shown(figure(row, 'in context'))} | {shown(figure(row, 'tokens'))} | {' | '.join(cells)} |"
            )
    return "\n".join(lines)


def _difference(pair: Pair | None, of_little_worth: bool) -> str:
    if pair is None:
        return "–"
    text = f"{100 * pair.difference:+.1f}{'*' if pair.established else ''}"
    return f"({text})" if of_little_worth else text


def asked_table(rows: Sequence[Result]) -> str:
    """What recipes ask of a language model, from the rows of a model that only copies; dearest to write first in each set."""
    lines = [
        "| data | row | calls a message | tokens a message | calls a question | tokens a question |",
        "| --- | --- | --: | --: | --: | --: |",
    ]
    for name in dict.fromkeys(str(row.data["name"]) for row in rows):
        here = [row for row in rows if row.data["name"] == name and scripted(row)]
        for row in sorted(here, key=lambda row: -float(row.cost["model tokens to write"])):
            calls, tokens = (float(row.cost[f"model {what} to write"]) for what in ("calls", "tokens"))
            asked = float(row.data["questions"])
            lines.append(
                f"| {name} | `{row.recipe['name']}` | {figure(row, 'calls a message'):.2f} | {figure(row, 'tokens a message'):,.0f} "
                f"| {(float(row.cost['model calls in all']) - calls) / asked:.1f} "
                f"| {(float(row.cost['model tokens']) - tokens) / asked:,.0f} |"
            )
    return "\n".join(lines)


FOOT = (
    "\\* holds: a paired bootstrap over the same questions, with Holm's correction over the rows of the set, and over conversations "
    "where there are at least five. † Hits or the head of a context stand for much at once (sessions, summaries): what they rest on "
    "is counted, not what they say, so their figures are in brackets and they are left out above. `no-model`, `replayed` and "
    "`+minilm` as on "
    "[recipes](recipes.md#what-they-find)."
)


def markdown(rows: Sequence[Result], published: Sequence[str]) -> str:
    """The generated part of the guide."""
    return "\n\n".join(
        (
            needs_table(rows),
            "**Published memories beside the points of reference**: points of evidence in the context, more or fewer than they give.",
            baselines_table(rows, published),
            FOOT,
            "**What is asked of a language model**: counted over HTTP with one that only copies what it is shown (`scripted`), so that "
            "every step asks as it would. Its answers are short, and where it is asked whether more is needed it says yes.",
            asked_table(rows),
        )
    )
