"""Pictures of recipes: every step of a chain has its box, nothing sticks out, and the same steps give the same picture."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from engrams import Memory
from engrams.drawing import ASKING, WIDTH, drawing
from engrams.recipes.catalogue import PLACES
from engrams.recipes.hipporag import HIPPORAG_2
from engrams.recipes.reference import BM25
from engrams.step import steps_of, walk

TEXT = "{http://www.w3.org/2000/svg}text"


def words(picture: str) -> list[str]:
    return [str(one.text) for one in ElementTree.fromstring(picture).iter(TEXT)]


@pytest.mark.parametrize("name", list(PLACES))
def test_every_step_of_every_recipe_is_drawn_inside_the_picture(name: str) -> None:
    recipe = Memory.catalogue()[name]
    picture = recipe.svg()
    told = words(picture)
    assert told[0] == name
    for chain, step in recipe.chains().items():
        assert chain in told
        missing = [
            s.name for _, s in walk(step) if not any(re.search(rf"\b{s.name}\b", text) for text in told)
        ]
        # What a step uses inside one that is itself only named stays out.
        assert [n for n in missing if n in {s.name for s in steps_of(step)}] == []
    assert max(_right_edges(picture)) <= WIDTH
    assert picture == recipe.svg()


def _right_edges(picture: str) -> list[float]:
    edges: list[float] = []

    def visit(element: ElementTree.Element, left: float) -> None:
        place = re.match(r"translate\((\S+) ", element.get("transform", ""))
        left += float(place[1]) if place else 0.0
        if element.tag.endswith("rect"):
            edges.append(left + float(element.get("width", "0")))
        for inner in element:
            visit(inner, left)

    visit(ElementTree.fromstring(picture), 0.0)
    return edges


def test_branches_stand_behind_the_names_of_their_fields_and_who_asks_is_told() -> None:
    told = words(HIPPORAG_2.svg())
    assert told.index("OrElse") < told.index("first") < told.index("backup")
    assert "asks a language model" in told and ASKING[1] in HIPPORAG_2.svg()
    assert "asks a language model" not in words(BM25.svg())


def test_names_cannot_break_out_of_the_picture() -> None:
    assert words(drawing("<a & b>", {"write": BM25.write}))[0] == "<a & b>"
