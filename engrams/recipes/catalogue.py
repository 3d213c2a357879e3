"""The explicit list of the recipes that come with the package: a name, and where its recipe stands. One is loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from engrams.errors import UnknownName
from engrams.recipe import Recipe

#: Name to module of this folder and attribute: the house recipe, the reference points, then published memories by their names.
PLACES: Mapping[str, str] = {
    "engrams": "engrams:ENGRAMS",
    "none": "reference:NONE",
    "bm25": "reference:BM25",
    "dense": "reference:DENSE",
    "hybrid-rrf": "reference:HYBRID_RRF",
    "full-context": "reference:FULL_CONTEXT",
    "full-context-first": "full_context_first:FULL_CONTEXT_FIRST",
    "a-mem": "a_mem:A_MEM",
    "caim": "caim:CAIM",
    "hema": "hema:HEMA",
    "hipporag": "hipporag:HIPPORAG",
    "hipporag-2": "hipporag:HIPPORAG_2",
    "longmemeval": "longmemeval:LONGMEMEVAL",
    "mem-alpha": "mem_alpha:MEM_ALPHA",
    "mark": "mark:MARK",
    "mem0": "mem0:MEM0",
    "mem0-graph": "mem0_graph:MEM0_GRAPH",
    "mem0-v3": "mem0_v3:MEM0_V3",
    "memgas": "memgas:MEMGAS",
    "memory-r1": "memory_r1:MEMORY_R1",
    "memorybank": "memorybank:MEMORYBANK",
    "memos-text": "memos_text:MEMOS_TEXT",
    "metrag": "metrag:METRAG",
    "rmm": "rmm:RMM",
    "tim": "tim:TIM",
    "scm": "scm:SCM",
    "second-me-text": "second_me_text:SECOND_ME_TEXT",
}


class Catalogue(Mapping[str, Recipe]):
    """Recipes by name; a recipe's module, and the steps it uses, are imported when that recipe is first asked for.

    Names are known without an import: `in`, `len` and iteration load nothing; `values` and `items` load as they go.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = dict(places)

    def __getitem__(self, name: str) -> Recipe:
        module, _, attribute = self._places[name].partition(":")
        found: Recipe = getattr(import_module(f"engrams.recipes.{module}"), attribute)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return f"Catalogue({', '.join(self._places)})"


CATALOGUE: Mapping[str, Recipe] = Catalogue(PLACES)
"""Recipes by name, in the order of `PLACES`."""


def recipe_named(name: str) -> Recipe:
    """The recipe of that name.

    Raises:
        UnknownName: there is none; the message names the nearest.
    """
    if name not in CATALOGUE:
        raise UnknownName("recipe", name, CATALOGUE)
    return CATALOGUE[name]
