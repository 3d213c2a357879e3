"""The explicit list of the recipes that come with the package."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from engrams.errors import UnknownName
from engrams.recipe import Recipe
from engrams.recipes.engrams import ENGRAMS
from engrams.recipes.reference import BM25, DENSE, FULL_CONTEXT, HYBRID_RRF, NONE

CATALOGUE: Mapping[str, Recipe] = MappingProxyType(
    {r.name: r for r in (ENGRAMS, NONE, BM25, DENSE, HYBRID_RRF, FULL_CONTEXT)}
)
"""Recipes by name, the house recipe first, the reference points behind it."""


def recipe_named(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UnknownName: there is none; the message names the nearest.
    """
    if name not in CATALOGUE:
        raise UnknownName("recipe", name, CATALOGUE)
    return CATALOGUE[name]
