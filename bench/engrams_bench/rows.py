"""The rows of the table: which recipes run over which data, with which embedder, and without which signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engrams import Memory, Recipe, UsageError
from engrams.recipes.engrams import SUM
from engrams_bench.cases import DataSet
from engrams_bench.errors import BenchError

EMBEDDER = "minilm"

Weights = tuple[tuple[str, float], ...]

#: Sets of documents, where the graph counts: there the table also shows what is found without it.
DOCUMENTS = ("musique", "hotpotqa", "2wiki")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a recipe, the embedder beside it, and the signals that the house's sum goes without."""

    recipe: str
    embedder: str = "none"
    without: tuple[str, ...] = ()


CHAT_ROWS = (
    Row("none"),
    Row("bm25"),
    Row("dense", EMBEDDER),
    Row("hybrid-rrf", EMBEDDER),
    Row("full-context"),
    Row("engrams"),
    Row("engrams", EMBEDDER),
)
DOCUMENT_ROWS = (*CHAT_ROWS, Row("engrams", "none", ("graph",)), Row("engrams", EMBEDDER, ("graph",)))


def rows_of(data: DataSet) -> tuple[Row, ...]:
    """The rows of a data set's table."""
    return DOCUMENT_ROWS if data.name in DOCUMENTS else CHAT_ROWS


def recipe_of(row: Row) -> Recipe:
    """The recipe of a row, also one of a package or of a file (`FILE.py:NAME`), named for what it goes without.

    Raises:
        BenchError: no such recipe, or no such signal in the house's sum.
    """
    try:
        return without(Memory.find_recipe(row.recipe), row.without)
    except UsageError as wrong:
        raise BenchError(str(wrong)) from wrong


def without(recipe: Recipe, signals: Sequence[str]) -> Recipe:
    """The house recipe with some signals left out of its sum, also where the sum chooses candidates and seeds.

    Raises:
        BenchError: the sum has no such signal, or the recipe is not the house's.
    """
    if not signals:
        return recipe
    known = dict.fromkeys(name for name, _ in (*SUM.dialogue, *SUM.notes))
    if unknown := [name for name in signals if name not in known]:
        raise BenchError(f"no signal {', '.join(unknown)} in the sum; there are {', '.join(known)}")
    if recipe.name != "engrams":
        raise BenchError(f"--without leaves signals out of the sum of engrams, not of {recipe.name}")
    dialogue = tuple((name, weight) for name, weight in SUM.dialogue if name not in signals)
    notes = tuple((name, weight) for name, weight in SUM.notes if name not in signals)
    return _summing(recipe, dialogue, notes, f"without-{_joined(signals)}")


def alone(recipe: Recipe, signal: str) -> Recipe:
    """The house recipe with one signal and no other in its sum."""
    weights = ((signal, 1.0),)
    return _summing(recipe, weights, weights, f"{_joined([signal])}-alone")


def _summing(recipe: Recipe, dialogue: Weights, notes: Weights, name: str) -> Recipe:
    summed = replace(SUM, dialogue=dialogue, notes=notes)
    changed = recipe.replace("read.Shortlist.by", summed).replace("read.GraphScores.by", summed)
    changed = changed.replace("read.SumStandardised.dialogue", dialogue)
    changed = changed.replace("read.SumStandardised.notes", notes)
    return replace(changed, name=f"{recipe.name}-{name}")


def _joined(signals: Sequence[str]) -> str:
    return "-".join(signal.replace(" ", "-") for signal in signals)
