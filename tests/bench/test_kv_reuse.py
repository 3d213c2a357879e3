"""Tables of reuse and of the time to the first token, on results made up by hand; and the page that shows the committed ones."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from engrams_bench.cli import cli
from engrams_bench.kv.reuse_table import BEGIN, FULL, STANDS_FOR, figures, markdown, quality, speed

from engrams.kv import __file__ as kv_room

HERE = Path(__file__).parents[2]
RESULTS = HERE / "bench" / "results" / "kv"

#: Two contexts of four questions: local, two chunks, two chunks, three chunks.
FOUND = {
    "questions": [{"seed": 1, "context": at // 4, "depth": (0, 1, 1, 2)[at % 4]} for at in range(8)],
    "rows": [
        {"way": FULL, "share": 1.0, "right": "11111111"},
        *({"way": way, "share": 0.25, "right": "11011100"} for way in STANDS_FOR.values()),
    ],
}


def test_a_row_tells_right_answers_by_chunks_and_the_distance() -> None:
    """Of 4 answers over two chunks 2 are right, of 2 over three chunks 1; three of six are missing, in each context: 1 and 2."""
    lines = quality(FOUND).splitlines()
    assert lines[2] == "| full prefill | 100 % | 100.0 | 100.0 | 100.0 | – |"
    assert lines[3] == "| cacheblend 0.25 | 25 % | 100.0 | 50.0 | 50.0 | -50.0 (-66.7 to -33.3) |"


def test_figures_of_a_way_are_its_row() -> None:
    assert figures(FOUND)["cacheblend"] == {"token_layers": 0.25, "right_across_chunks": 0.5}
    assert list(figures(FOUND)) == list(STANDS_FOR)


def test_times_stand_by_depth() -> None:
    def at(layers: int, times: float) -> dict[str, object]:
        rows = [
            {"way": FULL, "seconds": 0.251, "times": 1.0, "share": 1.0},
            {"way": "edge", "seconds": 0.1, "times": times, "share": 0.131},
        ]
        return {"layers": layers, "rows": rows}

    assert speed({"depths": [at(8, 2.51), at(16, 3.04)]}).splitlines() == [
        "| first token behind | 8 layers | 16 layers |",
        "|---|--:|--:|",
        "| full prefill | 0.25 s | 0.25 s |",
        "| edge | 2.5 × (13 %) | 3.0 × (13 %) |",
    ]


def test_without_results_the_table_says_how_to_make_them(tmp_path: Path) -> None:
    assert "engrams-bench kv-reuse" in markdown(tmp_path)


def test_the_page_and_the_figures_are_what_the_results_say() -> None:
    page = (HERE / "docs" / "kv.md").read_text(encoding="utf-8")
    assert f"{BEGIN}\n{markdown(RESULTS)}\n" in page
    measured = json.loads((Path(kv_room).parent / "measured.json").read_text(encoding="utf-8"))
    assert measured["reuse"] == figures(json.loads((RESULTS / "reuse.json").read_text(encoding="utf-8")))


def test_the_command_says_what_it_needs() -> None:
    told = CliRunner().invoke(cli, ["kv-reuse", "--help"])
    assert told.exit_code == 0
    assert "engrams[torch]" in told.output
