"""The list of recipes: each name is the recipe's own, no recipe's file is forgotten, and nothing is loaded before it is asked for."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import pytest

import engrams.recipes
from engrams.errors import UnknownName
from engrams.recipe import Recipe
from engrams.recipes.catalogue import CATALOGUE, PLACES, Catalogue, recipe_named

LOADED = """
import sys
import engrams.memory
from engrams.recipes.catalogue import CATALOGUE
assert "bm25" in CATALOGUE and len(list(CATALOGUE)) == len(CATALOGUE)
there = lambda: sorted(n for n in sys.modules if n.startswith("engrams.recipes.") and n != "engrams.recipes.catalogue")
before = there()
CATALOGUE["bm25"]
print(before, there())
"""


@pytest.mark.parametrize("name", list(PLACES))
def test_every_name_is_that_of_the_recipe_it_stands_for(name: str) -> None:
    assert CATALOGUE[name].name == name


def test_every_recipe_of_the_folder_is_listed() -> None:
    there = {
        f"{module.name}:{attribute}"
        for module in iter_modules(engrams.recipes.__path__)
        if module.name != "catalogue"
        for attribute, value in vars(import_module(f"engrams.recipes.{module.name}")).items()
        if isinstance(value, Recipe)
    }
    assert there >= set(PLACES.values())
    named = {value.name for value in CATALOGUE.values()}
    found = {
        getattr(import_module(f"engrams.recipes.{module}"), attribute).name
        for module, _, attribute in (place.partition(":") for place in there)
    }
    assert found == named


def test_no_recipe_is_loaded_before_it_is_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] ['engrams.recipes.reference']"


def test_it_is_a_mapping_like_any_other() -> None:
    one = Catalogue({"bm25": "reference:BM25"})
    assert dict(one) == {"bm25": CATALOGUE["bm25"]}
    assert one == {"bm25": CATALOGUE["bm25"]}
    assert one.get("mem1") is None
    assert "mem1" not in one
    assert repr(one) == "Catalogue(bm25)"
    with pytest.raises(KeyError):
        one["mem1"]


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    assert recipe_named("bm25") is CATALOGUE["bm25"]
    with pytest.raises(UnknownName, match="bm25"):
        recipe_named("bm52")
