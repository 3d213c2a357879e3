"""Result files: written, read back, tabulated, compared, and made into the README's table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from engrams_bench.cli import cli
from engrams_bench.compare import compare
from engrams_bench.errors import Drifted, MalformedResult, NoMarkers, NotComparable
from engrams_bench.printing import columns, differences, shown
from engrams_bench.report import BEGIN, END, gather, insert, markdown
from engrams_bench.results import Outcome, Result, read, write
from engrams_bench.tables import tables

KS = (1, 5)
HERE = Path(__file__).parents[2]


def outcomes(*ranks: tuple[int | None, ...]) -> tuple[Outcome, ...]:
    """One answerable question for each tuple of ranks, two to a conversation, and one that has no answer."""
    asked = [
        Outcome(f"q{i}", f"c{i // 2}", "kind", False, held, held[:1], 0.9, True, 100 + i, 1.0)
        for i, held in enumerate(ranks)
    ]
    return (*asked, Outcome("none", "c0", "nothing", True, (3,), (2,), 0.2, False, 4, None))


def result(name: str = "house", told: tuple[Outcome, ...] = outcomes((1, 7), (2,), (None,), (4,))) -> Result:
    """A result as a run makes it, with prices chosen by hand."""
    price = {"mean": 2.0, "p50": 1.25, "p95": 4.0, "count": 4}
    return Result(
        recipe={"name": name, "fingerprint": "0" * 12, "card": [name]},
        data={
            "name": "locomo",
            "title": "LoCoMo",
            "level": "turn",
            "files": ["locomo2.json"],
            "digest": "ab",
            "cases": 2,
            "messages": 1234,
            "questions": len(told),
        },
        settings={"ks": list(KS), "limit": None},
        origin={"version": "0.1.0", "commit": "0123456789abcdef"},
        machine={"processor": "Abacus 3", "cores": 2, "python": "3.11.2"},
        cost={
            "search ms": price,
            "add ms": price,
            "context tokens": price | {"mean": 1234.5},
            "model calls": 0,
        },
        tables=tables(told, KS),
        outcomes=told,
    )


def test_tables_by_hand() -> None:
    told = tables(outcomes((1, 7), (2,), (None,), (4,)), KS)
    whole = told["all"]
    assert whole["turn recall@1"]["mean"] == pytest.approx((0.5 + 0 + 0 + 0) / 4)
    assert whole["turn recall@5"]["mean"] == pytest.approx((0.5 + 1 + 0 + 1) / 4)
    assert whole["turn all@5"]["mean"] == pytest.approx((0 + 1 + 0 + 1) / 4)
    assert whole["turn any@5"]["mean"] == pytest.approx((1 + 1 + 0 + 1) / 4)
    assert whole["turn mrr"]["mean"] == pytest.approx((1 + 1 / 2 + 0 + 1 / 4) / 4)
    assert whole["turn recall@5"]["n"] == 4, "the question without an answer is not in it"
    assert whole["turn recall@5"]["conversations"] is not None
    assert told["categories"]["kind"]["n"] == 4
    assert told["categories"]["nothing"]["turn recall@5"] == 1.0
    assert told["abstention"]["auroc"] == 1.0
    assert told["abstention"]["nothing found"] == {"precision": 1.0, "recall": 1.0, "false_alarms": 0.0}


def test_a_category_is_of_answerable_questions_where_it_has_any() -> None:
    mixed = [*outcomes((1,), (9,)), Outcome("a", "c0", "kind", True, (1,), (1,))]
    told = tables(mixed, KS)["categories"]
    assert (told["kind"]["n"], told["kind"]["turn recall@1"], told["nothing"]["n"]) == (2, 0.5, 1)


def test_a_question_with_gold_sessions_alone_counts_for_sessions_alone() -> None:
    told = tables([*outcomes((9,)), Outcome("s", "c0", "kind", False, (), (1,))], KS)["all"]
    assert (told["session recall@1"]["mean"], told["session recall@1"]["n"]) == (0.5, 2)
    assert (told["turn recall@1"]["mean"], told["turn recall@1"]["n"]) == (0.0, 1)


def test_no_interval_over_conversations_where_each_has_one_question() -> None:
    told = tables([replace(one, case=one.id) for one in outcomes((1,), (9,))], KS)
    assert told["all"]["turn recall@1"]["conversations"] is None
    assert told["all"]["turn recall@1"]["questions"] is not None


def test_no_session_measures_without_gold_sessions() -> None:
    told = tables([replace(one, sessions=()) for one in outcomes((1,), (9,))], KS)
    assert not [name for name in told["all"] if name.startswith("session")]


def test_a_result_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "house.json"
    write(result(), path)
    back = read(path)
    assert back.outcomes == result().outcomes
    assert json.loads(json.dumps(back.tables)) == json.loads(json.dumps(result().tables))
    assert len([line for line in path.read_text().splitlines() if '"id": "q' in line]) == 4, (
        "one line a question"
    )
    assert [path.name for path in path.parent.iterdir()] == ["house.json"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 99}', '{"schema": 1, "outcomes": [{"id": 1}]}'])
def test_what_is_no_result_is_said_so(text: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(MalformedResult, match=r"other\.json"):
        read(path)


def test_comparing_pairs_the_questions_whatever_their_order() -> None:
    better = result("better", outcomes((1, 2), (1,), (3,), (4,))[::-1])
    told = {held.measure: held for held in compare(result(), better)}
    five = told["turn recall@5"]
    assert five.questions.a == pytest.approx(2.5 / 4)
    assert five.questions.b == 1.0
    assert five.questions.difference == pytest.approx(1.5 / 4)
    assert five.conversations is not None
    assert "+37.5" in differences(result(), better, list(told.values()))


def test_results_over_other_data_or_questions_are_not_compared() -> None:
    one, fewer = result(), result(told=outcomes((1, 7), (2,)))
    with pytest.raises(NotComparable, match="--limit"):
        compare(one, fewer)
    with pytest.raises(NotComparable, match="same files"):
        compare(one, replace(one, data={**one.data, "digest": "cd"}))


def test_what_is_printed_says_what_was_measured() -> None:
    text = shown(result())
    for part in ("house", "locomo", "turn recall@5", "62.5", "AUROC", "search ms", "1,234 messages"):
        assert part in text
    assert columns([["a", "b"], ["long", "1"]]).splitlines() == ["a     b", "----  -", "long  1"]


def test_the_table_has_a_row_for_each_recipe_in_order(tmp_path: Path) -> None:
    for name in ("engrams", "zebra", "none", "bm25"):
        write(result(name), tmp_path / f"{name}.json")
    write(replace(result("trial"), settings={"ks": [1], "limit": 5}), tmp_path / "trial.json")
    table = markdown(gather(tmp_path))
    rows = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert rows == ["none", "bm25", "engrams", "zebra"], "a trial with a limit is no row"
    for part in ("62.5", "1,23", "Abacus 3", "012345678", "4 questions"):
        assert part in table
    write(result("engrams"), tmp_path / "again.json")
    with pytest.raises(MalformedResult, match="second result"):
        gather(tmp_path)


def test_a_page_takes_the_table_and_a_check_sees_it_drift(tmp_path: Path) -> None:
    page, held = tmp_path / "README.md", tmp_path / "results"
    page.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nrest\n")
    write(result(), held / "house.json")
    command = ["report", "--results", str(held), "--into", str(page)]
    assert CliRunner().invoke(cli, [*command, "--check"]).exception.__class__ is Drifted
    assert "old" in page.read_text()
    assert CliRunner().invoke(cli, command).exit_code == 0
    assert page.read_text().startswith(f"# Title\n\n{BEGIN}\n**locomo**") and page.read_text().endswith(
        "\n\nrest\n"
    )
    assert CliRunner().invoke(cli, [*command, "--check"]).exit_code == 0
    write(result(told=outcomes((1, 2), (2,), (None,), (4,))), held / "house.json")
    assert CliRunner().invoke(cli, [*command, "--check"]).exception.__class__ is Drifted


def test_a_page_without_markers_is_named(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("# Title\n")
    with pytest.raises(NoMarkers, match=r"README\.md: needs one pair"):
        insert(page, "text", check=False)


def test_the_committed_tables_are_what_the_committed_results_say() -> None:
    text = markdown(gather(HERE / "bench" / "results"))
    pages = [page for page in (HERE / "README.md", HERE / "bench" / "README.md") if BEGIN in page.read_text()]
    assert HERE / "bench" / "README.md" in pages
    assert [insert(page, text, check=True) for page in pages] == [False] * len(pages)
