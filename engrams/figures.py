"""What was measured of the recipes: the benchmark's committed rows, in a file that the benchmark makes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

#: The file beside this one, made by `engrams-bench gallery`.
FILE = "figures.json"


@dataclass(frozen=True, slots=True)
class Figures:
    """One row: a data set, and how the recipe was run (`row`: its name, the form without a model or with recorded answers, and an
    embedder that helps it).

    `found`: percent of the evidence within the first ten hits; `given`: percent that a context of `tokens` tokens rests on;
    `milliseconds` of processor time that a search takes. None: it does not say. `broad`: hits stand for much at once, so that both
    percentages count what they rest on.
    """

    data: str
    row: str
    found: float | None
    given: float | None
    tokens: float | None
    milliseconds: float | None
    broad: bool = False


@lru_cache(maxsize=1)
def _all() -> dict[str, tuple[Figures, ...]]:
    held = json.loads(files("engrams").joinpath(FILE).read_text("utf-8"))
    return {
        f"{name} {one['fingerprint']}": tuple(Figures(*row) for row in one["rows"])
        for name, one in held.items()
    }


def figures_of(name: str, fingerprint: str) -> tuple[Figures, ...]:
    """The rows of a recipe of the package as it stands; none where nothing was measured, or it is another by its fingerprint."""
    return _all().get(f"{name} {fingerprint}", ())
