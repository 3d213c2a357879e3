"""Names in texts, and the step that notes them."""

from __future__ import annotations

import pytest

from engrams.errors import BadSetting
from engrams.organise.embed import Embed
from engrams.organise.entities import NameEntities, names_in
from engrams.records import Draft
from tests.contracts.stores import from_event, said
from tests.rooms.recall.views import HandView, run

RUN = run(HandView([]))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Yesterday I met Anna Berg near Bern.", ("Anna Berg", "Bern")),
        ("The Battle of the Bulge began.", ("Battle of the Bulge", "Battle", "Bulge")),
        ("In the spring J. K. Rowling's book came.", ("J K Rowling",)),
        ("It rained. We stayed. Then Bern.", ("Bern",)),
        ("Australia. The club won.", ("Australia",)),
        ("Apollo 11 landed in 1969.", ("Apollo 11",)),
        (
            "Zürich, Österreich and São Paulo",
            ("Zürich", "Österreich and São Paulo", "Österreich", "São Paulo"),
        ),
        ("no names here, only words", ()),
        ("我把钥匙放在花盆下面。", ()),
        ("", ()),
        ("On Monday in May", ()),
        ("A" * 100 + " is shouting", ()),
        ("Bern and bern, čaj, BERN", ("Bern",)),
    ],
)
def test_names_are_spans_of_capitals(text: str, names: tuple[str, ...]) -> None:
    assert names_in(text) == names


def test_a_first_line_names_the_whole() -> None:
    assert names_in("house sparrow (bird)\nIt lives in Bern.") == (
        "house sparrow (bird)",
        "house sparrow",
        "Bern",
    )
    assert "a line" not in names_in("a line")
    assert names_in("x" * 81 + "\nmore") == ()


def test_the_step_notes_names_of_what_stands_alone() -> None:
    note, turn, reply = (
        said("I saw Bern."),
        said("I saw Bern.", speaker="Ann"),
        said("Bern!", role="assistant"),
    )
    gone = from_event(said("Bern"), state="archived")
    made = [from_event(each) for each in (note, turn, reply)]
    draft = NameEntities()(Draft((), (*made, gone)), RUN)
    assert draft.names == {made[0].id: ("Bern",)}
    assert NameEntities(most=1)(Draft((), (from_event(said("Ann saw Bern")),)), RUN).names.popitem()[1] == (
        "Ann",
    )
    with pytest.raises(BadSetting, match="most"):
        NameEntities(most=0)


def test_without_an_embedder_nothing_is_embedded() -> None:
    draft = Draft((), (from_event(said("a dog")),))
    assert Embed()(draft, RUN) is draft
    with pytest.raises(BadSetting, match="characters"):
        Embed(characters=0)


def test_keys_are_embedded_in_place_of_the_content() -> None:
    assert Embed().text(from_event(said("the value"), keys=("one", "two"))) == "one\ntwo"
    assert Embed(characters=5).text(from_event(said("the value", speaker="Ann"))) == "the v"
    assert Embed(speaker=True).text(from_event(said("the value", speaker="Ann"))) == "Ann: the value"
