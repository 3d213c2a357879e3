"""What `engrams kv policies` says was measured is what the committed results say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from engrams_bench.errors import Drifted
from engrams_bench.kv import measured

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "bench" / "results" / "kv"


def test_the_packages_figures_are_those_of_the_results() -> None:
    assert measured.write(RESULTS, ROOT / measured.TARGET, check=True) is False


def test_figures_by_hand(tmp_path: Path) -> None:
    rows = [
        {"policy": "snapkv", "budget": 0.5, "right": "1101"},
        {"policy": "snapkv", "budget": 0.25, "right": "1001"},
        {"policy": "h2o, nothing recent", "budget": 0.25, "right": "1111"},
    ]
    (tmp_path / "before.json").write_text(json.dumps({"rows": rows}))
    later = [{"policy": name, "budget": 0.25, "right": "1110"} for name in ("snapkv", "spec-kv")]
    (tmp_path / "aware.json").write_text(json.dumps({"rows": later}))
    assert measured.gather(tmp_path) == {
        "compression": {
            "snapkv": {"right_at_50_percent": 0.75, "right_at_25_percent": 0.5},
            "spec-kv": {"right_at_25_percent_knowing_the_question": 0.75},
        }
    }
    target = tmp_path / "measured.json"
    with pytest.raises(Drifted, match="engrams-bench report"):
        measured.write(tmp_path, target, check=True)
    assert measured.write(tmp_path, target) is True
    assert measured.write(tmp_path, target, check=True) is False
    assert measured.gather(tmp_path / "nothing") == {}
