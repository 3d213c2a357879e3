"""What was measured of a recipe belongs to it as it stands, and to no other."""

from __future__ import annotations

from dataclasses import replace

from engrams import Memory
from engrams.figures import Figures, figures_of


def test_a_recipe_of_the_package_has_its_rows_and_a_changed_one_has_none() -> None:
    bm25 = Memory.catalogue()["bm25"]
    rows = bm25.measured()
    assert rows and all(isinstance(row, Figures) and row.row == "bm25" for row in rows)
    assert {row.data for row in rows} >= {"sample", "locomo"}
    assert bm25.replace("read.WordScores.b", 0.1).measured() == ()
    assert replace(bm25, name="my-own").measured() == ()
    assert figures_of("bm25", "0" * 12) == ()
