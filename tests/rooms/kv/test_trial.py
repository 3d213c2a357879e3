"""`engrams kv bench`: policies and ways of reuse on a model and text of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from engrams.errors import BadSetting, NotFound
from engrams.kv.policies.catalogue import BY_NAME
from engrams.kv.reuse.catalogue import METHODS
from engrams.kv.trial import load, trial
from engrams.serve.cli.commands import root
from tests.kv.tiny import llama, some_tokens


def test_everything_kept_or_computed_is_the_full_cache() -> None:
    rows = {
        (row.name, row.budget): row
        for row in trial(
            llama(),
            some_tokens(96),
            budgets=(1.0, 0.25),
            only=["random", "think", "recompute-all", "concatenate", "cacheblend"],
        )
    }
    full = rows["full", None]
    assert full.same == 1.0
    assert full.seconds is not None
    everything = rows["random", 1.0]
    assert (everything.same, everything.loss, everything.bytes) == (1.0, full.loss, full.bytes)
    assert rows["recompute-all", None].same == 1.0
    assert rows["recompute-all", None].recomputed == 1.0
    assert rows["concatenate", None].recomputed == 0.0
    assert (rows["concatenate", None].same or 0) < 1.0
    # 72 tokens: a quarter of them is 18 for each of 3 layers' 2 heads, of 32 numbers of 4 bytes and a position of 8; and the ids.
    assert rows["random", 0.25].bytes == 3 * 2 * 18 * (32 * 4 + 4) + 72 * 4
    assert "at least" in rows["think", 0.25].refused


def test_all_that_has_a_name_is_tried() -> None:
    rows = trial(llama(layers=2), some_tokens(64), budgets=(0.9,))
    assert {row.name for row in rows} >= {*BY_NAME, *METHODS} - {"given-chunks"}
    assert [row.name for row in rows if row.refused] == ["la-cache"]  # two layers are too few for its ladder


def test_what_cannot_be_tried_is_refused(tmp_path: Path) -> None:
    model = llama()
    for tokens, more in (
        (some_tokens(63), {}),
        (some_tokens(64), {"budgets": [1.5]}),
        (some_tokens(64), {"only": ["snapvk"]}),
    ):
        with pytest.raises(BadSetting):
            trial(model, tokens, **more)  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        load(tmp_path / "nothing", tmp_path)
    (tmp_path / "text.txt").write_text("words, no ids")
    with pytest.raises(BadSetting, match=r"config\.json"):
        load(tmp_path, tmp_path / "text.txt")
    model.save_pretrained(tmp_path / "model")
    with pytest.raises(BadSetting, match="token ids"):
        load(tmp_path / "model", tmp_path / "text.txt")


def test_the_command_prints_a_row_for_each(tmp_path: Path) -> None:
    llama().save_pretrained(tmp_path / "model")
    (tmp_path / "text.txt").write_text(" ".join(map(str, some_tokens(70))))
    asked = ["kv", "bench", "--model", str(tmp_path / "model"), "--text", str(tmp_path / "text.txt")]
    asked += ["--budget", "0.5", "--only", "streaming,edge"]
    done = CliRunner().invoke(root, [*asked, "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [(row["kind"], row["name"], row["budget"]) for row in rows] == [
        ("full", "full", None),
        ("compression", "streaming", 0.5),
        ("reuse", "edge", None),
    ]
    plain = CliRunner().invoke(root, asked)
    assert [line.split("\t")[1] for line in plain.stdout.splitlines()] == ["full", "streaming", "edge"]
