"""How a run is made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engrams import Recipe

KS = (1, 5, 10, 20, 100)
BUDGET = 2000  # tokens of a context, what `Memory.context` gives by default
#: The reference row that gives everything, whatever is asked, has to be let.
FULL_CONTEXT = "full-context"
#: What the row of a recipe is named for, by what answers for language models.
FORMS = {"none": "no-model", "replayed": "replayed", "scripted": "scripted"}
EVERYTHING = 10_000_000  # tokens: the most `Memory.context` takes


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run is made. `limit`: the first so many questions only; `budget` None: no contexts; `embedder` by its name;
    `vectors`: the file in which its vectors are kept from run to run (None: they are made anew). `processes`: how many share the
    haystacks out.

    `models`: what answers for language models: "" (nothing is asked), "none" (recipes in the form that does without), "replayed"
    (recorded outputs of real models, see `engrams_bench.replays`), "scripted" (a model that only copies, see
    `engrams_bench.copying`), or a model as `Memory.open` takes it.
    """

    ks: tuple[int, ...] = KS
    budget: int | None = BUDGET
    store: str = "file"
    limit: int | None = None
    embedder: str = "none"
    vectors: Path | None = None
    models: str = ""
    processes: int = 1

    def row(self, recipe: Recipe) -> str:
        """The name of the row in tables and files: the recipe's, and the embedder where one helps it."""
        optional = self.embedder != "none" and "embedder" not in recipe.needs
        name = f"{recipe.name}-{FORMS.get(self.models, self.models)}" if self.models else recipe.name
        return f"{name}+{self.embedder}" if optional else name

    def budget_of(self, recipe: Recipe) -> int | None:
        """Tokens of a context of this recipe: the row that gives everything is let give it."""
        return EVERYTHING if self.budget is not None and recipe.name == FULL_CONTEXT else self.budget
