"""The committed rows of recipes: whose they are, in what form, and what they say."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from engrams_bench.errors import BenchError
from engrams_bench.report import UNRANKED, gather
from engrams_bench.results import Outcome, Result

#: The folder of published memories' rows below that of the README's.
PUBLISHED = "recipes"
#: Two pieces of evidence found in one hit, in this share of the questions that need several: hits are then broad (sessions, summaries),
#: and recall at k counts what they rest on. Rows of turns and facts stand at 0 to 0.06, those of sessions and summaries at 0.27 and above.
BROAD = 0.15
#: A context holds what speaks of everything, as a summary of all, where over at least so many questions with larger haystacks than fit
#: whole it rests on more evidence, by this share of all, than is found: on all of every question's, beyond the first hits; or
#: on some, beyond all hits that were looked at.
SURE = 20
FITTING = 100
UNSEEN = 0.1
FIRST_HITS, ALL_HITS = 10, 100
#: What a figure is called, where it stands in a row, and its factor: shares are told as percentages.
FIGURES = {
    "R@5": ("{level} recall@5", 100.0),
    "R@10": ("{level} recall@10", 100.0),
    "session R@10": ("session recall@10", 100.0),
    "in context": ("context recall", 100.0),
}
PRICES = {
    "tokens": ("context tokens", "mean"),
    "search ms": ("search ms", "p50"),
    "add ms": ("add ms", "p50"),
}

#: What writing asked of a language model, by the message.
ASKED = {"calls a message": "model calls to write", "tokens a message": "model tokens to write"}


def all_rows(results: Path) -> list[Result]:
    """Every whole run in a folder of results, by data set as the catalogue orders them: the README's, then published memories'."""
    published = results / PUBLISHED
    rows = [*gather(results), *(gather(published) if published.is_dir() else [])]
    sets = list(dict.fromkeys(row.data["name"] for row in rows))
    return sorted(rows, key=lambda row: sets.index(row.data["name"]))


def owner(row: Result, names: Collection[str]) -> str | None:
    """The recipe of the catalogue that a row is of: the longest name that its own begins with."""
    called = str(row.recipe["name"])
    fits = [name for name in names if called == name or called.startswith((f"{name}-", f"{name}+"))]
    return max(fits, key=len, default=None)


def scripted(row: Result) -> bool:
    """Whether a model that only copies answered: what is found then says nothing of what a model gives."""
    return bool(row.settings.get("models", "") == "scripted")


def broad(row: Result) -> bool:
    """Whether hits, or what a context begins with, stand for much at once, so that what is found says little of what is shown."""
    if row.recipe["name"] in UNRANKED:
        return False
    given = [o for o in row.outcomes if o.counts and o.cited is not None and o.turns]
    if len(given) >= SURE and row.data["messages"] > FITTING * row.data["cases"]:
        hits = FIRST_HITS if all(o.cited == 1 for o in given) else ALL_HITS
        if sum(_beyond(o, hits) for o in given) / len(given) > UNSEEN:
            return True
    several = [found for o in row.outcomes if o.counts and len(found := _found(o)) > 1]
    return bool(several) and sum(len(set(found)) < len(found) for found in several) / len(several) > BROAD


def _beyond(outcome: Outcome, hits: int) -> float:
    """By how much of its evidence a question's context rests on more than so many hits found, at least 0."""
    within = sum(rank is not None and rank <= hits for rank in outcome.turns)
    return max((outcome.cited or 0.0) - within / len(outcome.turns), 0.0)


def _found(outcome: Outcome) -> list[int]:
    return [rank for rank in outcome.turns if rank is not None]


def figure(row: Result, name: str) -> float | None:
    """One figure of a row by the name that tables give it; None where it has none.

    Raises:
        BenchError: no such figure; names those there are.
    """
    if name in PRICES:
        held = row.cost.get(PRICES[name][0])
        return None if held is None else float(held[PRICES[name][1]])
    if name in ASKED:
        asked = row.cost.get(ASKED[name])
        return None if asked is None else float(asked) / float(row.data["messages"])
    if name not in FIGURES:
        raise BenchError(f"no figure {name!r}; there are {', '.join((*FIGURES, *PRICES, *ASKED))}")
    measure, factor = FIGURES[name]
    if row.recipe["name"] in UNRANKED and name != "in context":
        return None
    told = row.tables["all"].get(measure.format(level=row.data["level"]))
    return None if told is None else factor * float(told["mean"])


def shown(value: float | None) -> str:
    """As tables show it: percentages and small prices with one digit, large ones whole."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value > 100 else f"{value:.1f}"


def one(rows: Sequence[Result], data: str, recipe: str) -> Result:
    """The row of a recipe over a data set.

    Raises:
        BenchError: there is none; names those over this set.
    """
    found = [row for row in rows if row.data["name"] == data and row.recipe["name"] == recipe]
    if not found:
        there = [str(row.recipe["name"]) for row in rows if row.data["name"] == data]
        raise BenchError(f"no row of {recipe} over {data}; there are {', '.join(there) or 'none'}")
    return found[0]
