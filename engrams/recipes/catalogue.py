"""The explicit list of the recipes that come with the package."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from engrams.errors import UnknownName
from engrams.recipe import Recipe
from engrams.recipes.a_mem import A_MEM
from engrams.recipes.engrams import ENGRAMS
from engrams.recipes.full_context_first import FULL_CONTEXT_FIRST
from engrams.recipes.hipporag import HIPPORAG_2
from engrams.recipes.longmemeval import LONGMEMEVAL
from engrams.recipes.mem0 import MEM0
from engrams.recipes.memgas import MEMGAS
from engrams.recipes.memory_r1 import MEMORY_R1
from engrams.recipes.memorybank import MEMORYBANK
from engrams.recipes.reference import BM25, DENSE, FULL_CONTEXT, HYBRID_RRF, NONE
from engrams.recipes.rmm import RMM

CATALOGUE: Mapping[str, Recipe] = MappingProxyType(
    {
        r.name: r
        for r in (
            ENGRAMS,
            NONE,
            BM25,
            DENSE,
            HYBRID_RRF,
            FULL_CONTEXT,
            FULL_CONTEXT_FIRST,
            A_MEM,
            HIPPORAG_2,
            LONGMEMEVAL,
            MEM0,
            MEMGAS,
            MEMORY_R1,
            MEMORYBANK,
            RMM,
        )
    }
)
"""Recipes by name: the house recipe, the reference points, then published memories by their names."""


def recipe_named(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UnknownName: there is none; the message names the nearest.
    """
    if name not in CATALOGUE:
        raise UnknownName("recipe", name, CATALOGUE)
    return CATALOGUE[name]
