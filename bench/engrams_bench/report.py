"""The table of the README, made from the committed results: it can be made again, and a check says when it drifted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from engrams_bench.datasets import DATASETS
from engrams_bench.errors import Drifted, MalformedResult, NoMarkers
from engrams_bench.printing import percent
from engrams_bench.results import Result, read

BEGIN = "<!-- engrams-bench: begin. Made by `engrams-bench report`; change the results, not this. -->"
#: The same for pages that follow from the code, too.
BEGIN_GALLERY = (
    "<!-- engrams-bench: begin. Made by `engrams-bench gallery`; change code or results, not this. -->"
)
END = "<!-- engrams-bench: end -->"

#: Rows of a table in this order; every other recipe comes after them by name.
ORDER = ("none", "bm25", "dense", "hybrid-rrf", "full-context", "engrams")

#: Column title, measure. A column stays where any result has it.
COLUMNS = (
    ("R@5", "turn recall@5"),
    ("R@10", "turn recall@10"),
    ("NDCG@10", "turn ndcg@10"),
    ("MRR", "turn mrr"),
    ("session R@5", "session recall@5"),
    ("session R@10", "session recall@10"),
    ("in context", "context recall"),
)
#: Files of another form beside the results: what `engrams-bench feedback` writes.
FEEDBACK = "feedback-"
#: It gives everything in the order of time: places in it say nothing.
UNRANKED = ("full-context",)
#: With fewer conversations, drawing them anew says little of how conversations differ.
FEWEST_CONVERSATIONS = 5
#: How files of other kinds begin: results of `engrams-bench speed`, of `ablate`, of `confidence`.
SPEED = "speed-"
ABLATION = "ablation-"
CONFIDENCE = "confidence-"
#: How long the hooks of coding agents take.
HOOKS = "hooks"
#: What a server under load answers.
LOAD = "load-"
#: Columns that carry their interval.
WITH_INTERVAL = ("turn recall@10", "session recall@5")


def gather(folder: Path) -> list[Result]:
    """The whole runs in a folder, by data set as the catalogue orders them and then by recipe.

    Raises:
        MalformedResult: a file that is no result, or two results of one recipe over one data set.
    """
    held: dict[str, Result] = {}
    for path in sorted(folder.glob("*.json")):
        if path.name.startswith((SPEED, FEEDBACK, ABLATION, CONFIDENCE, HOOKS, LOAD)):
            continue
        result = read(path)
        if not result.whole:
            continue
        if result.name in held:
            raise MalformedResult(f"{path}: a second result of {result.name} in {folder}; keep one")
        held[result.name] = result
    sets = list(DATASETS)

    def place(result: Result) -> tuple[int, int, str]:
        data, recipe = result.data["name"], result.recipe["name"]
        return (
            sets.index(data) if data in sets else len(sets),
            ORDER.index(recipe) if recipe in ORDER else len(ORDER),
            recipe,
        )

    return sorted(held.values(), key=place)


def _cell(result: Result, measure: str) -> str:
    row: dict[str, Any] | None = result.tables["all"].get(measure)
    if row is None or (result.recipe["name"] in UNRANKED and measure != "context recall"):
        return "–"
    several = result.data["cases"] >= FEWEST_CONVERSATIONS
    interval = (row["conversations"] if several else None) or row["questions"]
    if measure in WITH_INTERVAL and interval:
        return f"{percent(row['mean'])} ({percent(interval[0])}–{percent(interval[1])})"
    return percent(row["mean"])


def _price(result: Result, name: str, part: str) -> str:
    held = result.cost.get(name)
    if held is None:
        return "–"
    value = float(held[part])
    return f"{value:,.0f}" if value >= 100 or value == 0 else f"{value:.2g}"


def _auroc(result: Result) -> str:
    told = result.tables["abstention"]
    return "–" if told is None or told["auroc"] is None else f"{told['auroc']:.2f}"


def _table(results: Sequence[Result]) -> str:
    held = [(title, name) for title, name in COLUMNS if any(name in r.tables["all"] for r in results)]
    told = any(_auroc(result) != "–" for result in results)
    head = [
        "recipe",
        *(title for title, _ in held),
        *(["AUROC"] if told else []),
        "tokens",
        "search ms",
        "add ms",
    ]
    rows = [head, ["---", *("--:" for _ in head[1:])]]
    for result in results:
        rows.append(
            [
                f"`{result.recipe['name']}`",
                *(_cell(result, name) for _, name in held),
                *([_auroc(result)] if told else []),
                _price(result, "context tokens", "mean"),
                _price(result, "search ms", "p50"),
                _price(result, "add ms", "p50"),
            ]
        )
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _title(result: Result) -> str:
    data = result.data
    held = sum(outcome.counts for outcome in result.outcomes)
    return (
        f"**{data['name']}** ({', '.join(data['files'])}): {held:,} questions with known evidence over "
        f"{data['cases']:,} {'haystack' if data['cases'] == 1 else 'haystacks'}, {data['messages']:,} messages"
    )


def markdown(results: Sequence[Result]) -> str:
    """One table for each data set, with what the columns mean and where the numbers were made."""
    if not results:
        return "No results yet: `engrams-bench run` makes them."
    parts = []
    for name in dict.fromkeys(result.data["name"] for result in results):
        members = [result for result in results if result.data["name"] == name]
        parts.append(f"{_title(members[0])}\n\n{_table(members)}")
    machines = dict.fromkeys(
        f"{r.machine['processor']}, {r.machine['cores']} cores, Python {r.machine['python']}" for r in results
    )
    commits = dict.fromkeys(
        (r.origin["commit"] or r.origin["version"])[:9] + ("+" if r.origin.get("changed") else "")
        for r in results
    )
    parts.append(
        "Percentages; R@k is the mean share of a question's evidence among the first k hits, *in context* the share that "
        "the composed context rests on, *tokens* its mean length. Brackets: 95 % bootstrap intervals, over conversations "
        f"where there are at least {FEWEST_CONVERSATIONS} with several questions each, else over questions. "
        "Times are median CPU milliseconds of one search "
        f"(first 100 hits) and one add. Made on {'; '.join(machines)}, from {', '.join(commits)}."
    )
    return "\n\n".join(parts)


def insert(page: Path, text: str, check: bool, begin: str = BEGIN) -> bool:
    """Puts `text` between the markers of a page; whether the page changed. `begin` is how the first marker reads.

    Raises:
        NoMarkers: the page has no markers, or more than one pair.
        Drifted: with `check`, the page says something else; nothing is written.
    """
    old = page.read_text(encoding="utf-8")
    marked = re.compile(re.escape(begin) + r".*?" + re.escape(END), re.DOTALL)
    if len(marked.findall(old)) != 1:
        raise NoMarkers(f"{page}: needs one pair of lines\n{begin}\n{END}")
    new = marked.sub(lambda _: f"{begin}\n{text}\n{END}", old)
    if new == old:
        return False
    if check:
        command = "report" if begin == BEGIN else "gallery"
        raise Drifted(f"{page}: its table is not what the results say; run `engrams-bench {command}`")
    page.write_text(new, encoding="utf-8")
    return True
