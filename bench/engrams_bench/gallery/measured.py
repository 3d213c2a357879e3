"""The figures of the committed rows as the package carries them, for `engrams recipes show`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple

from engrams import Recipe
from engrams.figures import Figures
from engrams_bench.gallery.rows import broad, figure, owner, scripted
from engrams_bench.results import Result


def text(recipes: Mapping[str, Recipe], rows: Sequence[Result]) -> str:
    """The file's text: for each recipe that has rows its fingerprint now, and a line for each row whose figures say what it finds."""
    parts = []
    for name, recipe in recipes.items():
        mine = [_figures(row) for row in rows if owner(row, recipes) == name and not scripted(row)]
        if mine:
            lines = ",\n".join(f"   {json.dumps(astuple(one))}" for one in mine)
            parts.append(f' "{name}": {{"fingerprint": "{recipe.fingerprint()}", "rows": [\n{lines}\n ]}}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _figures(row: Result) -> Figures:
    found, given, tokens, took = (
        _rounded(figure(row, name)) for name in ("R@10", "in context", "tokens", "search ms")
    )
    return Figures(row.data["name"], row.recipe["name"], found, given, tokens, took, broad(row))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
