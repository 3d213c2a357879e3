"""The gallery: what is shared and why not, whose rows are whose, what is best and by how much, and that no page has drifted."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from engrams_bench.cli import cli
from engrams_bench.errors import BenchError, Drifted
from engrams_bench.gallery.claims import require_claims
from engrams_bench.gallery.guide import NEEDS, asked_table, baselines_table, best, needs_table
from engrams_bench.gallery.numbers import filled
from engrams_bench.gallery.rows import all_rows, broad, one, owner
from engrams_bench.gallery.uses import HAS, INSTEAD, matrix, uses
from engrams_bench.gallery.uses import markdown as shared
from engrams_bench.report import BEGIN_GALLERY, END
from engrams_bench.results import Result, write

from engrams import Memory, Recipe
from engrams.recipes.reference import BM25, NONE
from engrams.step import Run, Step
from tests.bench.test_results import outcomes, result

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Shout(Step[Any, Any]):
    """Makes it loud.

    No option of `Top`: that is quiet; a | b.

    Source: none.
    """

    def __call__(self, value: Any, run: Run) -> Any:
        return value


@dataclass(frozen=True)
class Whisper(Step[Any, Any]):
    """Makes it quiet, by ear."""

    ear: Step[Any, Any] = Shout()
    asks = ("listen",)

    def __call__(self, value: Any, run: Run) -> Any:
        return value

    def without_model(self) -> Step[Any, Any] | None:
        return Silent()


@dataclass(frozen=True)
class Silent(Step[Any, Any]):
    """Says nothing. And nothing more."""

    def __call__(self, value: Any, run: Run) -> Any:
        return value


LOUD: Recipe = replace(BM25, name="loud", writer="loud", write=BM25.write >> Whisper())


def test_what_is_shared_and_what_one_has_alone() -> None:
    found = {use.name: use for use in uses({"none": NONE, "bm25": BM25, "loud": LOUD})}
    assert found["Render"].recipes == {"none": HAS, "bm25": HAS, "loud": HAS}
    assert found["WordScores"].recipes == {"bm25": HAS, "loud": HAS}
    assert found["Shout"].alone == "No option of `Top`: that is quiet; a | b."
    assert found["Silent"].recipes == {"loud": INSTEAD}
    assert found["Silent"].alone == "Stands in for `Whisper` without a model."
    assert found["Whisper"].alone == "", "it says nothing"
    assert (found["Silent"].does, found["Whisper"].does) == ("Says nothing.", "Makes it quiet, by ear.")
    text = shared(list(found.values()), ["none", "bm25", "loud"])
    assert "| `Shout` | `loud` | Makes it loud. | No option of `Top`: that is quiet; a \\| b. |" in text
    assert "| `Whisper` | `loud` | Makes it quiet, by ear. | – |" in text


def test_a_choice_of_a_field_is_an_option_already() -> None:
    @dataclass(frozen=True)
    class Plain(Shout):
        """Says it as it is."""

    held = replace(LOUD, write=BM25.write >> Whisper(ear=Plain()))
    found = {use.name: use for use in uses({"bm25": BM25, "loud": held})}
    assert found["Plain"].alone == "A choice of `Whisper`."


def test_the_picture_has_a_dot_for_each_use_of_a_shared_step() -> None:
    found = uses({"bm25": BM25, "loud": LOUD})
    dots = sum(len(use.recipes) for use in found if len(use.recipes) > 1)
    assert matrix(found, ["bm25", "loud"]).count("<circle") == dots == 2 * len(BM25.read.steps) + 2  # type: ignore[attr-defined]


def test_every_step_that_one_recipe_has_alone_says_why() -> None:
    silent = [use.name for use in uses(Memory.catalogue()) if len(use.recipes) == 1 and not use.alone]
    assert silent == [], "say in its docstring 'No option of `Other`: …'"


# --- rows


FOUR = outcomes((1,), (2,), (None,), (4,))


def row(name: str, told: Any = FOUR, **settings: Any) -> Result:
    plain = {"budget": 2000, "embedder": "none", "models": ""}
    made = result(name, told)
    return replace(made, settings={**made.settings, "ks": [1, 5, 10], **plain, **settings})


def test_a_row_is_of_the_longest_name_that_it_begins_with() -> None:
    names = ("hipporag", "hipporag-2", "mem0", "mem0-graph", "engrams")
    for called, of in (
        ("hipporag-2-replayed", "hipporag-2"),
        ("hipporag-replayed", "hipporag"),
        ("mem0-graph-no-model", "mem0-graph"),
        ("engrams+minilm", "engrams"),
        ("engrams-without-graph+minilm", "engrams"),
        ("engramsx", None),
    ):
        assert owner(row(called), names) == of


def test_hits_that_stand_for_much_are_told_by_evidence_that_meets_in_one() -> None:
    assert not broad(row("turns", outcomes((1, 2), (3, 4))))
    assert broad(row("sessions", outcomes((1, 1), (3, 4))))
    assert not broad(row("one piece a question", outcomes((1,), (1,))))


def test_a_context_that_rests_on_evidence_that_was_not_found_is_a_summary_of_everything() -> None:
    def large(told: Any, messages: int = 101) -> Result:
        made = row("large", told)
        return replace(made, data={**made.data, "cases": 1, "messages": messages})

    # 4 of 20 stand beyond the first ten: 0.2 of the evidence more than was found.
    every = tuple(
        replace(o, cited=1.0, tokens=300) for o in outcomes(*[(1,)] * 16, *[(11,)] * 2, *[(None,)] * 2)
    )
    every = tuple(o for o in every if o.counts)
    assert broad(large(every))
    assert not broad(large(every, messages=100)), "all of it fits"
    assert not broad(large(every[1:])), "one question less"
    assert not broad(large(tuple(replace(o, turns=(2,)) for o in every))), "what it found"
    # Not all of the evidence: then only what no hit holds counts, here 2 of 21 questions, and 3 of 22.
    less = replace(every[0], cited=0.5)
    assert not broad(large((*every, less)))
    assert broad(large((*every, less, every[-1])))
    assert not broad(replace(large(every), recipe={**large(every).recipe, "name": "full-context"}))


def test_numbers_in_a_text_follow_the_rows() -> None:
    rows = [row("house")]
    text = "It is <!--= locomo house in context -->old<!--/--> % in <!--= locomo house tokens --><!--/--> tokens."
    assert filled(text, rows) == (
        "It is <!--= locomo house in context -->100.0<!--/--> % in <!--= locomo house tokens -->1,234<!--/--> tokens."
    )
    with pytest.raises(BenchError, match="there are house"):
        filled("<!--= locomo other tokens --><!--/-->", rows)
    with pytest.raises(BenchError, match="in context"):
        filled("<!--= locomo house beauty --><!--/-->", rows)


def test_what_a_text_claims_of_rows_is_checked() -> None:
    good, fair, poor = (outcomes(*[(1,)] * n, *[(9,)] * (40 - n)) for n in (40, 39, 20))
    rows = [row("house", good), row("a", fair), row("b", poor)]
    published = ["a", "b"]
    true = (
        "locomo house R@5 above locomo b R@5",
        "locomo b R@5 below locomo house R@5",
        "locomo house R@5 near locomo a R@5",
        "the best of locomo by R@5: a",
        "the best of locomo by R@5: a, b",
        "none of locomo by R@5 above house",
    )
    text = "".join(f"<!--? {claim} -->A sentence. " for claim in true)
    assert require_claims(text, rows, published) == len(true)
    for claim, found in (
        ("locomo house R@5 below locomo b R@5", "100.0 and 50.0"),
        ("locomo a R@5 above locomo a R@5", "97.5 and 97.5"),
        ("locomo house R@5 near locomo b R@5", "100.0 and 50.0"),
        ("the best of locomo by R@5: b", "the best are a"),
        ("the best of locomo by R@5: b, a", "the best are a, b"),
        ("none of locomo by R@5 above b", r"above 50.0 are a \(97.5\)"),
        ("house is the best", "no claim"),
    ):
        with pytest.raises(Drifted, match=found):
            require_claims(f"{text}<!--? {claim} -->", rows, published)
    with pytest.raises(BenchError, match="there are house, a, b"):
        require_claims("<!--? locomo c R@5 above locomo a R@5 -->", rows, published)


def test_the_best_stands_beside_those_that_chance_tells_apart_from_it() -> None:
    five = NEEDS[3]
    clear, near, far = (outcomes(*[(1,)] * n, *[(9,)] * (40 - n)) for n in (39, 38, 10))
    rows = [row("far", far), row("clear", clear), row("near", near)]
    first, ties = best(rows, five) or (None, [])
    assert first is rows[1] and ties == [rows[2]]
    assert best([row("none")], five) is None, "what finds nothing is no choice"
    told = needs_table([replace(one, data={**one.data, "name": "locomo"}) for one in rows])
    assert "`clear` 97.5; by chance at most: `near` 95.0" in told


def test_broad_rows_are_no_choice() -> None:
    wide = row("wide", outcomes(*[(1, 1)] * 20))
    narrow = row("narrow", outcomes(*[(1, 7)] * 20))
    first, _ = best([wide, narrow], NEEDS[3]) or (None, [])
    assert first is narrow


def test_what_a_model_that_only_copies_finds_is_no_choice_and_what_it_was_asked_is_counted() -> None:
    asked = {"model calls in all": 108, "model calls to write": 100} | {
        "model tokens": 54_000,
        "model tokens to write": 50_000,
    }
    copies = row("mem0-scripted", outcomes(*[(1,)] * 20), models="scripted")
    copies = replace(
        copies, cost={**copies.cost, **asked}, data={**copies.data, "messages": 50, "questions": 4}
    )
    plain = row("plain", outcomes(*[(3,)] * 20))
    assert best([copies, plain], NEEDS[3]) == (plain, [])
    assert "mem0-scripted" not in baselines_table([copies, plain, row("bm25")], ["mem0-scripted"])
    assert asked_table([copies, plain]).splitlines()[2:] == [
        f"| {copies.data['name']} | `mem0-scripted` | 2.00 | 1,000 | 2.0 | 1,000 |"
    ]


# --- pages


def test_pages_are_made_and_a_check_sees_them_drift(tmp_path: Path) -> None:
    docs, results = tmp_path / "docs", tmp_path / "results"
    docs.mkdir()
    for name in ("shared-steps.md", "which-recipe.md"):
        (docs / name).write_text(f"# Page\n\n{BEGIN_GALLERY}\n{END}\n")
    (docs / "what-the-rows-teach.md").write_text("<!--= locomo bm25 tokens -->?<!--/-->\n")
    for name in ("bm25", "engrams", "mem0-no-model"):
        write(
            row(name), (results if name != "mem0-no-model" else results / "recipes") / f"locomo-{name}.json"
        )
    figures = tmp_path / "figures.json"
    command = ["gallery", "--results", str(results), "--figures", str(figures), str(docs)]
    assert isinstance(CliRunner().invoke(cli, [*command, "--check"]).exception, Drifted)
    assert not (docs / "gallery.md").exists(), "a check writes nothing"
    CliRunner().invoke(cli, command, catch_exceptions=False)
    assert (docs / "what-the-rows-teach.md").read_text() == "<!--= locomo bm25 tokens -->1,234<!--/-->\n"
    page = (docs / "gallery.md").read_text()
    assert (
        "## mem0\n" in page
        and "| locomo | `mem0-no-model` |" in page
        and Memory.catalogue()["mem0"].card() in page
    )
    assert (docs / "images" / "recipes" / "mem0.svg").read_text() == Memory.catalogue()["mem0"].svg()
    assert "| locomo | `mem0-no-model` |" in (docs / "which-recipe.md").read_text()
    held = json.loads(figures.read_text())
    assert held["mem0"]["fingerprint"] == Memory.catalogue()["mem0"].fingerprint()
    assert held["mem0"]["rows"] == [["locomo", "mem0-no-model", None, 100.0, 1234.5, 1.2, False]]
    assert CliRunner().invoke(cli, [*command, "--check"], catch_exceptions=False).exit_code == 0
    (docs / "images" / "recipes" / "mem0.svg").write_text("<svg/>")
    assert isinstance(CliRunner().invoke(cli, [*command, "--check"]).exception, Drifted)


def test_the_committed_pages_are_what_code_and_results_say() -> None:
    command = ["gallery", "--check", "--results", str(ROOT / "bench" / "results")]
    command += ["--figures", str(ROOT / "engrams" / "figures.json"), str(ROOT / "docs")]
    done = CliRunner().invoke(cli, command, catch_exceptions=False)
    assert "as code and results say" in done.output


def test_the_row_of_a_recipe_is_found_among_all() -> None:
    rows = all_rows(ROOT / "bench" / "results")
    assert one(rows, "locomo", "bm25").recipe["name"] == "bm25"
    assert one(rows, "locomo", "mem0-replayed").settings["models"] == "replayed"


def test_no_mark_begins_a_line() -> None:
    """A line that begins with a comment is raw HTML to Markdown: it ends the paragraph, and nothing in it is formatted."""
    for page in (ROOT / "docs").glob("*.md"):
        begins = [
            line[:60]
            for line in page.read_text("utf-8").splitlines()
            if line.lstrip().startswith(("<!--=", "<!--?"))
        ]
        assert begins == [], page.name
