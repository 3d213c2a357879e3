"""The gallery: every recipe with its picture, its card and its rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engrams import Recipe
from engrams_bench.gallery.rows import broad, figure, owner, shown
from engrams_bench.results import Result

HEAD = """# The gallery of recipes

Made by `engrams-bench gallery` from the code and from `bench/results`; change these, not this page. Cards are those of `engrams recipes
show NAME`. A picture has a box for each step of a chain, below its name the steps it uses, and a frame around branches; steps that ask a
language model are of another colour. Rows named `scripted` were answered by a model that only copies what it is shown: they count calls
and tokens, and say nothing of what a recipe finds. See also [which recipe for what](which-recipe.md),
[what the rows teach](what-the-rows-teach.md) and [which steps recipes share](shared-steps.md).
"""
#: Where pictures lie, from the folder of pages.
IMAGES = "images/recipes"
COLUMNS = ("R@10", "session R@10", "in context", "tokens", "search ms", "add ms")


def page(recipes: Mapping[str, Recipe], rows: Sequence[Result]) -> str:
    """The whole page."""
    parts = [HEAD, _contents(recipes, rows)]
    for name, recipe in recipes.items():
        mine = [row for row in rows if owner(row, recipes) == name]
        parts.append(_entry(recipe, mine))
    return "\n".join(parts)


def _contents(recipes: Mapping[str, Recipe], rows: Sequence[Result]) -> str:
    lines = ["| recipe | of | needs | asks a model | rows |", "| --- | --- | --- | --- | --: |"]
    for name, recipe in recipes.items():
        of = f"{recipe.paper.title} ({recipe.paper.year})" if recipe.paper else "the house"
        asks = [
            f"{chain}: {', '.join(recipe.asks(chain))}" for chain in recipe.chains() if recipe.asks(chain)
        ]
        count = sum(owner(row, recipes) == name for row in rows)
        needs = ", ".join(recipe.needs) or "nothing"
        lines.append(f"| [`{name}`](#{name}) | {of} | {needs} | {'; '.join(asks) or 'never'} | {count} |")
    return "\n".join([*lines, ""])


def _entry(recipe: Recipe, rows: Sequence[Result]) -> str:
    lines = [f"## {recipe.name}", "", recipe.summary, ""]
    if recipe.paper:
        title = f"[{recipe.paper.title}]({recipe.paper.url})" if recipe.paper.url else recipe.paper.title
        lines += [f"{title}, {recipe.paper.year}.", ""]
    lines += [
        f"![The chains of {recipe.name}]({IMAGES}/{recipe.name}.svg)",
        "",
        "```",
        recipe.card(),
        "```",
        "",
    ]
    if rows:
        lines += [_results(rows), ""]
    else:
        lines += ["No row is committed yet.", ""]
    return "\n".join(lines)


def _results(rows: Sequence[Result]) -> str:
    titles = [name for name in COLUMNS if any(figure(row, name) is not None for row in rows)]
    lines = [
        "| data | row | " + " | ".join(titles) + " | model calls |",
        "| --- | --- | " + " | ".join("--:" for _ in (*titles, "")) + " |",
    ]
    for row in rows:
        told = [shown(figure(row, name)) for name in titles]
        calls = row.cost.get("model calls in all", row.cost["model calls"])
        mark = " †" if broad(row) else ""
        lines.append(
            f"| {row.data['name']} | `{row.recipe['name']}`{mark} | {' | '.join(told)} | {calls or '–'} |"
        )
    if any(broad(row) for row in rows):
        lines += [
            "",
            "† Hits or the head of a context stand for much at once (sessions, summaries): recall counts what they rest on, not what "
            "they say.",
        ]
    return "\n".join(lines)
