"""`engrams-bench hooks` runs the hooks as an agent does: captures say nothing, a session start says its briefing."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from engrams_bench.hooks import FILE, hooks


def test_each_hook_is_run_and_does_its_work(tmp_path: Path) -> None:
    done = CliRunner().invoke(hooks, ["--times", "1", "--sizes", "60", "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / FILE).read_text("utf-8"))["hooks"]
    assert list(told) == [
        "python alone",
        "UserPromptSubmit",
        "Stop, one turn",
        "Stop, 100 turns at once",
        "SessionStart, 60 messages",
    ]
    said = {name: figures["letters_said"] > 0 for name, figures in told.items()}
    assert [name for name, something in said.items() if something] == ["SessionStart, 60 messages"]
    assert all(f["wall_ms"]["p50"] > 0 and f["cpu_ms"]["p50"] > 0 for f in told.values())
    assert told["Stop, 100 turns at once"]["transcript_bytes"] > 1_000_000
