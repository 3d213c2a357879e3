"""Recipes by name: those of the package, a file of one's own, and what an installed package offers."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from engrams import Memory
from engrams.errors import BadSetting, UnknownName
from engrams.lifecycle import finding

FILE = """
from engrams.recipes.reference import BM25
from dataclasses import replace
MINE = replace(BM25, name="mine")
OTHER = 3
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "mine.py"
    made.write_text(FILE)
    return made


def test_a_recipe_of_a_file_runs_and_its_jobs_find_it(file: Path, tmp_path: Path) -> None:
    with Memory.open(tmp_path / "m.db", f"{file}:MINE") as memory:
        assert memory.recipe.name == "mine"
        memory.add("The kettle is blue.")
        assert memory.search("kettle")[0].text == "The kettle is blue."


def test_a_file_that_was_changed_is_read_anew(file: Path) -> None:
    assert Memory.find_recipe(f"{file}:MINE").name == "mine"
    file.write_text(FILE.replace('name="mine"', 'name="other"'))
    assert Memory.find_recipe(f"{file}:MINE").name == "other"


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (FILE, "OTHER", "a recipe of that file: BM25, MINE"),
        ("x = 1", "MINE", "it holds none"),
        ("x = ", "MINE", "SyntaxError"),
        ("1 / 0", "MINE", "ZeroDivisionError"),
        ("import there_is_none", "MINE", "there_is_none"),
    ],
)
def test_a_file_without_the_recipe_is_refused(tmp_path: Path, content: str, name: str, said: str) -> None:
    (tmp_path / "bad.py").write_text(content)
    before = set(sys.modules)
    with pytest.raises(BadSetting, match=said):
        Memory.find_recipe(f"{tmp_path / 'bad.py'}:{name}")
    if said.endswith("Error"):
        assert not {m for m in set(sys.modules) - before if m.startswith("engrams_recipe_bad")}


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="a file that is there"):
        Memory.open(":memory:", f"{tmp_path / 'none.py'}:MINE")


def test_an_installed_package_offers_recipes(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        EntryPoint("offered", "engrams.recipes.reference:BM25", finding.GROUP),
        EntryPoint("broken", "engrams.recipes.reference:NOTHING", finding.GROUP),
        EntryPoint("wrong", "engrams.recipes.reference:PASSAGES", finding.GROUP),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    assert Memory.find_recipe("offered").name == "bm25"
    with pytest.raises(BadSetting, match="can be loaded"):
        Memory.find_recipe("broken")
    with pytest.raises(BadSetting, match="not str"):
        Memory.find_recipe("wrong")
    with pytest.raises(UnknownName, match="offered"):
        Memory.find_recipe("offerred")
