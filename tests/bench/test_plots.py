"""Pictures: points stand where they should, the same numbers give the same file, and a check sees drift."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from engrams_bench.cli import cli
from engrams_bench.errors import Drifted
from engrams_bench.plots import curve, draw, pictures
from engrams_bench.results import write
from engrams_bench.svg import BOTTOM, LEFT, RIGHT, TOP, Axis, Line, Picture

from tests.bench.test_results import outcomes, result

HERE = Path(__file__).parents[2]
SPACE = "{http://www.w3.org/2000/svg}"


def places(picture: Picture) -> list[tuple[float, float]]:
    """Where the dots of a picture stand that are no part of its legend."""
    dots = ElementTree.fromstring(picture.svg()).iter(f"{SPACE}circle")
    found = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in dots]
    return [(x, y) for x, y in found if x <= RIGHT]


def test_an_even_axis_places_by_share_and_one_of_powers_by_logarithm() -> None:
    line = Line("one", ((1.0, 0.0), (10.0, 50.0), (100.0, 100.0)))
    picture = Picture("p", "P", Axis("k", log=True), Axis("%", ends=(0, 100)), (line,))
    middle = ((LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2)
    assert places(picture) == [(LEFT, BOTTOM), middle, (RIGHT, TOP)]


def test_the_ends_of_an_axis_of_powers_are_round_and_hold_every_point() -> None:
    line = Line("one", ((3.0, 1.0), (70.0, 2.0)))
    text = Picture("p", "P", Axis("k", log=True), Axis("y"), (line,)).svg()
    labels = [str(label.text) for label in ElementTree.fromstring(text).iter(f"{SPACE}text")]
    assert [label for label in labels if label in ("1", "2", "5", "10", "20", "50", "100")][:6] == [
        "2", "5", "10", "20", "50", "100",
    ]  # fmt: skip


def test_a_line_without_a_name_stands_in_no_legend_and_names_are_escaped() -> None:
    lines = (Line("", ((0.0, 0.0), (1.0, 1.0)), dots=False), Line("<a & b>", ((0.5, 0.5),), joined=False))
    tree = ElementTree.fromstring(Picture("p", "x < y", Axis("x"), Axis("y"), lines).svg())
    labels = [str(label.text) for label in tree.iter(f"{SPACE}text")]
    assert "<a & b>" in labels and "x < y" in labels and "" not in labels
    assert len(list(tree.iter(f"{SPACE}circle"))) == 2, "the point, and its mark in the legend"


def test_recall_by_k_by_hand() -> None:
    told = result(told=outcomes((1, 7), (2,), (None,), (4,)))
    assert curve(told, [1, 2, 4, 7]) == pytest.approx([0.5 / 4, 1.5 / 4, 2.5 / 4, 3 / 4])


def test_every_set_has_its_pictures_and_what_has_no_order_is_in_none_by_k() -> None:
    held = [replace(result(name), settings={"ks": [5], "depth": 5}) for name in ("none", "bm25", "engrams")]
    made = {picture.name: picture for picture in pictures(held)}
    assert list(made) == [f"locomo-{kind}" for kind in ("recall-by-k", "recall-by-cost", "recall-by-tokens")]
    assert [line.name for line in made["locomo-recall-by-k"].lines] == ["bm25", "engrams"]
    assert made["locomo-recall-by-cost"].lines[0].points == ((1.25, 75.0),)


def test_a_check_sees_a_picture_that_is_old_or_not_there(tmp_path: Path) -> None:
    results, images = tmp_path / "results", tmp_path / "images"
    write(replace(result(), settings={"ks": [5], "depth": 5}), results / "house.json")
    command = ["plot", "--results", str(results), str(images)]
    assert CliRunner().invoke(cli, [*command, "--check"]).exception.__class__ is Drifted
    done = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert done.output.split() == [str(path) for path in sorted(images.iterdir(), key=_as_drawn)]
    assert CliRunner().invoke(cli, [*command, "--check"]).exit_code == 0
    (images / "locomo-recall-by-k.svg").unlink()
    assert CliRunner().invoke(cli, [*command, "--check"]).exception.__class__ is Drifted
    assert not (images / "locomo-recall-by-k.svg").exists(), "a check draws nothing"


def _as_drawn(path: Path) -> int:
    order = ("recall-by-k", "recall-by-cost", "recall-by-tokens")
    return next(number for number, kind in enumerate(order) if path.stem.endswith(kind))


def test_the_committed_pictures_are_what_the_committed_results_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    done = CliRunner().invoke(cli, ["plot", "--check"], catch_exceptions=False)
    drawn = {Path(line) for line in done.output.split()}
    there = set(Path("docs/images").glob("*.svg")) - {Path("docs/images/shared-steps.svg")}  # the gallery's
    assert drawn and drawn == there, "every picture is made, and none is left from before"
    shown = "\n".join(page.read_text() for page in (HERE / "docs").glob("*.md"))
    assert [name for name in ("locomo-recall-by-k", "locomo-recall-by-cost", "locomo-reliability") if
            f"images/{name}.svg" not in shown] == []  # fmt: skip


def test_drawing_twice_gives_the_same_files(tmp_path: Path) -> None:
    picture = Picture("p", "P", Axis("x"), Axis("y"), (Line("one", ((1.0, 2.0),)),))
    (one,), (other,) = draw([picture], tmp_path / "a"), draw([picture], tmp_path / "b")
    assert one.read_bytes() == other.read_bytes()
